"""The pictures of docs/web.md: the page with a made-up face, wide and light, narrow and dark.

python scripts/web_pictures.py
"""

import io
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

DOCS = Path(__file__).parents[1] / "docs"
SERVE = [sys.executable, "-u", "-c", "from semwave.apps.cli import app; app()", "serve", "--port", "0"]
PATIENCE_MS = 120_000
COLOURS, WIDTH = 192, 960


def prepare(page: Page, address: str, compare: bool) -> None:
    page.goto(address)
    expect(page.locator("#examples button")).to_have_count(6, timeout=PATIENCE_MS)
    page.click("#examples button:nth-child(2)")
    expect(page.locator("#figures")).to_contain_text("PSNR", timeout=PATIENCE_MS)
    with page.expect_response("**/view", timeout=PATIENCE_MS):
        page.click("#part-eyes")
    expect(page.locator("#figures")).to_contain_text("hidden: eyes", timeout=PATIENCE_MS)
    if compare:
        page.click("#compare")
        for scheme in ("separation", "deep-jscc"):
            expect(page.locator(f"#{scheme}-text")).to_contain_text("PSNR", timeout=PATIENCE_MS)
    page.mouse.move(2, 2)
    page.evaluate("document.activeElement.blur()")


def keep(name: str, screenshot: bytes) -> None:
    picture = Image.open(io.BytesIO(screenshot)).convert("RGB")
    if picture.width > WIDTH:
        picture = picture.resize((WIDTH, picture.height * WIDTH // picture.width), Image.Resampling.LANCZOS)
    picture.quantize(COLOURS).save(DOCS / name, optimize=True)


def main() -> None:
    with subprocess.Popen(SERVE, stdout=subprocess.PIPE, text=True) as run, sync_playwright() as playwright:
        assert run.stdout
        address = run.stdout.readline().split()[1]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
            prepare(page, address, compare=True)
            keep("web-wide.png", page.screenshot(full_page=True))
            page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
            prepare(page, address, compare=False)
            page.locator("#examples").evaluate("examples => scrollTo(0, examples.offsetTop - 120)")
            keep("web-narrow.png", page.screenshot())
        finally:
            browser.close()
            run.terminate()


if __name__ == "__main__":
    main()

"""What a user does, in Chromium, with the shipped model: the pixels of the page are looked at, not its elements alone.

``make test-web`` runs these. They are skipped where Playwright or Chromium is not there.
"""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut
from web_answers import decoded, encoded

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is of the extra semwave[web-test]")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not there: apt-get install chromium"),
]
expect = sync_api.expect
WAIT_MS = 60_000
SECONDS = 5
"""Of live mode."""


@pytest.fixture(scope="module")
def address():
    """Where ``semwave serve`` listens, in a process of its own."""
    command = [sys.executable, "-c", "from semwave.apps.cli import app; app()", "serve", "--port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    environment.pop("SEMWAVE_LPIPS_WEIGHTS", None)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as run:
        assert run.stdout
        yield run.stdout.readline().split()[1]
        run.send_signal(signal.SIGINT)
        assert run.wait(20) == 0


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Chromium, whose camera films the astronaut."""
    film = tmp_path_factory.mktemp("camera") / "astronaut.mjpeg"
    film.write_bytes(encoded(astronaut()[:384], "JPEG") * 30)
    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    options = ["--no-sandbox", *camera, f"--use-file-for-fake-video-capture={film}"]
    with sync_api.sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=options)


@pytest.fixture
def page(browser, address):
    """The page, loaded. Nothing else than the service is asked, and nothing is said on the console."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, permissions=["camera"])
    page, asked, said = context.new_page(), [], []
    page.set_default_timeout(WAIT_MS)
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url.replace("ws:", "http:")))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(address)
    expect(page.locator("#examples button")).to_have_count(6, timeout=WAIT_MS)
    yield page
    context.close()
    assert all(url.startswith((address, "data:image/", f"blob:{address}")) for url in asked)
    assert [text for text in said if "the server responded with a status of 422" not in text] == []


def shown(page, at):
    """Pixels of the picture on the page, float (H, W, 3), with the divider at ``at`` per cent."""
    page.evaluate(f"document.querySelector('before-after').at = {at}")
    page.wait_for_timeout(100)
    stage = page.locator(".stage")
    pixels = np.asarray(Image.open(io.BytesIO(stage.screenshot())).convert("RGB"), float)
    middle = len(pixels) // 8
    return pixels[middle:-middle, middle:-middle]  # without the labels and the divider


def far(a, b):
    return np.abs(a - b).mean()


def upload(page, data, name="astronaut.png"):
    page.set_input_files("#file", {"name": name, "mimeType": "image/png", "buffer": data})


def drawn(page):
    """Waits until the picture at hand is final."""
    expect(page.locator("#save-picture")).to_be_enabled(timeout=WAIT_MS)
    page.wait_for_timeout(150)


def test_a_photograph_is_uploaded_and_received(page):
    upload(page, encoded(astronaut()))
    expect(page.locator("#figures")).to_contain_text("PSNR", timeout=WAIT_MS)
    drawn(page)
    sent, received = shown(page, 100), shown(page, 0)
    assert sent.std() > 30 and received.std() > 30
    assert 1 < far(sent, received) < 30  # alike, and not the same
    assert "2560" in page.inner_text("#figures") and page.locator("#stages tbody tr").count() == 6
    half = shown(page, 50)
    assert far(half[:, : half.shape[1] // 3], sent[:, : half.shape[1] // 3]) < 1
    assert far(half[:, -half.shape[1] // 3 :], received[:, -half.shape[1] // 3 :]) < 1
    dots = page.locator("#constellation").screenshot()
    assert decoded(dots).std() > 10


def test_hidden_eyes_are_hatched_where_they_were_and_drawn_as_others(page):
    page.click("#examples button:nth-child(1)")
    expect(page.locator("#figures")).to_contain_text("PSNR", timeout=WAIT_MS)
    drawn(page)
    sent, received = shown(page, 100), shown(page, 0)
    with page.expect_response("**/view"):
        page.click("#part-eyes")
    drawn(page)
    hatched, others = shown(page, 100), shown(page, 0)
    changed = np.abs(hatched - sent).mean(2) > 20
    assert 0.01 < changed.mean() < 0.3
    eyes = np.abs(others - received).mean(2)
    assert eyes[changed].mean() > 2 * eyes[~changed].mean()
    assert page.locator("#part-eyes").get_attribute("aria-pressed") == "true"
    with page.expect_response("**/view"):
        page.click("#part-eyes")
    drawn(page)
    assert far(shown(page, 100), sent) < 0.5 and far(shown(page, 0), received) < 0.5


def test_a_part_is_hidden_by_a_click_into_the_picture(page):
    page.click("#examples button:nth-child(1)")
    drawn(page)
    page.evaluate("document.querySelector('before-after').at = 100")
    box = page.locator(".stage").bounding_box()
    with page.expect_response("**/view"):
        page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 0.6 * box["height"])
    drawn(page)
    assert page.locator("#parts [aria-pressed=true]").count() == 1


def test_the_snr_is_dragged_and_the_picture_follows_without_inverting_again(page):
    page.click("#examples button:nth-child(2)")
    drawn(page)
    good = shown(page, 0)
    took = []
    page.on("response", lambda answer: took.append(answer) if answer.url.endswith("/view") else None)
    box = page.locator("#snr").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    for step in range(6):
        page.mouse.move(box["x"] + box["width"] * (0.45 - 0.07 * step), middle)
        page.wait_for_timeout(120)
    page.mouse.up()
    expect(page.locator("#figures")).to_contain_text("-", timeout=WAIT_MS)
    drawn(page)
    page.wait_for_timeout(500)
    drawn(page)
    bad = shown(page, 0)
    assert far(bad, good) > 3
    inversions = {answer.json()["report"]["seconds"]["invert"] for answer in took}
    assert len(took) >= 2 and len(inversions) == 1
    page.evaluate("document.querySelector('#snr').value = 10")
    page.dispatch_event("#snr", "change")
    expect(page.locator("#figures")).to_contain_text(" 10 dB", timeout=WAIT_MS)
    drawn(page)
    assert far(shown(page, 0), good) < 0.5  # the same noise again


def test_symbols_arrive_one_after_the_other(page):
    page.click("#examples button:nth-child(2)")
    drawn(page)
    whole = shown(page, 0)
    distances = []
    for stop in (0, 4):
        page.evaluate(f"document.querySelector('#first').value = {stop}")
        with page.expect_response("**/view"):
            page.dispatch_event("#first", "change")
        drawn(page)
        distances.append(far(shown(page, 0), whole))
    assert distances[0] > distances[1] > 0.5


def test_the_camera_takes_a_picture_and_goes_live(page):
    page.click("#camera")
    expect(page.locator("#video")).to_be_visible()
    page.wait_for_timeout(500)
    page.click("#shoot")
    expect(page.locator("#figures")).to_contain_text("PSNR", timeout=WAIT_MS)
    drawn(page)
    taken = shown(page, 100)
    assert taken.std() > 30 and page.inner_text("#source-error") == ""
    page.click("#live")
    expect(page.locator("#figures")).to_contain_text("Live", timeout=WAIT_MS)
    rates, end = [], time.monotonic() + SECONDS
    while time.monotonic() < end:
        page.wait_for_timeout(500)
        rates.append(float(page.inner_text("#rate").split()[0]))
    assert rates[-1] > 0.3 and page.inner_text("#camera-error") == ""
    assert far(shown(page, 100), taken) < 40
    page.evaluate("document.querySelector('#snr').value = -10")
    page.dispatch_event("#snr", "change")
    expect(page.locator("#figures")).to_contain_text("-10 dB", timeout=WAIT_MS)
    page.click("#live")
    expect(page.locator("#rate")).to_have_text("")


def test_what_is_wrong_with_a_file_is_said_beside_it(page):
    for data, word in ((b"no picture", "JPEG"), (encoded(np.zeros((64, 64, 3), np.uint8)), "No face found")):
        upload(page, data)
        expect(page.locator("#source-error")).to_contain_text(word, timeout=WAIT_MS)
        assert "--" not in page.inner_text("#source-error")
    page.fill("#k-number", "3")
    page.press("#k-number", "Enter")
    page.click("#examples button:nth-child(1)")
    expect(page.locator("#k-error")).to_contain_text("k = 3 is not offered", timeout=WAIT_MS)
    page.fill("#k-number", "2560")
    page.press("#k-number", "Tab")
    expect(page.locator("#figures")).to_contain_text("PSNR", timeout=WAIT_MS)
    expect(page.locator("#k-error")).to_have_text("")


def test_a_part_that_cannot_be_hidden_is_not_offered_or_taken_back(page):
    page.click("#examples button:nth-child(2)")
    drawn(page)
    missing = page.locator("#parts button[disabled]")
    assert "hat" in missing.all_inner_texts()
    page.evaluate("document.querySelector('#part-hat').disabled = false")
    page.click("#part-hat")
    expect(page.locator("#hide-error")).to_contain_text("No hat", timeout=WAIT_MS)
    assert page.locator("#part-hat").get_attribute("aria-pressed") == "false"


def test_files_are_saved(page, tmp_path):
    page.click("#examples button:nth-child(1)")
    drawn(page)
    files = {}
    for kind in ("picture", "symbols", "report"):
        with page.expect_download() as saved:
            page.click(f"#save-{kind}")
        files[kind] = Path(saved.value.path()).read_bytes()
        assert saved.value.suggested_filename.startswith("made-up-face-1.")
    assert decoded(files["picture"]).shape == (512, 512, 3)
    assert json.loads(files["report"])[0]["k"] == 2560
    assert b"semwave_symbols" in files["symbols"][:1000]


def test_the_keyboard_is_enough(page):
    page.focus("#examples button:nth-child(1)")
    page.keyboard.press("Enter")
    drawn(page)
    page.focus(".divider")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert page.locator(".divider").get_attribute("aria-valuenow") == "40"
    page.keyboard.press("End")
    assert page.locator(".divider").get_attribute("aria-valuenow") == "100"
    page.focus("#snr")
    with page.expect_response("**/view"):
        page.keyboard.press("ArrowRight")
    assert page.inner_text("#snr-text") == "10.5 dB"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_of_it(browser, address, scheme):
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    expect(page.locator("#examples button")).to_have_count(6, timeout=WAIT_MS)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    paper = decoded(page.screenshot())[-3:, :3].mean()
    assert paper > 200 if scheme == "light" else paper < 60
    context.close()

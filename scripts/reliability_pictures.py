"""Time and peak memory of reading the largest pictures that are accepted, a fresh process each, as a Markdown table."""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

READ = r"""
import json, re, sys, time
from pathlib import Path
from semwave.errors import SemwaveError
from semwave.pictures import images
def peak():
    # Unlike ru_maxrss it does not begin with the peak of the process that started this one.
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024
before = peak()
start, used = time.perf_counter(), time.process_time()
try:
    found = list(images.read_image(sys.argv[1]).shape[1::-1])
except SemwaveError as error:
    found = str(error).split(": ", 1)[1]
print(json.dumps([found, time.perf_counter() - start, time.process_time() - used, before, peak()]))
"""


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """A photograph's worth of detail: smooth noise, so that decoders have something to do."""
    small = np.random.default_rng(0).integers(0, 256, (max(height // 8, 1), max(width // 8, 1), 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BILINEAR).convert(mode)


def deep(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.tile(np.arange(width, dtype=np.uint16) * 7, (height, 1)))


def cases(folder: Path):
    """Names of pictures and their files, made when they are asked for."""
    plain = {"RGB": noise, "RGBA": lambda w, h: noise(w, h, "RGBA"), "16 bit": deep}
    table = [
        ("PNG, RGB", "RGB", (7400, 5500), "a.png", {"compress_level": 1}),
        ("PNG, RGBA", "RGBA", (7000, 5300), "b.png", {"compress_level": 1}),
        ("PNG, 16-bit grey", "16 bit", (8900, 6600), "c.png", {"compress_level": 1}),
        ("PNG, 16-bit grey, 100 megapixels", "16 bit", (10000, 10000), "c.png", {"compress_level": 1}),
        ("TIFF, LZW", "RGB", (5000, 4000), "d.tif", {"compression": "tiff_lzw"}),
        ("TIFF, plain", "RGB", (5000, 4000), "e.tif", {}),
        ("WebP", "RGB", (5200, 4200), "f.webp", {"quality": 80, "method": 0}),
        ("AVIF", "RGB", (5200, 4200), "g.avif", {"speed": 10}),
        ("AVIF, 9000 x 9000", "RGB", (9000, 9000), "h.avif", {"speed": 10}),
        ("JPEG 2000", "RGB", (4100, 3100), "i.jp2", {}),
        ("JPEG 2000, read at a half", "RGB", (6600, 6600), "j.jp2", {}),
        ("JPEG", "RGB", (8000, 6000), "k.jpg", {"quality": 90}),
        ("JPEG, 100 megapixels, read at a half", "RGB", (10000, 10000), "l.jpg", {"quality": 90}),
        ("JPEG, progressive", "RGB", (5500, 4900), "m.jpg", {"quality": 90, "progressive": True}),
        ("BMP", "RGB", (7000, 5000), "n.bmp", {}),
        ("GIF", "RGB", (8900, 6600), "o.gif", {}),
    ]
    for name, kind, size, file, options in table:
        plain[kind](*size).save(folder / file, **options)
        yield name, size, folder / file
        (folder / file).unlink()


def main() -> None:
    print("| picture | size | read as | seconds | of a CPU | peak memory [MiB] | of these before reading |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: |")
    with TemporaryDirectory() as folder:
        for name, (width, height), file in cases(Path(folder)):
            done = subprocess.run([sys.executable, "-c", READ, str(file)], capture_output=True, text=True, check=True)
            found, seconds, used, before, peak = json.loads(done.stdout)
            shown = "x".join(map(str, found)) if isinstance(found, list) else f"refused: {found}"
            figures = f"{seconds:.2f} | {used:.2f} | {peak:.0f} | {before:.0f}"
            print(f"| {name} | {width}x{height} | {shown} | {figures} |", flush=True)


if __name__ == "__main__":
    main()

import io
import json
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data, metrics

from semwave.errors import SemwaveError
from semwave.pictures import images
from semwave.pictures.files import write_array, write_json, write_text
from semwave.pictures.images import read_image, resized, to_tensor, to_uint8, write_png

PHOTO = data.astronaut()[60:260:2, 120:340:2]
HEIGHT, WIDTH = PHOTO.shape[:2]
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000", "PPM")


def encoded(picture, format="PNG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, format=format, **options)
    return buffer.getvalue()


def read_bytes(folder, content):
    path = folder / "picture"
    path.write_bytes(content)
    return read_image(path)


def refusal(path):
    with pytest.raises(SemwaveError) as raised:
        read_image(path)
    message = str(raised.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pictures")


@pytest.mark.parametrize("format", FORMATS)
def test_formats(folder, format):
    image = read_bytes(folder, encoded(Image.fromarray(PHOTO), format))
    assert image.dtype == np.uint8
    assert image.shape == PHOTO.shape
    assert metrics.mean_squared_error(PHOTO, image) < 255**2 / 10**2.5


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_truncated_is_refused(folder, format, share):
    content = encoded(Image.fromarray(PHOTO), format)
    with pytest.raises(SemwaveError, match=r"not a readable picture|truncated or damaged"):
        read_bytes(folder, content[: int(share * len(content))])


@settings(max_examples=200, deadline=None)
@given(
    content=st.binary(min_size=1, max_size=200),
    start=st.sampled_from([None, *FORMATS]),
    cut=st.integers(2, 64),
)
def test_any_bytes_are_read_or_refused(folder, content, start, cut):
    if start:
        whole = encoded(Image.fromarray(PHOTO[:8, :8]), start)
        content = whole[:cut] + content + whole[cut + len(content) :]
    try:
        image = read_bytes(folder, content)
    except SemwaveError:
        return
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.shape[2] == 3


def test_other_formats_are_refused(folder):
    with pytest.raises(SemwaveError, match="not a readable picture"):
        read_bytes(folder, encoded(Image.fromarray(PHOTO), "PDF"))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_modes(folder, mode):
    picture = Image.fromarray(PHOTO).convert(mode)
    image = read_bytes(folder, encoded(picture, "TIFF"))
    expected = np.array(picture.convert("RGB"))
    assert np.abs(image.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_grey(folder, format):
    ramp = np.linspace(0, 65535, 256).round().astype(np.uint16)
    image = read_bytes(folder, encoded(Image.fromarray(np.tile(ramp, (4, 1))), format))
    assert np.array_equal(image[0, :, 1], np.arange(256))


def test_16_bit_colour(folder):
    content = b"P6 1 3 65535\n" + np.array([[0, 0, 65535], [65535, 0, 0], [32896] * 3], ">u2").tobytes()
    image = read_bytes(folder, content)
    assert image[:, 0].tolist() == [[0, 0, 255], [255, 0, 0], [128, 128, 128]]


@pytest.mark.parametrize("top", [1, 255])
def test_floats(folder, top):
    ramp = np.linspace(0, top, 256, dtype=np.float32)
    image = read_bytes(folder, encoded(Image.fromarray(ramp[None]), "TIFF"))
    assert np.array_equal(image[0, :, 0], np.arange(256))


def test_floats_that_are_not_numbers_are_refused(folder):
    with pytest.raises(SemwaveError, match="damaged"):
        read_bytes(folder, encoded(Image.fromarray(np.full((2, 2), np.nan, np.float32)), "TIFF"))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_becomes_white(folder, mode):
    if mode == "P":
        picture, options = Image.new("P", (2, 2), 0), {"transparency": 0}
    else:
        picture, options = Image.new("RGBA", (2, 2), (0, 0, 0, 0)).convert(mode), {}
    assert (read_bytes(folder, encoded(picture, **options)) == 255).all()


def test_half_transparent_is_mixed_with_white(folder):
    image = read_bytes(folder, encoded(Image.new("RGBA", (2, 2), (255, 0, 0, 51))))
    assert image[0, 0].tolist() == [255, 204, 204]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    ("orientation", "corner"),
    [
        (1, (0, 0)),
        (2, (0, -1)),
        (3, (-1, -1)),
        (4, (-1, 0)),
        (5, (0, 0)),
        (6, (0, -1)),
        (7, (-1, -1)),
        (8, (-1, 0)),
    ],
)
def test_exif_orientation(folder, format, orientation, corner):
    pixels = np.zeros((32, 64, 3), np.uint8)
    pixels[:16, :16] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = read_bytes(folder, encoded(Image.fromarray(pixels), format, exif=exif))
    assert image.shape[:2] == ((64, 32) if orientation > 4 else (32, 64))
    assert image[corner].min() > 240
    assert image.mean() < 60


def test_animation_gives_its_first_frame(folder):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    image = read_bytes(folder, encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert image[0, 0].tolist() == [255, 0, 0]


def test_picture_pair_of_a_camera(folder):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    image = read_bytes(folder, encoded(frames[0], "MPO", save_all=True, append_images=frames[1:]))
    assert image[0, 0, 0] > 240


def test_missing_empty_and_folder(tmp_path):
    (tmp_path / "empty.png").touch()
    assert "no such file" in refusal(tmp_path / "none.png")
    assert "empty" in refusal(tmp_path / "empty.png")
    assert "folder" in refusal(tmp_path)
    with pytest.raises(SemwaveError):
        read_image("a\0b")
    with pytest.raises(SemwaveError):
        read_image("a" * 5000)


@pytest.mark.parametrize("side", [10_001, 30_000])
def test_too_many_pixels_are_refused_undecoded(tmp_path, side):
    path = tmp_path / "large.pgm"
    path.write_bytes(f"P5 {side} {side} 255\n".encode())
    assert "at most 100 megapixels" in refusal(path)


def test_too_many_bytes(tmp_path, monkeypatch):
    path = tmp_path / "long.png"
    path.write_bytes(encoded(Image.fromarray(PHOTO)))
    monkeypatch.setattr(images, "MAX_BYTES", 2**10)
    assert "MiB" in refusal(path)


MEASURED = """
import re, sys
from pathlib import Path
from semwave.errors import SemwaveError
from semwave.pictures import images

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

before = peak()
for path in sys.argv[1:]:
    try:
        print(*images.read_image(path).shape, peak() - before, sep=" ")
    except SemwaveError as error:
        print(error, peak() - before)
"""


def test_memory_is_bounded_whatever_a_header_says(tmp_path):
    cases = (
        ("large.avif", "RGB", (9000, 9000), {"speed": 10}, "take about 13.. MiB of memory"),
        ("deep.png", "I;16", (9000, 9000), {"compress_level": 1}, "take about 38. MiB of memory"),
        ("less-deep.png", "I;16", (7000, 7000), {"compress_level": 1}, "7000 7000 3"),
        ("large.jpg", "RGB", (9000, 9000), {}, "4500 4500 3"),
    )
    for name, mode, size, options, _ in cases:
        Image.new(mode, size, 1000 if mode == "I;16" else 100).save(tmp_path / name, **options)
    command = [sys.executable, "-c", MEASURED, *(str(tmp_path / name) for name, *_ in cases)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # Each figure is the peak so far.
    for line, (name, *_, said) in zip(done.stdout.splitlines(), cases, strict=True):
        assert re.search(said, line), (name, line)
        assert float(line.split()[-1]) < 450, (name, line)


def test_large_jpegs_are_read_at_a_half_where_memory_is_short(tmp_path, monkeypatch):
    Image.fromarray(PHOTO).resize((640, 480)).save(tmp_path / "a.jpg", quality=95)
    Image.fromarray(PHOTO).resize((640, 480)).save(tmp_path / "a.jp2")
    Image.fromarray(PHOTO).resize((640, 480)).save(tmp_path / "a.png")
    whole = {path: read_image(path) for path in sorted(tmp_path.iterdir())}
    monkeypatch.setattr(images, "MOST_MEMORY", 2**20)
    for path, picture in whole.items():
        if path.suffix == ".png":
            assert "MiB of memory" in refusal(path)
            continue
        half = read_image(path)
        assert half.shape[0] in (240, 120) and half.shape[1] * 3 == half.shape[0] * 4
        small = np.array(Image.fromarray(picture).resize(half.shape[1::-1], Image.Resampling.BOX), float)
        assert np.abs(small - half).mean() < 8


def test_what_decodes_a_pixel_at_a_time_is_read_only_if_small(tmp_path):
    small, large = tmp_path / "a.ppm", tmp_path / "b.ppm"
    small.write_bytes(b"P6 20 20 300\n" + b"\0\1" * 1200)
    large.write_bytes(b"P6 2000 2000 300\n" + b"\0\1" * 12_000_000)
    assert read_image(small).shape == (20, 20, 3)
    assert "too long" in refusal(large)


def test_libraries_say_nothing_by_themselves(tmp_path, capfd):
    content = encoded(Image.fromarray(PHOTO), "TIFF", compression="tiff_lzw")
    deflated = encoded(Image.fromarray(PHOTO), "TIFF", compression="tiff_adobe_deflate")
    for i, whole in enumerate((content, deflated)):
        for cut in range(8, len(whole), len(whole) // 23):
            broken = bytearray(whole)
            broken[cut : cut + 8] = b"\xff" * 8
            try:
                read_bytes(tmp_path, bytes(broken))
            except SemwaveError as error:
                assert str(tmp_path) in str(error), i
    print("still heard", file=sys.stderr)
    assert capfd.readouterr().err == "still heard\n"


def test_every_level_survives_the_tensor():
    image = np.arange(256, dtype=np.uint8).reshape(8, 32, 1).repeat(3, 2)
    tensor = to_tensor(image)
    assert tensor.shape == (1, 3, 8, 32)
    assert tensor.dtype == torch.float32
    assert (tensor.min(), tensor.max()) == (-1, 1)
    assert np.array_equal(to_uint8(tensor[0]), image)


def test_channels_keep_their_order():
    tensor = to_tensor(PHOTO)
    assert tensor[0, 2, 5, 7] == pytest.approx(PHOTO[5, 7, 2] / 127.5 - 1)
    assert np.array_equal(to_uint8(tensor[0]), PHOTO)


def test_values_beyond_the_range_are_clipped():
    image = to_uint8(torch.tensor([-3.0, 0.0, 7.0]).reshape(3, 1, 1))
    assert image[0, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_not_a_number_is_refused(value):
    with pytest.raises(SemwaveError, match="NaN"):
        to_uint8(torch.full((3, 2, 2), value))


def test_written_pictures_read_the_same(tmp_path):
    path = tmp_path / "new" / "face.png"
    write_png(path, PHOTO)
    assert np.array_equal(read_image(path), PHOTO)
    assert [entry.name for entry in path.parent.iterdir()] == ["face.png"]


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 40), st.integers(1, 40), st.floats(-1, 1))
def test_resizing_keeps_what_is_plain_and_leaves_the_right_size_alone(before, after, grey):
    noise = torch.rand(2, 3, before, before)
    assert resized(noise, before) is noise and resized(noise, after).shape == (2, 3, after, after)
    torch.testing.assert_close(resized(torch.full((1, 3, before, before), grey), after).mean(), torch.tensor(grey))


def test_what_shrinks_is_averaged():
    checkers = (torch.arange(16)[:, None] + torch.arange(16)).remainder(2).float().expand(1, 1, -1, -1)
    torch.testing.assert_close(resized(checkers, 4)[..., 1:-1, 1:-1], torch.full((1, 1, 2, 2), 0.5))


def test_json_text_and_arrays(tmp_path):
    write_json(tmp_path / "a.json", [{"photo": "é.png", "lpips_alex": None}])
    write_text(tmp_path / "a.txt", "é")
    write_array(tmp_path / "a.npy", np.arange(3, dtype=np.float32))
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == [{"photo": "é.png", "lpips_alex": None}]
    assert (tmp_path / "a.txt").read_bytes() == "é".encode()
    assert np.load(tmp_path / "a.npy", allow_pickle=False).tolist() == [0, 1, 2]


def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_text(path, "before")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(images.os, "replace", fail)
    with pytest.raises(SemwaveError, match="No space left"):
        write_text(path, "after")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_where_a_folder_should_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SemwaveError, match="cannot be written"):
        write_png(tmp_path / "file" / "a.png", PHOTO)


@pytest.fixture
def heic(tmp_path):
    """A HEIC picture with a red left half."""
    pillow_heif = pytest.importorskip("pillow_heif")
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:, :48, 0] = 255
    file = pillow_heif.from_pillow(Image.fromarray(pixels))
    file.save(tmp_path / "photo.heic", quality=90)
    return tmp_path / "photo.heic"


def test_heic_is_read_where_pillow_heif_is_there(heic, monkeypatch):
    pixels = read_image(heic)
    assert pixels.shape == (64, 96, 3) and pixels[:, :40, 0].min() > 200 and pixels[:, 56:].max() < 50
    heic.write_bytes(heic.read_bytes()[:-200])
    with pytest.raises(SemwaveError, match=r"truncated or damaged|not a readable"):
        read_image(heic)
    monkeypatch.setattr(images, "_formats", lambda: images.FORMATS)
    with pytest.raises(SemwaveError, match="a HEIC picture; to read it: pip install pillow-heif"):
        read_image(heic)

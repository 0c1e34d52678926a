"""Pictures in and out: careful reading, atomic writing, and the way between uint8 arrays and tensors.

bytes -> header: format, size -> memory that decoding takes, estimated -> decoded, smaller where it must be
      -> strips of rows -> uint8 (H, W, 3)
"""

import io
import os
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from semwave.errors import SemwaveError
from semwave.pictures.files import STREAM, kind_of, write_bytes
from semwave.pictures.quiet import quiet_libraries

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000", "PPM")
HEIF = "HEIF"
"""Read where pillow-heif is installed."""
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
"""What bytes 8 to 12 of such a file may say that it is; an AVIF file may say mif1, too."""
MAX_PIXELS = 100_000_000
MAX_BYTES = 256 * 2**20
MOST_MEMORY = 384 * 2**20
"""Bytes that a file and its decoding may take, by the estimate of :data:`DECODING`."""
DECODING = {"AVIF": 14, "HEIF": 8, "WEBP": 14, "JPEG2000": 26, "TIFF": 10}
"""Bytes a pixel that a decoder takes beside the rows that Pillow keeps; three in other formats, for our own copy."""
KEPT = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
"""Bytes a pixel that Pillow keeps, by its mode; four in the others."""
OURS, PROGRESSIVE = 3, 6
SLOW_DECODERS = ("ppm", "ppm_plain", "bmp_rle")
"""Pillow decodes these in Python, a pixel at a time."""
SLOW_PIXELS = 1_000_000
STRIP = 2**20
"""Pixels that are converted at a time."""
ORIENTATION = 0x0112
WRITTEN: dict[str, dict[str, Any]] = {
    ".png": {"format": "PNG", "compress_level": 4},
    ".jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    ".jpeg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    ".webp": {"format": "WEBP", "lossless": True},
    ".tif": {"format": "TIFF", "compression": "tiff_lzw"},
    ".tiff": {"format": "TIFF", "compression": "tiff_lzw"},
    ".bmp": {"format": "BMP"},
}
"""How a picture is written under a name with this suffix. PNG at level 4: two and a half times as fast as the default,
1 % larger."""
INPUT, SKETCH, COARSE = 256, 128, 64
"""Widths in pixels at which networks read photographs, draw what nobody sees, and compare colours."""


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Read any common picture file as 8-bit RGB, upright as its EXIF orientation says.

    Transparency is laid on white; grey, palette, 16-bit and CMYK pictures become RGB; of an animation the
    first frame counts. Size in bytes and in pixels, and the memory that decoding takes, are judged before anything is
    decoded; a JPEG or JPEG 2000 that would take too much is read at a half, a quarter or an eighth of its width.

    Arguments:
        path: a JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF, JPEG 2000 or PPM file; with pillow-heif a HEIC file.

    Returns:
        uint8 array (H, W, 3), sRGB values 0..255.

    Raises:
        SemwaveError: no such file, a folder, empty, not a picture, truncated, or too large.
    """
    path = Path(path)
    return decode_image(read_bytes(path), path)


def decode_image(data: bytes, name: str | os.PathLike) -> np.ndarray:
    """The picture in the bytes of a file, as :func:`read_image` gives it; errors call it ``name``."""
    with warnings.catch_warnings(), quiet_libraries():
        warnings.simplefilter("ignore")  # Pillow warns of what is either harmless or an error below
        try:
            picture = Image.open(io.BytesIO(data), formats=_formats())
        except Image.DecompressionBombError:
            raise SemwaveError(_too_many_pixels(name)) from None
        except Exception:  # decoders fail on hostile bytes with nearly any exception
            if data[4:8] == b"ftyp" and data[8:12] in HEIF_BRANDS and HEIF not in _formats():
                raise SemwaveError(f"{name}: a HEIC picture; to read it: pip install pillow-heif") from None
            raise SemwaveError(f"{name}: not a readable picture; give a JPEG, PNG or WebP file") from None
        with picture:
            _judge_size(picture, name, len(data))
            try:
                picture.load()
                orientation, pixels = _orientation(picture), _to_rgb(picture)
            except Exception:
                raise SemwaveError(
                    f"{name}: the picture is truncated or damaged; get an intact copy of the file"
                ) from None
    return np.ascontiguousarray(_upright(pixels, orientation))


@cache
def _formats() -> tuple[str, ...]:
    """What can be read here."""
    try:
        import pillow_heif
    except ImportError:
        return FORMATS
    pillow_heif.register_heif_opener(thumbnails=False)
    return (*FORMATS, HEIF)


def read_bytes(path: Path) -> bytes:
    """The bytes of a picture's file. Raises :class:`SemwaveError` where there is none, or one of more than 256 MiB."""
    try:
        if path.is_dir():
            raise SemwaveError(f"{path}: is a folder, not a picture; name a picture in it")
        if not path.exists():
            raise SemwaveError(f"{path}: no such file; check the name")
        if not path.is_file():
            raise SemwaveError(f"{path}: is not a regular file; give a picture file")
        size = path.stat().st_size
        if size == 0:
            raise SemwaveError(f"{path}: the file is empty; get an intact copy of it")
        if size > MAX_BYTES:
            raise SemwaveError(
                f"{path}: the file has {size / 2**20:.0f} MiB, at most {MAX_BYTES // 2**20} MiB are read;"
                " make the picture smaller"
            )
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file name"
        raise SemwaveError(f"{path}: cannot be read ({reason}); check its name and permissions") from None


def _too_many_pixels(name: str | os.PathLike, size: tuple[int, int] | None = None) -> str:
    what = f"{size[0]} x {size[1]} pixels are too many" if size else "far too many pixels"
    return f"{name}: {what}, at most {MAX_PIXELS // 10**6} megapixels are read; make the picture smaller"


def _judge_size(picture: Image.Image, path: str | os.PathLike, kept: int) -> None:
    """Have ``picture`` decoded at a size for which memory is enough beside the ``kept`` bytes of its file.

    Raises:
        SemwaveError: there is no such size.
    """
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise SemwaveError(_too_many_pixels(path, picture.size))
    name = "JPEG" if picture.format == "MPO" else picture.format or ""
    # A progressive JPEG keeps all of its coefficients, whatever size is drawn of them.
    kept += PROGRESSIVE * width * height if picture.info.get("progressive") else 0
    each, shrink = DECODING.get(name, OURS) + KEPT.get(picture.mode, 4), 0
    while name in ("JPEG", "JPEG2000") and shrink < 3 and _needed(width, height, each, shrink) + kept > MOST_MEMORY:
        shrink += 1
    needed = _needed(width, height, each, shrink) + kept
    if needed > MOST_MEMORY:
        raise SemwaveError(
            f"{path}: {width} x {height} pixels of {name} take about {needed / 2**20:.0f} MiB of memory, at most "
            f"{MOST_MEMORY // 2**20} MiB are used; make the picture smaller"
        )
    slow = any(tile[0] in SLOW_DECODERS for tile in getattr(picture, "tile", ()))
    if slow and width * height > SLOW_PIXELS:
        raise SemwaveError(f"{path}: {width} x {height} pixels of this kind of {name} take too long; save it as PNG")
    if shrink and name == "JPEG":
        picture.draft(picture.mode, (max(width >> shrink, 1), max(height >> shrink, 1)))
    elif shrink:
        picture.reduce = shrink  # pyrefly: ignore


def _needed(width: int, height: int, each: int, shrink: int) -> int:
    return (width >> shrink) * (height >> shrink) * each


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(ORIENTATION, 1))
    except Exception:  # broken metadata is no reason to refuse a sound picture
        return 1


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """``pixels`` (H, W, 3) as EXIF's ``orientation`` 1..8 has them seen."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _strips(picture: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    rows = max(STRIP // picture.width, 1)
    for top in range(0, picture.height, rows):
        bottom = min(top + rows, picture.height)
        yield slice(top, bottom), picture.crop((0, top, picture.width, bottom))


def _to_rgb(picture: Image.Image) -> np.ndarray:
    deep = picture.mode == "F" or picture.mode.startswith("I")
    top = _top(picture) if deep else 255
    pixels = np.empty((picture.height, picture.width, 3), np.uint8)
    for rows, strip in _strips(picture):
        if deep:
            values = np.clip(np.asarray(strip), 0, top).astype(np.float32) * np.float32(255 / top)
            pixels[rows] = np.rint(values).astype(np.uint8)[..., None]
            continue
        if strip.has_transparency_data:
            strip = strip.convert("RGBA")
            strip = Image.alpha_composite(Image.new("RGBA", strip.size, "white"), strip)
        pixels[rows] = np.asarray(strip.convert("RGB"))
    return pixels


def _top(picture: Image.Image) -> int:
    """What is white: floats lie in 0..1 unless one is above 1, whole numbers are 8 or 16 bit."""
    highest, floating, wide = 0.0, picture.mode == "F", picture.mode == "I"
    for _, strip in _strips(picture):
        values = np.asarray(strip)
        if floating and not np.isfinite(values).all():
            raise ValueError("not finite")
        highest = max(highest, float(values.max()))
    if floating:
        return 1 if highest <= 1 else 255
    return 255 if wide and highest <= 255 else 65535


def to_tensor(image: np.ndarray) -> torch.Tensor:
    """Turn a uint8 image (H, W, 3) into a float32 tensor (1, 3, H, W) in [-1, 1]."""
    values = torch.tensor(image).permute(2, 0, 1).unsqueeze(0)
    return values.to(torch.float32, memory_format=torch.contiguous_format) / 127.5 - 1


def resized(images: torch.Tensor, size: int) -> torch.Tensor:
    """Pictures (B, C, size, size) out of ``images`` (B, C, H, H): bilinear, averaging where they shrink."""
    width = images.shape[-1]
    if width == size:
        return images
    return functional.interpolate(images, size=(size, size), mode="bilinear", antialias=width > size)


def visible_at(
    picture: torch.Tensor, visible: torch.Tensor | None, size: int
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """A picture (B, 3, H, H) and where it is ``visible`` (B, 1, H, H) bool, at ``size`` px.

    A pixel of the result is visible where all that it is an average of is; it is zero elsewhere.
    """
    if visible is None:
        return resized(picture, size), None
    seen = resized(visible.float(), size) > 1 - 1e-4
    return torch.where(seen, resized(picture, size), 0.0), seen


def to_uint8(image: torch.Tensor) -> np.ndarray:
    """Turn a tensor (3, H, W) in [-1, 1] into a uint8 image (H, W, 3); values outside are clipped.

    Raises:
        SemwaveError: a value is NaN or infinite.
    """
    image = image.detach().to("cpu", torch.float32)
    if not torch.isfinite(image).all():
        raise SemwaveError("the image has NaN or infinite values; check the symbols it was drawn from")
    return ((image + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def write_png(path: str | os.PathLike, image: np.ndarray) -> None:
    """Write a uint8 image (H, W, 3) or (H, W) as PNG; the file appears whole or not at all.

    Raises:
        SemwaveError: the place cannot be written to.
    """
    write_bytes(path, encode_image(image, ".png"))


def write_image(path: str | os.PathLike, image: np.ndarray) -> None:
    """Write a uint8 image (H, W, 3) in the format that the name of ``path`` says (:data:`WRITTEN`); as PNG into a
    device or a pipe.

    Raises:
        SemwaveError: a name that says another format, or none, or as :func:`write_png`.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in WRITTEN and kind_of(path) != STREAM:
        raise SemwaveError(f"{path}: pictures are written as {', '.join(WRITTEN)}; end the name so")
    write_bytes(path, encode_image(image, suffix))


def encode_image(image: np.ndarray, suffix: str) -> bytes:
    """The bytes of a file of a uint8 image (H, W, 3) or (H, W) in the format of ``suffix`` (:data:`WRITTEN`)."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, **WRITTEN.get(suffix, WRITTEN[".png"]))
    return buffer.getvalue()

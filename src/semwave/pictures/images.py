"""Pictures in and out: careful reading, atomic writing, and the way between uint8 arrays and tensors."""

import io
import os
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.nn import functional

from semwave.errors import SemwaveError
from semwave.pictures.files import write_bytes

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000", "PPM")
MAX_PIXELS = 100_000_000
MAX_BYTES = 256 * 2**20
INPUT, SKETCH, COARSE = 256, 128, 64
"""Widths in pixels at which networks read photographs, draw what nobody sees, and compare colours."""


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Read any common picture file as 8-bit RGB, upright as its EXIF orientation says.

    Transparency is laid on white; grey, palette, 16-bit and CMYK pictures become RGB; of an animation the
    first frame counts. Size in bytes and in pixels is checked before anything is decoded.

    Arguments:
        path: a JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF, JPEG 2000 or PPM file.

    Returns:
        uint8 array (H, W, 3), sRGB values 0..255.

    Raises:
        SemwaveError: no such file, a folder, empty, not a picture, truncated, or too large.
    """
    path = Path(path)
    data = _read_bytes(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of what is either harmless or an error below
        try:
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
        except Image.DecompressionBombError:
            raise SemwaveError(_too_many_pixels(path)) from None
        except Exception:  # decoders fail on hostile bytes with nearly any exception
            raise SemwaveError(f"{path}: not a readable picture; give a JPEG, PNG or WebP file") from None
        with picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise SemwaveError(_too_many_pixels(path, picture.size))
            try:
                picture.load()
                return np.array(_to_rgb(_upright(picture)))
            except Exception:
                raise SemwaveError(
                    f"{path}: the picture is truncated or damaged; get an intact copy of the file"
                ) from None


def _read_bytes(path: Path) -> bytes:
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


def _too_many_pixels(path: Path, size: tuple[int, int] | None = None) -> str:
    what = f"{size[0]} x {size[1]} pixels are too many" if size else "far too many pixels"
    return f"{path}: {what}, at most {MAX_PIXELS // 10**6} megapixels are read; make the picture smaller"


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # broken metadata is no reason to refuse a sound picture
        return picture


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "F" or picture.mode.startswith("I"):
        picture = Image.fromarray(_to_8_bit(np.asarray(picture)))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return picture.convert("RGB")


def _to_8_bit(grey: np.ndarray) -> np.ndarray:
    """Grey of any depth to uint8; floats lie in 0..1 unless one is above 1, whole numbers are 8 or 16 bit."""
    if not np.isfinite(grey).all():
        raise ValueError("not finite")
    if np.issubdtype(grey.dtype, np.floating):
        top = 1 if grey.max() <= 1 else 255
    else:
        top = 255 if grey.dtype.itemsize > 2 and grey.max() <= 255 else 65535
    return np.rint(np.clip(grey, 0, top) * (255 / top)).astype(np.uint8)


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


def coarse(images: torch.Tensor) -> torch.Tensor:
    """``images`` (B, 3, S, S), S a multiple of 64, averaged to (B, 3, 64, 64)."""
    return functional.avg_pool2d(images, images.shape[-1] // COARSE)


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
    buffer = io.BytesIO()
    # Two and a half times as fast as the default level, 1 % larger.
    Image.fromarray(image).save(buffer, format="PNG", compress_level=4)
    write_bytes(path, buffer.getvalue())

"""A photo and the mask that its user drew: what the mask covers is removed before even the face is looked for.

photo, mask -> covered pixels replaced by the colours around them -> find the face, crop -> picture to read
                                                      same frame -> mask               -> private region
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from semwave.errors import SemwaveError
from semwave.pictures import align, images
from semwave.privacy.strict import extended

SMALL = 256
"""Side of the picture, in pixels, in which the colours around a covered region are spread over it."""


@dataclass(frozen=True)
class Framed:
    """A photo in the frame: ``sent`` uint8 (size, size, 3) as it is, ``read`` as the transmitter may read it, and the
    private ``region`` (1, size, size) bool, None where no mask was given. ``note`` says which of several faces it is.
    """

    sent: np.ndarray
    read: np.ndarray
    region: Tensor | None
    note: str = ""


def read_mask(path: Path) -> np.ndarray:
    """A mask (H, W) bool: private where the picture in ``path`` is brighter than middle grey.

    Raises :class:`SemwaveError` for what is not a picture, and for a mask that marks nothing.
    """
    mask = images.read_image(path).mean(2) > 127
    if not mask.any():
        raise SemwaveError(f"{path}: the mask marks nothing; paint what is private white and the rest black")
    return mask


def framed(
    photo: np.ndarray, size: int, align_faces: bool, mask: np.ndarray | None = None, face: int | None = None
) -> Framed:
    """Bring ``photo``, uint8 (H, W, 3), to the frame of ``size`` pixels; ``mask`` (H, W) bool is private; of several
    faces the one of number ``face`` is taken, 1 the largest.

    Raises:
        SemwaveError: no face found, or none outside the mask; a mask of another size than the photo; a photo that
            needs no alignment but is not square.
    """
    if mask is None:
        if not align_faces:
            picture = align.in_frame(photo, size)
            return Framed(picture, picture, None)
        found = align.choose_face(photo, face)
        picture = align.crop(photo, found.frame, size)
        return Framed(picture, picture, None, found.note)
    if mask.shape != photo.shape[:2]:
        (height, width), (tall, wide) = mask.shape, photo.shape[:2]
        raise SemwaveError(f"the mask has {width} x {height} pixels, the photo {wide} x {tall}; draw one on the photo")
    readable = _without(photo, mask)
    painted = np.repeat(mask[:, :, None] * np.uint8(255), 3, axis=2)
    note = ""
    if not align_faces:
        pictures = [align.in_frame(picture, size) for picture in (photo, readable, painted)]
    else:
        try:
            found = align.choose_face(readable, face)
        except SemwaveError as error:
            raise SemwaveError(
                f"{error}; the mask covers too much of it: give an aligned photo and --no-align"
            ) from None
        pictures, note = [align.crop(picture, found.frame, size) for picture in (photo, readable, painted)], found.note
    return Framed(pictures[0], pictures[1], torch.from_numpy(pictures[2].max(2) > 0)[None], note)


def _without(photo: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """``photo`` with what ``mask`` covers replaced by the colours around it."""
    visible = np.where(mask[:, :, None], 0, photo).astype(np.uint8)
    scale = min(1, SMALL / max(mask.shape))
    size = [max(round(scale * length), 1) for length in mask.shape[::-1]]
    colours, share = np.zeros((SMALL, SMALL, 3), np.float32), np.zeros((SMALL, SMALL, 1), np.float32)
    for whole, small in ((visible, colours), (~mask * np.uint8(255), share)):
        shrunk = np.asarray(Image.fromarray(whole).resize(size, Image.Resampling.BOX), np.float32)
        small[: size[1], : size[0]] = shrunk.reshape(size[1], size[0], -1)
    colours, share = colours / np.maximum(share / 255, 1e-3), share / 255
    known = (share > 0.5).astype(np.float32)
    spread = extended(*(torch.from_numpy(a).permute(2, 0, 1)[None] for a in (colours, known)))
    spread = spread[0, :, : size[1], : size[0]].permute(1, 2, 0).clamp(0, 255).round().byte().numpy()
    around = np.asarray(Image.fromarray(spread).resize(mask.shape[::-1], Image.Resampling.BILINEAR))
    return np.where(mask[:, :, None], around, visible)

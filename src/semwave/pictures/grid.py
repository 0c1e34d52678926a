"""Pictures of part masks, and many pictures in one."""

import numpy as np
from PIL import Image
from torch import Tensor
from torch.nn import functional

PART_COLOURS = (
    (40, 40, 48),
    (240, 190, 160),
    (60, 130, 220),
    (120, 80, 40),
    (220, 60, 80),
    (250, 220, 90),
    (240, 140, 60),
    (110, 60, 140),
    (200, 150, 120),
    (70, 160, 110),
    (20, 200, 220),
    (160, 160, 170),
    (255, 120, 220),
)
"""One colour for each of :data:`semwave.latent.layout.PARTS`."""
HEIGHT, COLUMNS, GAP = 256, 4, 8


def coloured_parts(masks: Tensor, size: int) -> np.ndarray:
    """Picture uint8 (size, size, 3) of part masks (13, h, w): every pixel has its likeliest part's colour."""
    enlarged = functional.interpolate(masks[None], size=(size, size), mode="bilinear")[0]
    return np.array(PART_COLOURS, np.uint8)[enlarged.argmax(0).cpu().numpy()]


def grid(pictures: list[np.ndarray]) -> np.ndarray:
    """Pictures of one size, uint8 (H, W, 3), in rows of four on white, none higher than 256 pixels."""
    small = [_shrunk(picture) for picture in pictures]
    columns = min(COLUMNS, len(small))
    height, width = small[0].shape[0] + GAP, small[0].shape[1] + GAP
    whole = np.full((-(-len(small) // columns) * height - GAP, columns * width - GAP, 3), 255, np.uint8)
    for i, picture in enumerate(small):
        top, left = i // columns * height, i % columns * width
        whole[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return whole


def _shrunk(picture: np.ndarray) -> np.ndarray:
    if len(picture) <= HEIGHT:
        return picture
    width = HEIGHT * picture.shape[1] // len(picture)
    return np.array(Image.fromarray(picture).resize((width, HEIGHT), Image.Resampling.LANCZOS))


def side_by_side(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Two pictures (H, W, 3) with a thin white gap between them."""
    gap = np.full((len(left), max(2, len(left) // 64), 3), 255, np.uint8)
    return np.concatenate([left, gap, right], axis=1)

"""The frame of CelebA-HQ and FFHQ in a photo: a square that landmarks determine, and the picture cut out of it."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from semwave.errors import SemwaveError

# What takes our landmarks to CelebA-HQ's frame, see `semwave.pictures.align.align`.
FRAME_SCALE = 1.007
FRAME_SHIFT = -0.0165

# Beyond the photo, blur and fade are complete at this distance; both in sides of the crop.
FADE = 0.15
BLUR = 0.02

RIGHT_EYE, LEFT_EYE, MOUTH_CORNERS = slice(36, 42), slice(42, 48), [48, 54]
# Points of a mirrored face, in dlib's numbering.
MIRRORED = np.r_[
    16:-1:-1, 26:16:-1, 27:31, 35:30:-1, 45:41:-1, 47:45:-1, 39:35:-1, 41:39:-1, 54:47:-1, 59:54:-1, 64:59:-1, 67:64:-1
]
CORNERS = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], float)


@dataclass(frozen=True)
class Frame:
    """A square of a photo, in pixels from the photo's top left corner.

    ``centre`` (2,) is its middle, ``half`` (2,) the vector from there to the middle of its right edge.
    """

    centre: np.ndarray
    half: np.ndarray

    @property
    def side(self) -> float:
        """Length of an edge in pixels of the photo."""
        return 2 * float(np.hypot(*self.half))

    def to_photo(self, points: np.ndarray) -> np.ndarray:
        """Take points (N, 2) of the unit square, (0, 0) its top left, to pixels of the photo."""
        across = 2 * points - 1
        return self.centre + across[:, :1] * self.half + across[:, 1:] * _turn(self.half)


def between(frame: Frame, other: Frame) -> float:
    """How far the corners of two frames lie apart at most, in sides of ``other``."""
    return float(np.hypot(*(frame.to_photo(CORNERS) - other.to_photo(CORNERS)).T).max() / other.side)


def in_frame(image: np.ndarray, size: int) -> np.ndarray:
    """Bring a picture that is framed already, uint8 (S, S, 3), to ``size``, without looking for a face.

    Raises:
        SemwaveError: the sides differ by more than 2 %.
    """
    height, width = image.shape[:2]
    if abs(height - width) > 0.02 * max(height, width):
        raise SemwaveError(f"a picture of {width} x {height} is not a square face crop; have it aligned instead")
    if (height, width) == (size, size):
        return image
    return np.array(Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS))


def frame_of(landmarks: np.ndarray) -> Frame:
    """Frame that belongs to 68 ``landmarks`` (68, 2) of a face, in the rule of :func:`semwave.pictures.align.align`."""
    eyes = np.stack([landmarks[RIGHT_EYE].mean(0), landmarks[LEFT_EYE].mean(0)])
    mouth = landmarks[MOUTH_CORNERS].mean(0)
    across, down = eyes[1] - eyes[0], mouth - eyes.mean(0)
    direction = across - _turn(down)
    length = FRAME_SCALE * max(2 * np.hypot(*across), 1.8 * np.hypot(*down))
    half = direction * (length / max(np.hypot(*direction), 1e-9))
    return Frame(eyes.mean(0) + 0.1 * down + FRAME_SHIFT * _turn(half), half)


def crop(image: np.ndarray, frame: Frame, size: int) -> np.ndarray:
    """Draw ``frame`` of ``image``, uint8 (H, W, 3), as uint8 (size, size, 3), without aliasing.

    What lies beyond the photo is its mirror image, blurred and fading to the crop's median colour.
    """
    height, width = image.shape[:2]
    corners = frame.to_photo(CORNERS)
    scale = min(size / frame.side, 1)
    margin = 4 / scale  # what the filters below reach for
    low, high = np.floor(corners.min(0) - margin).astype(int), np.ceil(corners.max(0) + margin).astype(int)
    left, top = np.clip(low, 0, [width - 1, height - 1])
    right, bottom = np.clip(high, [left + 1, top + 1], [width, height])
    region = Image.fromarray(image[top:bottom, left:right])

    # A larger region is made smaller first, so that no detail aliases.
    small = [max(round(scale * length), 1) for length in region.size]
    scales = np.array(small) / region.size
    pixels = np.asarray(region.resize(small, Image.Resampling.LANCZOS))

    before = np.ceil(np.maximum(scales * ([left, top] - low), 0)).astype(int)
    after = np.ceil(np.maximum(scales * (high - [right, bottom]), 0)).astype(int)
    pixels = np.pad(pixels, [(before[1], after[1]), (before[0], after[0]), (0, 0)], mode="symmetric")

    origin, right_end, down_end = (corners[:3] - [left, top]) * scales + before
    steps = np.stack([right_end - origin, down_end - origin], axis=1) / size
    drawn = Image.fromarray(pixels).transform(
        (size, size),
        Image.Transform.AFFINE,
        data=(*steps[0], origin[0], *steps[1], origin[1]),
        resample=Image.Resampling.BICUBIC,
    )
    if (corners >= 0).all() and (corners <= [width, height]).all():
        return np.array(drawn)
    return _fade(drawn, _distance_beyond(frame, size, width, height))


def _distance_beyond(frame: Frame, size: int, width: int, height: int) -> np.ndarray:
    """How far each pixel of the crop lies beyond the photo, in sides of the crop, (size, size)."""
    axis = (np.arange(size) + 0.5) / size
    points = frame.to_photo(np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2))
    beyond = np.maximum(np.maximum(-points, points - [width, height]), 0)
    return (np.hypot(*beyond.T) / frame.side).reshape(size, size)


def _fade(drawn: Image.Image, distance: np.ndarray) -> np.ndarray:
    pixels = np.array(drawn)
    if not distance.any():
        return pixels
    weight = np.minimum(distance / FADE, 1)[:, :, None]
    blurred = np.asarray(drawn.filter(ImageFilter.GaussianBlur(BLUR * drawn.width)), float)
    blurred += (np.median(pixels, axis=(0, 1)) - blurred) * weight**2
    mixed = pixels + (blurred - pixels) * np.minimum(3 * weight, 1)
    return np.rint(mixed).clip(0, 255).astype(np.uint8)


def _turn(vector: np.ndarray) -> np.ndarray:
    """A quarter turn that takes right to down, y pointing down."""
    return np.array([-vector[1], vector[0]])

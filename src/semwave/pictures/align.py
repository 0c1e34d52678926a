"""From any photo to the upright square crop of its largest face, framed as CelebA-HQ and FFHQ are.

photo -> face box (HOG detector, a CNN where that finds none) -> 68 landmarks -> frame
      -> both again, on the face drawn upright -> frame -> crop, mirrored and blurred beyond the photo

The second look refuses what only resembled a face, and makes the crop nearly independent of the face's size and
rotation in the photo.
"""

import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from semwave.errors import SemwaveError

# The longest side of the photo, in pixels, when the detector looks for faces of at least 80 pixels.
DETECTION_SIDES = (640, 1280, 2560)
# The same for the CNN, and the shortest side that it takes.
CNN_SIDE = 512
CNN_LEAST = 128

# What takes our landmarks to CelebA-HQ's frame, see `align`.
FRAME_SCALE = 1.007
FRAME_SHIFT = -0.0165

# The second look: side of the upright picture, and the face box in it (left, top, right, bottom).
LOOK_SIZE = 512
LOOK_BOX = (0.19, 0.31, 0.79, 0.91)
# How far, in sides of that box, a face seen upright may be off; faces score higher there than this.
LOOK_NEAR = 0.35
CONFIRMED = 0.0

# Beyond the photo, blur and fade are complete at this distance; both in sides of the crop.
FADE = 0.15
BLUR = 0.02

RIGHT_EYE, LEFT_EYE, MOUTH_CORNERS = slice(36, 42), slice(42, 48), [48, 54]


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


def align(image: np.ndarray, size: int) -> np.ndarray:
    """Cut the largest face out of a photo, upright, in the framing of CelebA-HQ and FFHQ.

    The rule is that of Karras et al. (2018, appendix C; 2019, appendix A). With e the vector from eye to eye
    (means of their landmarks), m that from the middle between the eyes to the middle between the mouth's
    corners, and R a quarter turn, the vector from the centre of the frame to its right edge points along
    e - R m and is max(2 |e|, 1.8 |m|) long; the centre lies at the eyes' middle + 0.1 m. CelebA-HQ was made
    with other landmarks than dlib's 68: over 196 of its photos the rule gives a frame 0.7 % too small and by
    1.65 % of half a side too low, which ``FRAME_SCALE`` and ``FRAME_SHIFT`` correct. What remains from photo
    to photo is a spread of 3 % in scale, 0.5 % of the side in place, and 1 degree.

    Arguments:
        image: uint8 (H, W, 3), RGB.
        size: side of the result in pixels.

    Returns:
        uint8 (size, size, 3).

    Raises:
        SemwaveError: no face is found, or the detector or its weights are not installed.
    """
    return crop(image, find_frame(image), size)


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


def find_frame(image: np.ndarray) -> Frame:
    """Frame of the largest face in ``image``, uint8 (H, W, 3). Raises as :func:`align` does."""
    first = _find_by_hog(image) or _find_by_cnn(image)
    if first is None:
        raise SemwaveError("no face found; give a photo with one face, upright, seen from the front and in focus")
    corners = [round(LOOK_SIZE * edge) for edge in LOOK_BOX]
    landmarks = _landmarks(crop(image, first, LOOK_SIZE), dlib_module().rectangle(*corners))
    return frame_of(first.to_photo(landmarks / LOOK_SIZE))


def _find_by_hog(image: np.ndarray) -> Frame | None:
    """Largest of the faces that the detector confirms when it sees them upright: it errs often on tilted photos."""
    longest = max(image.shape[:2])
    for side in DETECTION_SIDES:
        scale = min(side / longest, 2)
        found = _hog_detector()(_scaled(image, scale), 0)
        frames = [frame_of(_landmarks(image, _grown(box, 1 / scale))) for box in found]
        scores = [_upright_score(image, frame) for frame in frames]
        least = max([CONFIRMED, *(score / 2 for score in scores)])
        sure = [frame for frame, score in zip(frames, scores, strict=True) if score > least]
        if sure:
            return max(sure, key=lambda frame: frame.side)
        if side >= 2 * longest:
            break
    return None


def _upright_score(image: np.ndarray, frame: Frame) -> float:
    """The detector's score for a face where it lies in ``frame``; minus infinity if it sees none there."""
    found, scores, _ = _hog_detector().run(crop(image, frame, LOOK_SIZE), 0, CONFIRMED)
    expected = LOOK_SIZE * np.array(LOOK_BOX)
    side = expected[2] - expected[0]
    edges = [[box.left(), box.top(), box.right(), box.bottom()] for box in found]
    near = [np.abs(edge - expected).max() < LOOK_NEAR * side for edge in edges]
    return max((score for score, here in zip(scores, near, strict=True) if here), default=-np.inf)


def _find_by_cnn(image: np.ndarray) -> Frame | None:
    scale = min(CNN_SIDE / max(image.shape[:2]), 2)
    pixels = _scaled(image, scale)
    missing = [max(CNN_LEAST - length, 0) for length in pixels.shape[:2]]
    pixels = np.pad(pixels, [(0, missing[0]), (0, missing[1]), (0, 0)])
    boxes = [_grown(found.rect, 1 / scale) for found in _cnn_detector()(pixels, 0)]
    frames = [frame_of(_landmarks(image, box)) for box in boxes]
    return max(frames, key=lambda frame: frame.side, default=None)


def frame_of(landmarks: np.ndarray) -> Frame:
    """Frame that belongs to 68 ``landmarks`` (68, 2) of a face, in the rule of :func:`align`."""
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
    corners = frame.to_photo(np.array([[0, 0], [1, 0], [0, 1], [1, 1]], float))
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


def _scaled(image: np.ndarray, scale: float) -> np.ndarray:
    size = [max(round(scale * length), 1) for length in image.shape[1::-1]]
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS, reducing_gap=3))


def _grown(box: Any, scale: float) -> Any:
    edges = (box.left(), box.top(), box.right() + 1, box.bottom() + 1)
    return dlib_module().rectangle(*(round(scale * edge) for edge in edges))


def _landmarks(image: np.ndarray, box: Any) -> np.ndarray:
    parts = landmark_predictor()(image, box).parts()
    return np.array([(part.x + 0.5, part.y + 0.5) for part in parts])


def dlib_module() -> Any:
    """The dlib package. Raises :class:`SemwaveError` where it is not installed."""
    try:
        import dlib
    except ImportError:
        raise SemwaveError("dlib is not installed; install it with: pip install dlib-bin") from None
    return dlib


def dlib_weights(name: str) -> str:
    """Path of a network's weights that face_recognition_models carries. Raises :class:`SemwaveError` without them."""
    # The package itself imports pkg_resources, which is no longer everywhere: only its files are used.
    package = importlib.util.find_spec("face_recognition_models")
    path = Path(package.origin).parent / "models" / name if package and package.origin else None
    if path is None or not path.is_file():
        raise SemwaveError("the face detector has no weights; run: pip install face_recognition_models")
    return str(path)


@cache
def _hog_detector() -> Any:
    return dlib_module().get_frontal_face_detector()


@cache
def _cnn_detector() -> Any:
    return dlib_module().cnn_face_detection_model_v1(dlib_weights("mmod_human_face_detector.dat"))


@cache
def landmark_predictor() -> Any:
    """dlib's predictor of 68 landmarks."""
    return dlib_module().shape_predictor(dlib_weights("shape_predictor_68_face_landmarks.dat"))

"""From any photo to the upright square crop of a face in it, framed as CelebA-HQ and FFHQ are.

photo -> face boxes (HOG detector; on the photo turned by 45, 90 ... degrees where it finds none; a CNN, by whose faces
         landmarks are tried at every turn; the HOG detector again on all of a large photo; the CNN on the photo turned
         by quarters)
      -> 68 landmarks -> frame -> both again, on the face drawn upright -> frame -> crop

The second look refuses what only resembled a face, and makes the crop nearly independent of the face's size and
rotation in the photo.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from semwave.errors import SemwaveError
from semwave.pictures.detectors import cnn_detector, dlib_module, hog_detector, landmark_predictor
from semwave.pictures.frame import MIRRORED, Frame, between, crop, frame_of, in_frame

__all__ = ["Choice", "Frame", "align", "choose_face", "crop", "find_faces", "find_frame", "frame_of", "in_frame"]

NOT_FOUND = "no face found; give a photo with a face seen from the front, in focus, or an aligned one and --no-align"

# The longest side of the photo, in pixels, when the detector looks for upright faces of at least 80 pixels, for faces
# at any turn, and, where nothing was found, for small faces in large photos.
DETECTION_SIDES = (640, 1280, 2560)
TURNED_SIDES = (640, 1280)
LAST_SIDE = 6144
TURNS = (45, 315, 90, 270, 135, 225, 180)
# The same for the CNN, and the shortest side that it takes.
CNN_SIDE = 512
CNN_LEAST = 128

# The second look: side of the upright picture, and the face box in it (left, top, right, bottom).
LOOK_SIZE = 512
LOOK_BOX = (0.19, 0.31, 0.79, 0.91)
# How far, in sides of that box, a face seen upright may be off; faces score higher there than this.
LOOK_NEAR = 0.35
CONFIRMED = 0.0
# A frame of so many pixels where the detector looks: it would see a face of 0.7 times the size, too.
COMPARABLE = 190
# What else is found must score this share of the best.
SURE = 0.5
# Landmarks of a true face stay where they are, in sides of the frame, when the picture is mirrored and when they are
# looked for again: 0.08 together on 95 of 100 photographs, against a median of 0.12 on what is no face, or 0.08 at the
# best of eight turns.
STEADY, STEADY_TURNED = 0.1, 0.05
# Frames whose centres are nearer than this, in sides, are of one face.
APART = 0.5


@dataclass(frozen=True)
class Choice:
    """The ``frame`` of a face, and a ``note`` on which it is, empty where there is one face alone."""

    frame: Frame
    note: str = ""


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


def find_frame(image: np.ndarray) -> Frame:
    """Frame of the largest face in ``image``, uint8 (H, W, 3). Raises as :func:`align` does."""
    return choose_face(image).frame


def choose_face(image: np.ndarray, number: int | None = None) -> Choice:
    """The face of this ``number`` in ``image``, uint8 (H, W, 3), 1 the largest; without one that face, with a note
    where there are several.

    Raises:
        SemwaveError: as :func:`align`, or there are not so many faces.
    """
    faces = find_faces(image)
    if number is not None and number > len(faces):
        faces = _apart([*faces, *(find_upright(image, every=True) or ())])
    if not faces:
        raise SemwaveError(NOT_FOUND)
    if not 1 <= (number or 1) <= len(faces):
        raise SemwaveError(f"there is no face {number}; {len(faces)} found, --face takes 1 to {len(faces)}")
    frame = faces[(number or 1) - 1]
    for _ in range(2):
        frame = looked_at(image, frame)
    if number is not None or len(faces) == 1:
        return Choice(frame)
    x, y = frame.centre.round().astype(int)
    return Choice(frame, f"{len(faces)} faces found, the largest was taken, at {x}, {y}; --face 2 takes the next")


def find_faces(image: np.ndarray) -> list[Frame]:
    """Frames of the faces in ``image``, uint8 (H, W, 3), the largest first, before the second look; none if there are
    none. Faces much smaller than the ones found are not looked for."""
    ways: list[Callable[[np.ndarray], list[Frame] | None]] = [
        find_upright,
        _find_turned,
        _find_by_cnn,
        _find_lying,
        _find_small,
    ]
    for way in ways:
        if found := way(image):
            return _apart(found)
    return []


def _apart(frames: Iterable[Frame], rank: Callable[[Frame], float] = lambda frame: -frame.side) -> list[Frame]:
    """``frames`` of different faces, the largest first; of several of one face the first by ``rank``."""
    found: list[Frame] = []
    for frame in sorted(frames, key=rank):
        if all(np.hypot(*(frame.centre - other.centre)) > APART * other.side for other in found):
            found.append(frame)
    return sorted(found, key=lambda frame: -frame.side)


def looked_at(image: np.ndarray, frame: Frame) -> Frame:
    """The frame by landmarks on the face drawn upright in ``frame``."""
    return frame_of(frame.to_photo(_upright_landmarks(crop(image, frame, LOOK_SIZE)) / LOOK_SIZE))


def _upright_landmarks(pixels: np.ndarray, mirrored: bool = False) -> np.ndarray:
    """Landmarks (68, 2) of a face in the frame; ``mirrored``, those of its mirror image, mirrored back."""
    left, top, right, bottom = (round(LOOK_SIZE * edge) for edge in LOOK_BOX)
    if not mirrored:
        return _landmarks(pixels, dlib_module().rectangle(left, top, right, bottom))
    box = dlib_module().rectangle(LOOK_SIZE - right, top, LOOK_SIZE - left, bottom)
    landmarks = _landmarks(np.ascontiguousarray(pixels[:, ::-1]), box)[MIRRORED]
    return np.stack([LOOK_SIZE - landmarks[:, 0], landmarks[:, 1]], axis=1)


def _unsteadiness(image: np.ndarray, frame: Frame) -> float:
    """How far landmarks in ``frame`` move when looked for again and in the mirror, in sides of it."""
    pixels = crop(image, frame, LOOK_SIZE)
    whole = Frame(np.full(2, LOOK_SIZE / 2), np.array([LOOK_SIZE / 2, 0]))
    again, mirrored = (frame_of(_upright_landmarks(pixels, side)) for side in (False, True))
    return between(again, whole) + between(mirrored, again)


def find_upright(image: np.ndarray, every: bool = False, sides: Iterable[int] = DETECTION_SIDES) -> list[Frame]:
    """The faces that the detector confirms when it sees them upright: it errs often on tilted photos. At the coarsest
    scale at which one is large enough for comparable ones to be seen too, or at ``every`` one."""
    longest, sure = max(image.shape[:2]), []
    for side in sides:
        scale = min(side / longest, 2)
        found = hog_detector()(_scaled(image, scale), 0)
        sure += _confirmed(image, [frame_of(_landmarks(image, _grown(box, 1 / scale))) for box in found])
        largest = max((frame.side * scale for frame in sure), default=0.0)
        if (largest > COMPARABLE and not every) or side >= 2 * longest:
            break
    return _apart(sure)


def _confirmed(image: np.ndarray, frames: list[Frame]) -> list[Frame]:
    scores = [upright_score(image, frame) for frame in frames]
    least = max([CONFIRMED, *(score * SURE for score in scores)])
    return [frame for frame, score in zip(frames, scores, strict=True) if score > least]


def _find_turned(image: np.ndarray) -> list[Frame]:
    """The same on the photo turned by 45, 90 ... degrees, where a face lies on its side or upside down."""
    longest = max(image.shape[:2])
    for side in TURNED_SIDES:
        scale = min(side / longest, 2)
        small = Image.fromarray(_scaled(image, scale))
        found: list[Frame] = []
        for degrees in TURNS:
            turned = np.array(small.rotate(degrees, Image.Resampling.BILINEAR, expand=True))
            sine, cosine = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
            back = np.array([[cosine, -sine], [sine, cosine]])
            middle, origin = np.array(turned.shape[1::-1]) / 2, np.array(small.size) / 2
            for box in hog_detector()(turned, 0):
                there = frame_of(_landmarks(turned, box))
                centre = (back @ (there.centre - middle) + origin) / scale
                found.append(Frame(centre, back @ there.half / scale))
        looked = [looked_at(image, frame) for frame in _confirmed(image, found)]
        steady = [frame for frame in looked if _unsteadiness(image, frame) < STEADY]
        if steady:
            # Neighbouring turns find the same face; the one that is seen best upright is right.
            return _apart(steady, lambda frame: -upright_score(image, frame))
        if side >= longest:
            break
    return []


def upright_score(image: np.ndarray, frame: Frame) -> float:
    """The detector's score for a face where it lies in ``frame``; minus infinity if it sees none there."""
    found, scores, _ = hog_detector().run(crop(image, frame, LOOK_SIZE), 0, CONFIRMED)
    expected = LOOK_SIZE * np.array(LOOK_BOX)
    side = expected[2] - expected[0]
    edges = [[box.left(), box.top(), box.right(), box.bottom()] for box in found]
    near = [np.abs(edge - expected).max() < LOOK_NEAR * side for edge in edges]
    return max((score for score, here in zip(scores, near, strict=True) if here), default=-np.inf)


def _find_by_cnn(image: np.ndarray) -> list[Frame]:
    """Faces of the CNN, which sees masked ones and such on their side too, but not how they are turned: landmarks are
    tried at every turn and believed where they are steadiest."""
    scale = min(CNN_SIDE / max(image.shape[:2]), 2)
    pixels = _scaled(image, scale)
    missing = [max(CNN_LEAST - length, 0) for length in pixels.shape[:2]]
    pixels = np.pad(pixels, [(0, missing[0]), (0, missing[1]), (0, 0)])
    frames = []
    for found in cnn_detector()(pixels, 0):
        steadiness = [
            (_unsteadiness(image, frame) - limit, i, frame)
            for i, (frame, limit) in enumerate(_tries(image, found.rect, scale))
        ]
        if steadiness and min(steadiness)[0] < 0:
            frames.append(min(steadiness)[2])
    return frames


def _find_lying(image: np.ndarray) -> list[Frame]:
    """The same on the photo turned by quarters: the CNN misses covered faces that lie on their side."""
    for quarters in (1, 3, 2):
        turned = np.ascontiguousarray(np.rot90(image, quarters))
        back = np.linalg.matrix_power(np.array([[0, -1], [1, 0]]), quarters)
        middle, origin = np.array(turned.shape[1::-1]) / 2, np.array(image.shape[1::-1]) / 2
        found = [frame for frame in _find_by_cnn(turned) if _unsteadiness(turned, frame) < STEADY_TURNED]
        if found:
            return [Frame(back @ (frame.centre - middle) + origin, back @ frame.half) for frame in found]
    return []


def _tries(image: np.ndarray, box: Any, scale: float) -> list[tuple[Frame, float]]:
    """Frames that a face in ``box`` may have, upright or at any of :data:`TURNS`, each after a second look, and how
    steady landmarks in it must be."""
    middle = np.array([box.left() + box.right() + 1, box.top() + box.bottom() + 1]) / (2 * scale)
    half = (box.right() + 1 - box.left()) / scale / (LOOK_BOX[2] - LOOK_BOX[0]) / 2
    aside = np.array([LOOK_BOX[0] + LOOK_BOX[2] - 1, LOOK_BOX[1] + LOOK_BOX[3] - 1]) * half
    frames = [frame_of(_landmarks(image, _grown(box, 1 / scale)))]
    for degrees in (0, *TURNS):
        sine, cosine = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
        turn = np.array([[cosine, -sine], [sine, cosine]])
        frames.append(looked_at(image, Frame(middle - turn @ aside, turn @ np.array([half, 0.0]))))
    limits = [STEADY, STEADY, *(STEADY_TURNED for _ in TURNS)]
    return [(frame, limit) for frame, limit in zip(frames, limits, strict=True) if frame.side >= 1]


def _find_small(image: np.ndarray) -> list[Frame]:
    """Faces of a fiftieth of a large photo's width."""
    return find_upright(image, sides=(LAST_SIDE,)) if max(image.shape[:2]) > DETECTION_SIDES[-1] else []


def _scaled(image: np.ndarray, scale: float) -> np.ndarray:
    size = [max(round(scale * length), 1) for length in image.shape[1::-1]]
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS, reducing_gap=3))


def _grown(box: Any, scale: float) -> Any:
    edges = (box.left(), box.top(), box.right() + 1, box.bottom() + 1)
    return dlib_module().rectangle(*(round(scale * edge) for edge in edges))


def _landmarks(image: np.ndarray, box: Any) -> np.ndarray:
    parts = landmark_predictor()(image, box).parts()
    return np.array([(part.x + 0.5, part.y + 0.5) for part in parts])

"""What finds faces and landmarks: dlib and the weights that face_recognition_models carries."""

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

from semwave.errors import SemwaveError


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
def hog_detector() -> Any:
    """dlib's detector of upright faces from the front, of 80 pixels and more."""
    return dlib_module().get_frontal_face_detector()


@cache
def cnn_detector() -> Any:
    """dlib's network that finds faces, covered ones too."""
    return dlib_module().cnn_face_detection_model_v1(dlib_weights("mmod_human_face_detector.dat"))


@cache
def landmark_predictor() -> Any:
    """dlib's predictor of 68 landmarks."""
    return dlib_module().shape_predictor(dlib_weights("shape_predictor_68_face_landmarks.dat"))

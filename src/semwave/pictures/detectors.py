"""What finds faces and landmarks: dlib and the weights that face_recognition_models carries.

dlib's detectors keep what they work on inside and let other threads run meanwhile, so every thread has its own; the
predictor of landmarks only reads, and there is one.
"""

import importlib.util
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from semwave.errors import SemwaveError

_of_this_thread = threading.local()


def _own(name: str, make: Callable[[], Any]) -> Any:
    """What ``make`` gave this thread, kept under ``name``."""
    kept = _of_this_thread.__dict__
    if name not in kept:
        kept[name] = make()
    return kept[name]


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


def hog_detector() -> Any:
    """dlib's detector of upright faces from the front, of 80 pixels and more; the thread's own."""
    return _own("hog", lambda: dlib_module().get_frontal_face_detector())


def cnn_detector() -> Any:
    """dlib's network that finds faces, covered ones too; the thread's own."""
    weights = dlib_weights("mmod_human_face_detector.dat")
    return _own("cnn", lambda: dlib_module().cnn_face_detection_model_v1(weights))


@cache
def landmark_predictor() -> Any:
    """dlib's predictor of 68 landmarks."""
    return dlib_module().shape_predictor(dlib_weights("shape_predictor_68_face_landmarks.dat"))

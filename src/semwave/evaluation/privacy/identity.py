"""Whether two pictures show the same person, as a face recognition network sees it.

The network is dlib's ResNet (King 2017), whose weights face_recognition_models carries. It takes two pictures for the
same person where its descriptors are less than 0.6 apart, which is right for 99.38 % of the pairs of Labeled Faces in
the Wild by its author's account.
"""

from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from semwave.pictures.align import LOOK_BOX, LOOK_SIZE
from semwave.pictures.detectors import dlib_module, dlib_weights, landmark_predictor

SAME_PERSON = 0.6
"""Distance of two descriptors from which on the network takes them for two people."""


def descriptor(picture: np.ndarray) -> np.ndarray:
    """128 numbers that tell people apart, of the face in an aligned picture, uint8 (S, S, 3).

    The face is taken where an aligned picture has it, found or not, so that hiding it cannot evade the comparison.
    Raises :class:`semwave.SemwaveError` where dlib or its weights are not installed.
    """
    look = np.array(Image.fromarray(picture).resize((LOOK_SIZE, LOOK_SIZE), Image.Resampling.LANCZOS))
    box = dlib_module().rectangle(*(round(LOOK_SIZE * edge) for edge in LOOK_BOX))
    return np.array(_network().compute_face_descriptor(look, landmark_predictor()(look, box)))


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Euclidean distance of two descriptors."""
    return float(np.linalg.norm(a - b))


@cache
def _network() -> Any:
    return dlib_module().face_recognition_model_v1(dlib_weights("dlib_face_recognition_resnet_model_v1.dat"))

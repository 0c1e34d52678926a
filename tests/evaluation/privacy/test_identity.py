"""Face recognition tells people apart, and knows one again."""

import numpy as np

from semwave.evaluation.privacy.identity import SAME_PERSON, descriptor, distance
from semwave.pictures.images import to_uint8


def test_people_are_told_apart_and_known_again(faces):
    pictures = [to_uint8(face[0]) for face in faces]
    people = [descriptor(picture) for picture in pictures]
    darker = descriptor((0.8 * pictures[0]).astype(np.uint8))
    assert people[0].shape == (128,) and distance(people[0], people[0]) == 0
    assert distance(people[0], darker) < SAME_PERSON / 2 < SAME_PERSON < distance(*people)


def test_a_face_that_cannot_be_found_is_compared_too(faces):
    hidden = np.full((256, 256, 3), 127, np.uint8)
    assert distance(descriptor(to_uint8(faces[0][0])), descriptor(hidden)) > SAME_PERSON

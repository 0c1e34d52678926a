"""What is made of a picture is made once."""

import torch

from semwave.pictures.cache import PerPicture


def test_what_is_made_of_a_picture_is_made_once():
    made, picture = [], torch.zeros(1, 3, 4, 4)
    once = PerPicture(lambda image: made.append(image) or len(made))
    assert [once(picture), once(picture), once(picture.clone()), once(picture)] == [1, 1, 2, 3]

"""A scheme of one's own: a picture's 16 x 16 thumbnail, each number a symbol.

semwave evaluate --data PICTURES --no-align --scheme scheme:Thumbnail --scheme faces-512-k2560
"""

from semwave import Delivered, air


class Thumbnail:
    """768 numbers of any square picture whose side is a multiple of 16."""

    name, key = "thumbnail-k768", "1"

    def send(self, image, link):
        """``image`` (1, 3, S, S) in [-1, 1] over ``link``."""
        side = image.shape[-1] // 16
        small = image.unfold(2, side, side).unfold(3, side, side).mean((4, 5)).flatten(1)
        scale = small.square().mean().sqrt()  # would have to be sent as well
        soft = link(air.signal(small / scale))
        picture = (soft.symbols * scale).reshape(1, 3, 16, 16)
        return Delivered(picture.repeat_interleave(side, 2).repeat_interleave(side, 3).clamp(-1, 1), k=768)

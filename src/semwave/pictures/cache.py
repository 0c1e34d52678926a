"""What is made of a picture once, though several ask for it."""

from collections.abc import Callable
from typing import Generic, TypeVar

from torch import Tensor

Made = TypeVar("Made")


class PerPicture(Generic[Made]):
    """Calls ``make`` once for each picture: callers that take the same tensor in turn share what was made."""

    def __init__(self, make: Callable[[Tensor], Made]):
        self.make = make
        self._latest: tuple[Tensor, Made] | None = None

    def __call__(self, image: Tensor) -> Made:
        """What ``make`` gives for ``image``."""
        # Read once: another thread may put another picture there meanwhile.
        latest = self._latest
        if latest is None or latest[0] is not image:
            self._latest = latest = image, self.make(image)
        return latest[1]

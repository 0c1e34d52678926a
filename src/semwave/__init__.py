"""Generative semantic communication of face photographs: a few hundred real numbers over a noisy channel.

    from semwave import Receiver, Transmitter, air
    from semwave.pictures.photos import read_photo, write_picture

    signal = Transmitter("faces-512", k=2560)(read_photo("photo.jpg"))
    soft = air.AWGN(snr_db=10.0, random=0)(signal)
    write_picture("received.png", Receiver("faces-512")(soft))

torch and the networks are loaded with the first model: importing semwave alone takes a few hundredths of a second.
"""

from semwave.errors import SemwaveError
from semwave.privacy.settings import Privacy
from semwave.receiver import Receiver
from semwave.transmitter import Transmitter
from semwave.types import Delivered, Drawing, Header, Message, Model, Scene, Signal, Soft, Transport

__version__ = "0.3.0"
__all__ = [
    "Delivered", "Drawing", "Header", "Message", "Model", "Privacy", "Receiver", "Scene", "SemwaveError", "Signal",
    "Soft", "Transmitter", "Transport", "__version__",
]  # fmt: skip

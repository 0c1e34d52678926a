"""Draw the picture of the README: the astronaut, sent and received.

Run it from the root of the checkout: .venv/bin/python scripts/pictures.py
"""

from pathlib import Path

from skimage.data import astronaut

from semwave import Receiver, Transmitter
from semwave.air.channels import AWGN
from semwave.pictures import align, images
from semwave.pictures.grid import side_by_side

DOCS = Path(__file__).parent.parent / "docs"
SNR_DB = 10.0


def send(picture, k):
    """What arrives of ``picture`` (1, 3, 512, 512) over AWGN at 10 dB with k real symbols."""
    return images.to_uint8(Receiver()(AWGN(SNR_DB, 0)(Transmitter(k=k)(picture)))[0])


def main():
    """Write docs/astronaut.png."""
    sent = align.align(astronaut(), 512)
    row = sent
    for k in (2560, 256):
        row = side_by_side(row, send(images.to_tensor(sent), k))
    images.write_png(DOCS / "astronaut.png", row)


if __name__ == "__main__":
    main()

"""Draw the picture of the README: the astronaut, sent and received.

Run it from the root of the checkout: .venv/bin/python scripts/pictures.py
"""

from pathlib import Path

import torch
from skimage.data import astronaut

from semwave import Receiver, Transmitter
from semwave.air.channels import CHANNELS
from semwave.pictures import align, images
from semwave.pictures.grid import side_by_side

DOCS = Path(__file__).parent.parent / "docs"
SNR_DB = 10.0


def send(picture, k):
    """What arrives of ``picture`` (1, 3, 512, 512) over AWGN at 10 dB with k real symbols."""
    received = CHANNELS["awgn"]()(Transmitter(k=k)(picture).symbols, SNR_DB, torch.Generator().manual_seed(0))
    return images.to_uint8(Receiver()(received.symbols, received.snr_db)[0])


def main():
    """Write docs/astronaut.png."""
    sent = align.align(astronaut(), 512)
    row = sent
    for k in (2560, 256):
        row = side_by_side(row, send(images.to_tensor(sent), k))
    images.write_png(DOCS / "astronaut.png", row)


if __name__ == "__main__":
    main()

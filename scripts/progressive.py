"""A made-up face as its symbols arrive, most important first: the moving picture of the README.

python scripts/progressive.py docs/progressive.webp
"""

import argparse
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from semwave import Receiver, Transmitter, air
from semwave.model import load_model
from semwave.pictures.files import write_bytes
from semwave.pictures.images import to_uint8

K, SIZE, SEED = 2560, 384, 16
FIRST = (0, 8, 16, 32, 64, 128, 192, 256, 384, 512, 768, 1024, 1536, 2560)
MILLISECONDS, LAST_MILLISECONDS = 450, 2500
MARGIN = 28


def frame(sent: np.ndarray, received: np.ndarray, first: int) -> Image.Image:
    """``sent`` beside what is ``received`` of the ``first`` symbols, uint8 (S, S, 3), with a line below."""
    pair = Image.fromarray(np.concatenate([sent, received], 1)).resize((2 * SIZE, SIZE), Image.Resampling.LANCZOS)
    shown = Image.new("RGB", (2 * SIZE, SIZE + MARGIN), "white")
    shown.paste(pair)
    draw, font = ImageDraw.Draw(shown), ImageFont.load_default(16)
    draw.text((8, SIZE + 5), "sent: 786,432 numbers", "black", font)
    draw.text((SIZE + 8, SIZE + 5), f"received: {first:,} of {K:,} symbols, 10 dB", "black", font)
    return shown


def so_far(received: Tensor, first: int) -> Tensor:
    """The ``received`` noise (1, k) before more than the ``first`` symbols have arrived."""
    return received.masked_fill(torch.arange(received.shape[1]) >= first, torch.inf)


@torch.no_grad()
def main() -> None:
    """Draw the frames and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=SEED, help="of the face")
    options = parser.parse_args()
    model = load_model()
    face = model.generate(model.sample(1, torch.Generator().manual_seed(options.seed)), 512).image.clamp(-1, 1)
    soft, receiver = air.AWGN(10.0, random=0)(Transmitter(model, K)(face)), Receiver(model)
    frames = [
        frame(to_uint8(face[0]), to_uint8(receiver(replace(soft, noise=so_far(soft.noise, first)))[0]), first)
        for first in FIRST
    ]
    file = io.BytesIO()
    times = [MILLISECONDS] * (len(frames) - 1) + [LAST_MILLISECONDS]
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], duration=times, loop=0, quality=80, method=6)
    write_bytes(options.out, file.getvalue())


if __name__ == "__main__":
    main()

"""The paper's Figs. 2 and 6, with the astronaut (NASA, public domain) and generated faces."""

from pathlib import Path

import numpy as np
import torch
from skimage.data import astronaut
from torch import Tensor

from semwave import model as models
from semwave.air.channels import make_channel
from semwave.pictures import align, images
from semwave.privacy.faces import drawn
from semwave.privacy.knowledge import COVER, FACE
from semwave.privacy.settings import FACE_PARTS, Mode, Privacy
from semwave.privacy.strict import part_labels, shown_parts
from semwave.receiver import Receiver
from semwave.transmitter import Transmitter

GENERATED = 2
K, SNR_DB = 2560, 10.0
# The filter's bias of Fig. 2, large enough that codes leave what is natural.
FAR = 3.0
# Not the faces that the knowledge base is made of.
SEED_STEP = 1_000_004


def draw(model: models.Model, out: Path, size: int, seed: int) -> list[Path]:
    """Write figure-2.png and figure-6.png to ``out``, every picture ``size`` pixels wide. Returns the files.

    Fig. 2: a sent, b face parts filtered (eq. 4), c corrected by the knowledge base too (eq. 5), both at lambda1 = 3.
    Fig. 6: a sent, received with nothing hidden, b eyes hidden, c everything but the eyes hidden, both in strict mode.
    """
    random = torch.Generator().manual_seed(seed + SEED_STEP)
    photos = [images.to_tensor(align.align(astronaut(), model.size))]
    while len(photos) <= GENERATED:
        photo = drawn(model, random, model.size)
        if set(present(model, photo, FACE + COVER)) == set(FACE):
            photos.append(photo)
    figures: dict[str, list[np.ndarray]] = {"figure-2.png": [], "figure-6.png": []}
    for photo in photos:
        face = present(model, photo, FACE_PARTS)
        ways = {
            "figure-2.png": [
                Privacy(face, mode=mode, lambda1=FAR, seed=seed) for mode in (Mode.filter, Mode.knowledge)
            ],
            "figure-6.png": [None, Privacy(("eyes",), seed=seed), Privacy(keep=("eyes",), seed=seed)],
        }
        for name, privacies in ways.items():
            received = [_received(model, photo, privacy, size, seed) for privacy in privacies]
            sent = images.resized(photo, size)
            figures[name].append(_row([sent, *received]))
    for name, rows in figures.items():
        images.write_png(out / name, np.concatenate(rows))
    return [out / name for name in figures]


def present(model: models.Model, photo: Tensor, parts: tuple[str, ...]) -> tuple[str, ...]:
    """Those of ``parts`` that can be seen in the photo (1, 3, H, H)."""
    shown = shown_parts(part_labels(model, photo))
    return tuple(part for part in parts if part in shown)


def _received(model: models.Model, photo: Tensor, privacy: Privacy | None, size: int, seed: int) -> Tensor:
    symbols = Transmitter(model, K, privacy=privacy)(photo).symbols
    arrived = make_channel("awgn")(symbols, SNR_DB, torch.Generator().manual_seed(seed))
    return Receiver(model, size)(arrived.symbols, arrived.snr_db, arrived.fading)


def _row(pictures: list[Tensor]) -> np.ndarray:
    """Pictures (1, 3, S, S) side by side on white."""
    gap = max(2, pictures[0].shape[-1] // 64)
    framed = [np.pad(images.to_uint8(p[0]), [(0, gap), (0, gap), (0, 0)], constant_values=255) for p in pictures]
    return np.concatenate(framed, axis=1)

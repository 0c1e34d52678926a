"""The paper's Figs. 2 and 6, with the astronaut (NASA, public domain) and generated faces."""

from pathlib import Path

import numpy as np
import torch
from skimage.data import astronaut
from torch import Tensor

from semwave.air.channels import AWGN
from semwave.pictures import align, images
from semwave.privacy.faces import drawn
from semwave.privacy.settings import Mode, Privacy
from semwave.privacy.strict import LABELS, shown_parts
from semwave.receiver import Receiver
from semwave.transmitter import Transmitter
from semwave.types import PartModel

GENERATED = 2
K, SNR_DB = 2560, 10.0
EYES = ("eyes",)
# The filter's bias of Fig. 2, large enough that codes leave what is natural.
FAR = 3.0
# Not the faces that the knowledge base is made of.
SEED_STEP = 1_000_004


def draw(model: PartModel, out: Path, size: int, seed: int) -> list[Path]:
    """Write figure-2.png and figure-6.png to ``out``, every picture ``size`` pixels wide. Returns the files.

    Fig. 2: a sent, b face parts filtered (eq. 4), c corrected by the knowledge base too (eq. 5), both at lambda1 = 3.
    Fig. 6: a sent, received with nothing hidden, b eyes hidden, c everything but the eyes hidden, both in strict mode.

    Raises:
        SemwaveError: a model that has no parts to hide or no eyes, or does not offer k = 2560 or the size.
    """
    layout, receiver = model.config.layout, Receiver(model, size)
    # Made first: what the model does not offer is refused before anything is drawn.
    eyes = [
        Transmitter(model, K, privacy=privacy)
        for privacy in (None, Privacy(EYES, seed=seed), Privacy(keep=EYES, seed=seed))
    ]
    random = torch.Generator().manual_seed(seed + SEED_STEP)
    photos = [images.to_tensor(align.align(astronaut(), model.config.size))]
    while len(photos) <= GENERATED:
        photo = drawn(model, random, model.config.size)
        if set(present(model, photo, layout.essential + layout.covering)) == set(layout.essential):
            photos.append(photo)
    figures: dict[str, list[np.ndarray]] = {"figure-2.png": [], "figure-6.png": []}
    for photo in photos:
        face = present(model, photo, layout.identity)
        far = [
            Transmitter(model, K, privacy=Privacy(face, mode=mode, lambda1=FAR, seed=seed))
            for mode in (Mode.filter, Mode.knowledge)
        ]
        for name, transmitters in (("figure-2.png", far), ("figure-6.png", eyes)):
            received = [receiver(AWGN(SNR_DB, seed)(transmitter(photo))) for transmitter in transmitters]
            figures[name].append(_row([images.resized(photo, size), *received]))
    for name, rows in figures.items():
        images.write_png(out / name, np.concatenate(rows))
    return [out / name for name in figures]


def present(model: PartModel, photo: Tensor, parts: tuple[str, ...]) -> tuple[str, ...]:
    """Those of ``parts`` that can be seen in the photo (1, 3, H, H)."""
    shown = shown_parts(model.labels(photo, LABELS), model.config.layout)
    return tuple(part for part in parts if part in shown)


def _row(pictures: list[Tensor]) -> np.ndarray:
    """Pictures (1, 3, S, S) side by side on white."""
    gap = max(2, pictures[0].shape[-1] // 64)
    framed = [np.pad(images.to_uint8(p[0]), [(0, gap), (0, gap), (0, 0)], constant_values=255) for p in pictures]
    return np.concatenate(framed, axis=1)

"""What symbols are worth: prefixes, losses, and powers for another SNR. Writes the tables of docs/symbols.md.

python scripts/symbols.py DATA docs/symbols.md     # DATA: a folder of photographs, or one with a test.txt
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from semwave import Receiver, Transmitter
from semwave.air.channels import AWGN
from semwave.coding.plan import TRAINING_SNR_DB, symbol_power
from semwave.model import load_face_model
from semwave.pictures.console import track
from semwave.pictures.files import write_text
from semwave.pictures.metrics import LPIPS, psnr
from semwave.pictures.photos import find_photos, read_photo
from semwave.types import Soft

BEGIN, END = "<!-- begin: scripts/symbols.py -->", "<!-- end -->"
SNR_DB = 10.0
PREFIXES = (64, 256, 512, 1024, 1536, 2560, 8192, 32768)
STREAMS = (2560, 32768)
LOST = (0.0, 0.05, 0.1, 0.2, 0.5)
LOSSY = (256, 2560, 32768)
PLANS = (64, 256, 1024, 2560, 8192, 32768)
SNRS_DB = (0.0, 5.0, 10.0, 20.0)


def without(soft: Soft, lost: Tensor) -> Soft:
    """``soft``, of which those symbols that are ``lost`` (k,) bool were not received."""
    return Soft(soft.symbols, soft.noise.masked_fill(lost, torch.inf), soft.header)


def share_lost(share: float) -> Callable[[int, int], Tensor]:
    """Loses that share of the symbols, at random."""
    return lambda k, photo: torch.rand(k, generator=torch.Generator().manual_seed(photo)) < share


def measured(pictures: list[Tensor], lpips: LPIPS | None) -> dict[str, list[str]]:
    """Table rows by table: what arrives of ``pictures``, each (1, 3, 512, 512), over AWGN."""
    model = load_face_model()
    transmitter, receiver = Transmitter(model), Receiver(model)
    sums: dict[tuple, list[tuple[float, float]]] = {}

    def note(key: tuple, soft: Soft, picture: Tensor) -> None:
        received = receiver(soft).clamp(-1, 1)
        distance = lpips(received, picture).item() if lpips else float("nan")
        sums.setdefault(key, []).append((float(psnr(received, picture, data_range=2)), distance))

    for number, picture in enumerate(track(pictures, "sending")):
        scene = transmitter.scene(picture)
        arrived = {
            k: AWGN(SNR_DB, torch.Generator().manual_seed(number))(transmitter.encode(scene, k))
            for k in {*PREFIXES, *LOSSY}
        }
        for m in PREFIXES:
            note(("prefix", m, m), arrived[m], picture)
            for k in STREAMS:
                if m < k:
                    note(("prefix", k, m), without(arrived[k], torch.arange(k) >= m), picture)
        for k in LOSSY:
            for share in LOST[1:]:
                note(("lost", k, share), without(arrived[k], share_lost(share)(k, number)), picture)
            plan = model.plan(k, True)
            note(("codes", k), without(arrived[k], plan.for_codes), picture)
            note(("all", k), without(arrived[k], torch.ones(k, dtype=torch.bool)), picture)

    def cell(*key: object) -> str:
        quality, distance = np.mean(sums[key], 0)
        return f"{quality:.2f}, {distance:.3f}"

    prefix = [
        f"| {m} | {cell('prefix', m, m)} | "
        + " | ".join(cell("prefix", k, m) if m <= k else "" for k in STREAMS)
        + " |"
        for m in PREFIXES
    ]
    lost = [
        f"| {k} | {cell('prefix', k, k)} | "
        + " | ".join(cell("lost", k, share) for share in LOST[1:])
        + f" | {cell('codes', k)} | {cell('all', k)} |"
        for k in LOSSY
    ]
    return {"prefix": prefix, "lost": lost}


def plans() -> list[str]:
    """Rows of the table of powers: PSNR in dB by the plan's own model of what numbers are worth, for powers for 7.5 dB
    and for the SNR that there is."""
    model = load_face_model()
    assert model.residual is not None
    importance = torch.cat([model.codec.importance, model.residual.importance]).double()
    importance = importance.sort(descending=True).values
    rows = []
    for k in PLANS:
        cells = []
        for snr_db in SNRS_DB:
            found = []
            for meant_for in (TRAINING_SNR_DB, snr_db):
                power = symbol_power(importance[:k], float(k), 10 ** (-meant_for / 10))
                kept = (importance[:k] * power / (power + 10 ** (-snr_db / 10))).sum()
                found.append(10 * torch.log10(4 / (importance.sum() - kept)).item())
            cells.append(f"{found[1] - found[0]:+.2f}")
        rows.append(f"| {k} | {' | '.join(cells)} |")
    return rows


def main() -> None:
    """Measure, and put the tables between their marks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("page", type=Path)
    parser.add_argument("--photos", type=int, default=100, help="the first so many photographs")
    parser.add_argument("--lpips-weights", type=Path, default=None)
    parser.add_argument("--aligned", action="store_true", help="the photographs are in the frame already")
    options = parser.parse_args()
    listing = options.data / "test.txt"
    photos = find_photos([listing if listing.is_file() else options.data])[: options.photos]
    pictures = [read_photo(photo.path, 512, align=not options.aligned) for photo in photos]
    found = measured(pictures, LPIPS("alex", options.lpips_weights))
    columns = " | ".join(f"of {k}" for k in STREAMS)
    lines = [
        BEGIN, "",
        f"{len(pictures)} test photographs, 512 px, AWGN at {SNR_DB:g} dB: PSNR in dB, LPIPS(alex).", "",
        f"| symbols received | all of a stream of so many | first {columns} |",
        "| ---: |" + " ---: |" * (1 + len(STREAMS)), *found["prefix"], "",
        "| k | all received | " + " | ".join(f"{share:.0%} lost" for share in LOST[1:]) + " | no code symbol | none |",
        "| ---: |" + " ---: |" * (3 + len(LOST) - 1), *found["lost"], "",
        "Gain in dB of powers for the SNR that there is over those for 7.5 dB, by what the plan believes:", "",
        "| k | " + " | ".join(f"{snr_db:g} dB" for snr_db in SNRS_DB) + " |",
        "| ---: |" + " ---: |" * len(SNRS_DB), *plans(), "", END,
    ]  # fmt: skip
    text = options.page.read_text()
    before, after = text[: text.index(BEGIN)], text[text.index(END) + len(END) :]
    write_text(options.page, before + "\n".join(lines) + after)


if __name__ == "__main__":
    main()

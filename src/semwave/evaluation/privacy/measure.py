"""What each mode hides, on real photos: the table of docs/privacy.md.

    test photos  -> sent with each part hidden, in each mode -> what changes where, identity, likelihood -> rows
    train photos -> sent with the eyes hidden -> a probe learns to tell the eyes from what arrives
    test photos  -> the probe picks the true eyes among those of all test photos

Every photo's results are a file of their own, so that measuring goes on where it was stopped.
"""

import io
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torch.nn import functional

from semwave import model as models
from semwave.air.channels import make_channel
from semwave.air.seeds import noise_generator
from semwave.evaluation.privacy import probe
from semwave.evaluation.privacy.figures import SNR_DB, K, present
from semwave.evaluation.privacy.identity import SAME_PERSON, descriptor, distance
from semwave.inversion.parser import INPUT
from semwave.latent.layout import PARTS, part_index
from semwave.pictures import align, files, images
from semwave.pictures.photos import Photo, find_photos
from semwave.privacy.protection import Protection
from semwave.privacy.settings import FACE_PARTS, Mode, Privacy
from semwave.privacy.strict import part_labels, without_region
from semwave.receiver import Decoded, Receiver
from semwave.transmitter import Transmitter

NOTHING, FACE = "nothing", "all face parts"
VISIBLE, SEEN_DIFFERENCE = 48, 32
"""Sides of the visible rest and of the coarse difference that a probe sees, in pixels."""
# The eyes to be picked are the pixels, at this size of the picture, where at least this share of faces has them.
EYES, MOSTLY = 64, 0.5
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
Lpips = Callable[[Tensor, Tensor], Tensor]


def measure(
    model: models.Model,
    data: Path,
    out: Path,
    table: Path,
    limit: int | None,
    seed: int,
    lpips: Lpips,
    console: Console,
) -> None:
    """Measure on the photos that ``data/test.txt`` names, with a probe learnt on those of ``data/train.txt``, if any.

    The table replaces what stands between two marks in the file ``table``, or is the file where it has none. Results of
    single photos are kept below ``out``; they belong to the model's weights and the seed. ``limit`` takes so many
    photos of each list.

    Raises:
        SemwaveError: a list or a photo that cannot be read.
    """
    folder = out / f"measured-{models.weights_digest(model.name, (K,))}-{seed}"
    measuring = _Measuring(model, seed, lpips)
    tests, learned = find_photos([data / "test.txt"])[:limit], data / "train.txt"
    trains = find_photos([learned])[:limit] if learned.is_file() else []
    kept = [_kept_rows(folder / "rows", photo, measuring.rows) for photo in _track(tests, "hiding", console)]
    rows = [row for photo in kept for row in photo]
    views = {}
    for split, photos in (("train", trains), ("test", tests if trains else [])):
        taken = [_kept_views(folder / "probe", photo, measuring.views) for photo in _track(photos, "probing", console)]
        views[split] = [view for view in taken if view]
    picks = probe.pick_rates(views["train"], views["test"])
    _write(table, "\n".join(_report(model, rows, picks, len(tests), len(views["test"]), seed)))


def _track(photos: list[Photo], what: str, console: Console) -> Iterable[Photo]:
    return track(photos, what, console=console, transient=True, disable=not console.is_terminal)


def _kept_rows(folder: Path, photo: Photo, compute: Callable[[Photo], list[dict]]) -> list[dict]:
    path = folder / f"{photo.name}.json"
    if not path.is_file():
        files.write_json(path, compute(photo))
    return files.read_json(path)


def _kept_views(folder: Path, photo: Photo, compute: Callable[[Photo], dict[str, Tensor]]) -> dict[str, np.ndarray]:
    path = folder / f"{photo.name}.npz"
    if not path.is_file():
        buffer = io.BytesIO()
        np.savez(buffer, **{name: view.flatten().half().numpy() for name, view in compute(photo).items()})
        files.write_bytes(path, buffer.getvalue())
    with np.load(path) as views:
        return {name: views[name].astype(np.float32) for name in views.files}


class _Measuring:
    def __init__(self, model: models.Model, seed: int, lpips: Lpips):
        self.model, self.seed, self.lpips = model, seed, lpips
        self.channel = make_channel("awgn")
        self.transmitter, self.receiver = Transmitter(model, K), Receiver(model, INPUT)
        self.eyes = Protection(model, Privacy(("eyes",), seed=seed))

    def _photo(self, photo: Photo) -> Tensor:
        return images.to_tensor(align.in_frame(images.read_image(photo.path), INPUT))

    def _arrived(self, photo: Photo, sent: Tensor, codes: Tensor, region: Tensor | None = None) -> Decoded:
        """What a receiver makes of the symbols of ``codes``, and of what they lack of ``sent`` outside ``region``."""
        symbols = self.transmitter.encode(codes, sent, region)
        received = self.channel(symbols, SNR_DB, noise_generator(self.seed, photo.name))
        return self.receiver.decode(received.symbols, received.snr_db)

    @torch.no_grad()
    def _likelihood(self, arrived: Decoded) -> Tensor:
        """Log-likelihood (1, 28) of received codes under the flow."""
        return self.model.flow.log_likelihood(self.model.space.coordinates(arrived.codes))

    def _view(self, arrived: Decoded) -> Tensor:
        """All that arrived, as one vector."""
        parts = [self.model.space.coordinates(arrived.codes).flatten()]
        if arrived.difference is not None:
            parts.append(functional.adaptive_avg_pool2d(arrived.difference, SEEN_DIFFERENCE).flatten())
        return torch.cat(parts)

    @torch.no_grad()
    def _protected(
        self, photo: Photo, sent: Tensor, whole: Tensor, hidden: tuple[str, ...], region: Tensor
    ) -> dict[Mode, Tensor]:
        """What each mode sends, as a sender does; what they share is computed once."""
        ways = {mode: Protection(self.model, Privacy(hidden, mode=mode, seed=self.seed)) for mode in Mode}
        random = noise_generator(self.seed, photo.name)
        strict = ways[Mode.strict].strict(sent, self.model.invert, region, random)
        state = random.get_state()
        return {
            mode: strict if mode == Mode.strict else way.moved(whole, strict, torch.Generator().set_state(state))
            for mode, way in ways.items()
        }

    @torch.no_grad()
    def rows(self, photo: Photo) -> list[dict]:
        """What arrives of one photo with nothing, each part, and all face parts hidden."""
        sent = self._photo(photo)
        person = descriptor(images.to_uint8(sent[0]))
        whole = self.model.invert(sent)
        arrived = self._arrived(photo, sent, whole)
        plain = self.receiver.generate(arrived).clamp(-1, 1)
        natural = self._likelihood(arrived)
        identity = distance(person, descriptor(images.to_uint8(plain[0])))
        rows = [{"photo": photo.name, "hidden": NOTHING, "mode": None, "identity": identity}]
        labels = functional.interpolate(part_labels(self.model, sent)[None].float(), size=(INPUT, INPUT))[0].long()
        parts = present(self.model, sent, PARTS)
        for name, hidden in [(part, (part,)) for part in parts] + [(FACE, tuple(p for p in FACE_PARTS if p in parts))]:
            privacy = Privacy(hidden, seed=self.seed)
            region = Protection(self.model, privacy).region(sent)
            inside = torch.isin(labels, torch.tensor([part_index(part) for part in hidden]))[:, None]
            outside = without_region(sent, region)[1]
            for mode, codes in self._protected(photo, sent, whole, hidden, region).items():
                arrived = self._arrived(photo, sent, codes, region)
                picture = self.receiver.generate(arrived).clamp(-1, 1)
                nats = (self._likelihood(arrived) - natural)[:, privacy.codes].mean().item()
                row = {"photo": photo.name, "hidden": name, "mode": str(mode), "nats": nats}
                row["identity"] = distance(person, descriptor(images.to_uint8(picture[0])))
                for which, compared in (("hidden", picture), ("plain", plain)):
                    row[f"psnr_outside_{which}"] = _masked_psnr(sent, compared, outside)
                    row[f"psnr_inside_{which}"] = _masked_psnr(sent, compared, inside)
                    row[f"lpips_outside_{which}"] = self.lpips(sent, torch.where(outside, compared, sent)).item()
                row["change_outside"] = _change(plain, picture, outside)
                row["change_inside"] = _change(plain, picture, inside)
                rows.append(row)
        return rows

    @torch.no_grad()
    def views(self, photo: Photo) -> dict[str, Tensor]:
        """What a probe may see of one photo whose eyes are hidden, and the eyes themselves; empty if it shows none."""
        sent = self._photo(photo)
        if not present(self.model, sent, ("eyes",)):
            return {}
        region = self.eyes.region(sent)
        whole = self.model.invert(sent)
        codes = self._protected(photo, sent, whole, ("eyes",), region)
        views = {
            f"received, {mode}": self._view(self._arrived(photo, sent, sending, region))
            for mode, sending in codes.items()
        }
        views["received, nothing hidden"] = self._view(self._arrived(photo, sent, whole))
        # The codes that strict mode sends are a function of the visible rest, and one that probes learn from with ease.
        rest = functional.adaptive_avg_pool2d(without_region(sent, region)[0], VISIBLE)
        views["visible rest"] = torch.cat([rest.flatten(), self.model.space.coordinates(codes[Mode.strict]).flatten()])
        places = self.eyes.knowledge.places[part_index("eyes")] >= MOSTLY
        where = functional.interpolate(places[None, None].float(), size=(EYES, EYES))[0, 0] > 0
        return views | {probe.TRUTH: functional.adaptive_avg_pool2d(sent, EYES)[0, :, where]}


def _masked_psnr(a: Tensor, b: Tensor, mask: Tensor) -> float | None:
    """PSNR in dB over the pixels where ``mask`` (1, 1, H, W) is set; None where none is."""
    if not mask.any():
        return None
    return 20 * math.log10(255 / max(_change(a, b, mask), 1e-3))


def _change(a: Tensor, b: Tensor, mask: Tensor) -> float | None:
    """Root mean square difference in grey levels of 0..255 where ``mask`` (1, 1, H, W) is set; None where none is."""
    if not mask.any():
        return None
    return 127.5 * (((a - b).square().mean(1, keepdim=True) * mask).sum() / mask.sum()).sqrt().item()


def _report(
    model: models.Model,
    rows: list[dict],
    picks: dict[str, tuple[float, float]],
    photos: int,
    candidates: int,
    seed: int,
) -> Iterator[str]:
    """The lines of the tables."""
    groups: dict[tuple[str, str | None], list[dict]] = {}
    for row in rows:
        groups.setdefault((row["hidden"], row["mode"]), []).append(row)
    yield f"{photos} test photos, {model.name}, k = {K}, AWGN at {SNR_DB:g} dB, {INPUT} px, seed {seed}."
    yield ""
    yield (
        "| hidden | mode | photos | PSNR outside [dB] | LPIPS outside | PSNR inside [dB] "
        "| change outside | change inside | identity | another person | likelihood |"
    )
    yield "| --- | --- " + "| ---: " * 9 + "|"
    order = (NOTHING, *PARTS, FACE)
    for hidden, mode in sorted(groups, key=lambda key: (order.index(key[0]), [None, *Mode].index(key[1]))):
        group = groups[hidden, mode]
        apart = np.mean([row["identity"] > SAME_PERSON for row in group])
        cells = [hidden, mode or "", str(len(group))]
        for figure, digits in (("psnr_outside", 1), ("lpips_outside", 3), ("psnr_inside", 1)):
            plain, changed = (_mean(group, f"{figure}_{which}", digits) for which in ("plain", "hidden"))
            cells.append(f"{plain} → {changed}" if mode else "")
        cells += [_mean(group, f"change_{where}", 1) if mode else "" for where in ("outside", "inside")]
        cells += [_mean(group, "identity", 2), f"{100 * apart:.0f} %", _mean(group, "nats", 1) if mode else ""]
        yield "| " + " | ".join(cells) + " |"
    if not picks:
        return
    yield ""
    yield f"| what the probe sees | right eyes of {candidates} | among the first ten |"
    yield "| --- | ---: | ---: |"
    for seen, (first, ten) in picks.items():
        yield f"| {seen} | {100 * first:.0f} % | {100 * ten:.0f} % |"


def _mean(group: list[dict], key: str, digits: int) -> str:
    known = [row[key] for row in group if row.get(key) is not None]
    return f"{np.mean(known):.{digits}f}" if known else "-"


def _write(table: Path, report: str) -> None:
    before, after = "", ""
    if table.is_file():
        text = table.read_text(encoding="utf-8")
        if BEGIN in text and END in text:
            before, after = text[: text.index(BEGIN)], text[text.index(END) + len(END) :]
    files.write_text(table, f"{before}{BEGIN}\n\n{report}\n\n{END}{after or chr(10)}")

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
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor
from torch.nn import functional

from semwave.air.channels import AWGN
from semwave.air.seeds import noise_generator
from semwave.coding.flow import CodeFlow
from semwave.errors import SemwaveError
from semwave.evaluation.privacy import probe
from semwave.evaluation.privacy.figures import EYES, SNR_DB, K, present
from semwave.evaluation.privacy.identity import SAME_PERSON, descriptor, distance
from semwave.model import FaceModel
from semwave.pictures import files, images
from semwave.pictures.console import track
from semwave.pictures.images import INPUT
from semwave.pictures.photos import Photo, find_photos, read_photo
from semwave.privacy.protection import Protection
from semwave.privacy.settings import Mode, Privacy
from semwave.privacy.strict import LABELS, visible_scene
from semwave.receiver import Receiver
from semwave.transmitter import Transmitter
from semwave.types import Message, PartModel, Scene
from semwave.zoo import weights_digest

NOTHING, FACE = "nothing", "all face parts"
VISIBLE, SEEN_DIFFERENCE = 48, 32
"""Widths in pixels of the visible rest and of the coarse difference that a probe sees."""
# The eyes to be picked are the pixels, in a picture of this width, where at least this share of faces has them.
EYES_WIDTH, MOSTLY = 64, 0.5
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
Lpips = Callable[[Tensor, Tensor], Tensor]


def measure(measuring: "Measuring", out: Path, table: Path, console: Console) -> None:
    """Measure, with a probe learnt on the training photos, if any.

    The table replaces what stands between two marks in the file ``table``, or is the file where it has none. Results of
    single photos are kept below ``out``; they belong to the model's weights and the seed.

    Raises:
        SemwaveError: a photo that cannot be read, or a place that cannot be written to.
    """
    config, seed, tests, trains = measuring.model.config, measuring.seed, measuring.tests, measuring.trains
    weights = weights_digest(config.name)
    folder = out / f"measured-{weights}-{seed}"
    kept = [_kept_rows(folder / "rows", photo, measuring.rows) for photo in _track(tests, "hiding", console)]
    rows = [row for photo in kept for row in photo]
    views = {}
    for split, photos in (("train", trains), ("test", tests if trains else [])):
        taken = [_kept_views(folder / "probe", photo, measuring.views) for photo in _track(photos, "probing", console)]
        views[split] = [view for view in taken if view]
    picks = probe.pick_rates(views["train"], views["test"])
    order = (NOTHING, *config.layout.parts, FACE)
    of = f"{len(tests)} test photos, {config.name} (weights {weights})"
    conditions = f"{of}, k = {K}, AWGN at {SNR_DB:g} dB, {INPUT} px, seed {seed}."
    _write(table, "\n".join([conditions, "", *_report(rows, order), *_probe_report(picks, len(views["test"]))]))


def _track(photos: list[Photo], what: str, console: Console) -> Iterable[Photo]:
    return track(photos, what, console=console)


def _kept_rows(folder: Path, photo: Photo, compute: Callable[[Photo], list[dict]]) -> list[dict]:
    path = folder / f"{photo.name}.json"
    if not path.is_file():
        files.write_json(path, compute(photo))
    return files.read_json(path)


def _kept_views(folder: Path, photo: Photo, compute: Callable[[Photo], dict[str, Tensor]]) -> dict[str, np.ndarray]:
    path = folder / f"{photo.name}.npz"
    if not path.is_file():
        buffer = io.BytesIO()
        views: dict[str, Any] = {name: view.flatten().half().numpy() for name, view in compute(photo).items()}
        np.savez(buffer, **views)
        files.write_bytes(path, buffer.getvalue())
    try:
        with np.load(path) as kept:
            return {name: kept[name].astype(np.float32) for name in kept.files}
    except Exception:  # damaged archives fail in several ways
        raise SemwaveError(f"{path}: is damaged; delete it, and it is made again") from None


class Measuring:
    """Measures what is hidden in the photos that ``data/test.txt`` names, and lets a probe learn on those of
    ``data/train.txt``, if it is there.

    Args:
        model: a loaded model.
        data: folder of aligned photos and their lists.
        seed: of privacy and noise; every photo has its own draw, from this seed and its name.
        lpips: distance of two batches of pictures, (B,).
        limit: take so many photos of each list; None for all.

    Raises:
        SemwaveError: a model that has no parts to hide, no eyes or no flow, or does not offer k = 2560 or 256 px; a
            list that cannot be read.
    """

    def __init__(self, model: PartModel, data: Path, seed: int, lpips: Lpips, limit: int | None = None):
        self.model, self.seed, self.lpips = model, seed, lpips
        self.flow = _flow(model)
        self.transmitter, self.receiver = Transmitter(model, K), Receiver(model, INPUT)
        self.eyes = Protection(model, Privacy(EYES, seed=seed))
        learned = data / "train.txt"
        self.tests = find_photos([data / "test.txt"])[:limit]
        self.trains = find_photos([learned])[:limit] if learned.is_file() else []

    def _arrived(self, photo: Photo, scene: Scene) -> Message:
        """What a receiver reads of the signal of ``scene``, whose noise is that of ``photo``."""
        channel = AWGN(SNR_DB, noise_generator(self.seed, photo.name))
        return self.receiver.decode(channel(self.transmitter.encode(scene)))

    @torch.no_grad()
    def _likelihood(self, arrived: Message) -> Tensor:
        """Log-likelihood (1, codes) of received codes under the flow."""
        return self.flow.log_likelihood(self.model.coordinates(arrived.codes))

    def _view(self, arrived: Message) -> Tensor:
        """All that arrived, as one vector."""
        parts = [self.model.coordinates(arrived.codes).flatten()]
        if arrived.residual is not None:
            parts.append(functional.adaptive_avg_pool2d(arrived.residual, SEEN_DIFFERENCE).flatten())
        return torch.cat(parts)

    @torch.no_grad()
    def _protected(self, photo: Photo, visible: Scene, whole: Tensor, hidden: tuple[str, ...]) -> dict[Mode, Scene]:
        """What each mode sends of what is ``visible``, as a sender does; what they share is computed once."""
        ways = {mode: Protection(self.model, Privacy(hidden, mode=mode, seed=self.seed)) for mode in Mode}
        random = noise_generator(self.seed, photo.name)
        strict = ways[Mode.strict].strict(visible, lambda picture: self.model.invert(Scene(picture)), random)
        state = random.get_state()
        codes = {
            mode: strict if mode == Mode.strict else way.moved(whole, strict, torch.Generator().set_state(state))
            for mode, way in ways.items()
        }
        return {mode: visible.with_codes(sending) for mode, sending in codes.items()}

    @torch.no_grad()
    def rows(self, photo: Photo) -> list[dict]:
        """What arrives of one photo with nothing, each part, and all face parts hidden."""
        sent, layout = read_photo(photo.path, INPUT, align=False), self.model.config.layout
        person = descriptor(images.to_uint8(sent[0]))
        whole = self.model.invert(Scene(sent))
        arrived = self._arrived(photo, Scene(sent, codes=whole))
        plain = self.receiver.draw(arrived).image.clamp(-1, 1)
        natural = self._likelihood(arrived)
        identity = distance(person, descriptor(images.to_uint8(plain[0])))
        rows: list[dict] = [{"photo": photo.name, "hidden": NOTHING, "mode": None, "identity": identity}]
        labels = functional.interpolate(self.model.labels(sent, LABELS)[None].float(), size=(INPUT, INPUT))[0].long()
        parts = present(self.model, sent, layout.parts)
        face = tuple(part for part in layout.identity if part in parts)
        for name, hidden in [(part, (part,)) for part in parts] + [(FACE, face)]:
            protection = Protection(self.model, Privacy(hidden, seed=self.seed))
            scene = visible_scene(sent, protection.region(sent))
            inside = torch.isin(labels, torch.tensor(layout.part_indices(hidden)))[:, None]
            outside = scene.visible
            assert outside is not None
            for mode, protected in self._protected(photo, scene, whole, hidden).items():
                arrived = self._arrived(photo, protected)
                picture = self.receiver.draw(arrived).image.clamp(-1, 1)
                nats = (self._likelihood(arrived) - natural)[:, protection.private].mean().item()
                row: dict[str, Any] = {"photo": photo.name, "hidden": name, "mode": str(mode), "nats": nats}
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
        sent = read_photo(photo.path, INPUT, align=False)
        if not present(self.model, sent, EYES):
            return {}
        visible = visible_scene(sent, self.eyes.region(sent))
        whole = self.model.invert(Scene(sent))
        scenes = self._protected(photo, visible, whole, EYES)
        views = {f"received, {mode}": self._view(self._arrived(photo, scene)) for mode, scene in scenes.items()}
        views["received, nothing hidden"] = self._view(self._arrived(photo, Scene(sent, codes=whole)))
        # The codes that strict mode sends are a function of the visible rest, and one that probes learn from with ease.
        rest = functional.adaptive_avg_pool2d(visible.picture, VISIBLE)
        strict = scenes[Mode.strict].codes
        assert strict is not None
        views["visible rest"] = torch.cat([rest.flatten(), self.model.coordinates(strict).flatten()])
        places = self.eyes.knowledge.places[self.model.config.layout.part_index(*EYES)] >= MOSTLY
        where = functional.interpolate(places[None, None].float(), size=(EYES_WIDTH, EYES_WIDTH))[0, 0] > 0
        return views | {probe.TRUTH: functional.adaptive_avg_pool2d(sent, EYES_WIDTH)[0, :, where]}


def _flow(model: PartModel) -> CodeFlow:
    if not isinstance(model, FaceModel) or not isinstance(model.flow, CodeFlow):
        raise SemwaveError(
            f"{model.config.name} has no flow to measure the likelihood of codes with; take another model"
        )
    return model.flow


def _masked_psnr(a: Tensor, b: Tensor, mask: Tensor) -> float | None:
    """PSNR in dB over the pixels where ``mask`` (1, 1, H, W) is set; None where none is."""
    change = _change(a, b, mask)
    return None if change is None else 20 * math.log10(255 / max(change, 1e-3))


def _change(a: Tensor, b: Tensor, mask: Tensor) -> float | None:
    """Root mean square difference in grey levels of 0..255 where ``mask`` (1, 1, H, W) is set; None where none is."""
    if not mask.any():
        return None
    return 127.5 * (((a - b).square().mean(1, keepdim=True) * mask).sum() / mask.sum()).sqrt().item()


def _report(rows: list[dict], order: tuple[str, ...]) -> Iterator[str]:
    """The lines of the table of ``rows``, by what is hidden in this ``order``."""
    groups: dict[tuple[str, str | None], list[dict]] = {}
    for row in rows:
        groups.setdefault((row["hidden"], row["mode"]), []).append(row)
    yield (
        "| hidden | mode | photos | PSNR outside [dB] | LPIPS outside | PSNR inside [dB] "
        "| change outside | change inside | identity | another person | likelihood |"
    )
    yield "| --- | --- " + "| ---: " * 9 + "|"
    modes: list[str | None] = [None, *Mode]
    for hidden, mode in sorted(groups, key=lambda key: (order.index(key[0]), modes.index(key[1]))):
        group = groups[hidden, mode]
        apart = np.mean([row["identity"] > SAME_PERSON for row in group])
        cells = [hidden, mode or "", str(len(group))]
        for figure, digits in (("psnr_outside", 1), ("lpips_outside", 3), ("psnr_inside", 1)):
            plain, changed = (_mean(group, f"{figure}_{which}", digits) for which in ("plain", "hidden"))
            cells.append(f"{plain} → {changed}" if mode else "")
        cells += [_mean(group, f"change_{where}", 1) if mode else "" for where in ("outside", "inside")]
        cells += [_mean(group, "identity", 2), f"{100 * apart:.0f} %", _mean(group, "nats", 1) if mode else ""]
        yield "| " + " | ".join(cells) + " |"


def _probe_report(picks: dict[str, tuple[float, float]], candidates: int) -> Iterator[str]:
    """The lines of the probe's table: how often it ``picks`` the right eyes of so many; none without picks."""
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

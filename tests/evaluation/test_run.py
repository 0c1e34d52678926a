"""A run resumes, measures anew what changed, and puts into rows what was measured."""

import math
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from schemes import MeanDifference, Own

from semwave import air
from semwave.baselines.facts import Facts
from semwave.errors import SemwaveError
from semwave.evaluation.registry import find_scheme
from semwave.evaluation.run import SNRS_DB, Job, Measuring, Original, link_for, received_pictures
from semwave.evaluation.store import write_csv
from semwave.pictures.align import in_frame
from semwave.pictures.images import read_image, to_tensor, to_uint8
from semwave.pictures.metrics import LPIPS
from semwave.pictures.photos import find_photos
from semwave.types import DELIVERED, Delivered
from semwave.work.cluster import Cluster
from semwave.work.local import Local


class Counted(Own):
    """Counts what it sends; interrupts where it is told to."""

    name = "counted"

    def __init__(self, key="1", most=math.inf):
        super().__init__()
        self.key, self.most, self.sent = key, most, 0

    def send(self, image, over):
        self.sent += 1
        if self.sent > self.most:
            raise KeyboardInterrupt
        return super().send(image, over)


def measure(tmp_path, photos, *schemes, seed=0, lpips=None, **options):
    lpips = lpips or MeanDifference()
    measuring = Measuring(tmp_path / "measured", seed, lpips, align_faces=False, size=64, **options)
    return measuring([Job(scheme) for scheme in schemes], find_photos([photos]), Console(quiet=True))


def test_a_run_goes_on_where_it_was_stopped(tmp_path, photos):
    whole = measure(tmp_path / "whole", photos, Counted())
    with pytest.raises(KeyboardInterrupt):
        measure(tmp_path, photos, Counted(most=2 * len(SNRS_DB) + 1))
    rest = Counted()
    assert measure(tmp_path, photos, rest) == whole
    assert rest.sent == len(SNRS_DB)
    assert not list((tmp_path / "measured").rglob("*.part"))


def test_threads_beside_the_network_measure_the_same(tmp_path, photos):
    (photos / "photo-1.png").write_text("no picture")
    alone = measure(tmp_path / "alone", photos, Counted(), Own())
    assert measure(tmp_path / "beside", photos, Counted(), Own(), engine=Local(2, 4)) == alone


def test_a_cluster_measures_a_shipped_scheme_as_this_process_does(ray, tmp_path, photos):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as many as a task has
    try:
        schemes = find_scheme("faces-512-k256"), find_scheme("separation-k256")
        jobs = [Job(scheme, snrs_db=(0.0, 10.0)) for scheme in schemes]
        tables = [
            Measuring(tmp_path / str(number), 0, LPIPS("alex"), align_faces=False, engine=engine)(
                jobs, find_photos([photos]), Console(quiet=True)
            )
            for number, engine in enumerate((Local(0, 1), Cluster("", 1)))
        ]
    finally:
        torch.set_num_threads(threads)
    assert tables[0] == tables[1] and len(tables[0][0]) == 3 * 2 * 2 and tables[0][1] == []


def test_a_unit_is_small_whatever_a_scheme_holds(tmp_path, photos):
    """A unit goes to another machine, for every photo; schemes go there once."""
    units = []

    class Watching(Local):
        def __call__(self, make, asked):
            return super().__call__(make, [units.append(len(pickle.dumps(unit))) or unit for unit in asked])

    scheme = Own()
    scheme.weights = torch.zeros(10**6)
    measure(tmp_path, photos, scheme, engine=Watching(0, 1))
    assert len(units) == 3 and max(units) < 1000


def test_a_scheme_that_breaks_a_rule_ends_the_run(tmp_path, photos):
    with pytest.raises(SemwaveError, match="crossed the link"):
        measure(tmp_path, photos, Own(claimed=2), engine=Local(2, 1))


@pytest.mark.parametrize("way", ["table", "lines", "copied"])
def test_rows_of_another_machine_are_not_measured_again(way, tmp_path, photos):
    rows, _ = measure(tmp_path / "there", photos, Counted())
    lines, table = tmp_path / "there" / "measured" / "rows.jsonl", tmp_path / "rows.csv"
    known = {"table": [table], "lines": [lines], "copied": []}[way]
    write_csv(table, rows)
    if way == "copied":
        (tmp_path / "here" / "measured").mkdir(parents=True)
        lines.rename(tmp_path / "here" / "measured" / "from-there.jsonl")
    unchanged, changed = Counted(), Counted(key="2")
    assert measure(tmp_path / "here", photos, unchanged, known=known) == (rows, [])
    assert unchanged.sent == 0
    measure(tmp_path / "here", photos, changed, known=known)
    assert changed.sent == 3 * len(SNRS_DB)


@pytest.mark.parametrize("change", ["weights", "seed", "photo"])
def test_what_results_depend_on_makes_them_anew(change, tmp_path, photos, squares):
    measure(tmp_path, photos, Counted())
    if change == "photo":
        Image.fromarray(squares(9)).save(photos / "photo-0.png")
    again = Counted(key="2" if change == "weights" else "1")
    measure(tmp_path, photos, again, seed=1 if change == "seed" else 0)
    assert again.sent == len(SNRS_DB) * (1 if change == "photo" else 3)


def test_a_photo_that_cannot_be_read_stops_no_other(tmp_path, photos):
    (photos / "photo-1.png").write_text("no picture")
    rows, failures = measure(tmp_path, photos, Counted())
    assert {row.photo for row in rows} == {"photo-0", "photo-2"}
    assert len(failures) == 1 and "photo-1.png" in failures[0]


def test_rows_hold_what_was_measured(tmp_path, photos):
    rows, _ = measure(tmp_path, photos, Own())
    row = next(row for row in rows if row.photo == "photo-0" and row.snr_db == 20)
    sent_picture = in_frame(read_image(photos / "photo-0.png"), 64).astype(float)
    flat = np.square(sent_picture - sent_picture.mean((0, 1))).mean()
    assert row.psnr_db == pytest.approx(10 * math.log10(255**2 / flat), abs=0.1)
    assert row.k == 300 and row.signal_power == pytest.approx(1, abs=1e-4)
    assert row.noise_power == pytest.approx(0.01, rel=0.3) and row.outcome == DELIVERED


def test_rows_hold_what_a_scheme_says_of_itself_and_the_k_that_was_measured(tmp_path, photos):
    scheme = Own()
    assert measure(tmp_path, photos, scheme)[0][0].facts == Facts(k=300)
    scheme.key, scheme.facts = "2", Facts("mine", "m", layers=("codes",), flow=False)
    assert measure(tmp_path, photos, scheme)[0][0].facts == Facts("mine", "m", 300, ("codes",), False)


class Grey:
    """A grey picture, lighter the higher the SNR, or always the same."""

    key = "1"

    def __init__(self, name, by_db):
        self.name, self.by_db = name, by_db

    def send(self, image, over):
        return Delivered(torch.full_like(image, -0.5 + self.by_db * over.snr_db), k=2)


def test_features_of_a_photo_are_computed_once(tmp_path, photos):
    lpips = MeanDifference()
    measure(tmp_path, photos, Grey("lighter", 0.05), Grey("same", 0.0), lpips=lpips)
    # Of each photo: its own, and every picture that arrived, the darkest of which is the one that is always the same.
    assert lpips.counted == 3 * (1 + len(SNRS_DB))


def test_equal_pictures_have_a_finite_psnr(squares):
    original = Original(to_tensor(squares(0)), MeanDifference())
    assert original.quality(squares(0)) == (100, 0)
    assert original.quality(squares(1))[0] < 20


def test_a_link_is_that_of_the_picture_and_the_seed():
    sent = air.signal(torch.ones(1, 8))
    first, again, another, later = (
        link_for("awgn", 10.0, seed, name)(sent).symbols for seed, name in ((0, "a"), (0, "a"), (0, "b"), (1, "a"))
    )
    assert torch.equal(first, again) and not torch.equal(first, another) and not torch.equal(first, later)
    with pytest.raises(SemwaveError, match="awgn, rayleigh"):
        link_for("fog", 10.0, 0, "a")
    with pytest.raises(SemwaveError, match="-20 to 60"):
        link_for("awgn", 99.0, 0, "a")


def test_received_pictures_are_kept(tmp_path, squares):
    scheme, pictures = Counted(), {"squares": to_tensor(squares(0, 64))}
    jobs = [Job(scheme, snrs_db=(0.0, 20.0))]
    files = received_pictures(jobs, pictures, tmp_path, seed=0)
    assert received_pictures(jobs, pictures, tmp_path, seed=0) == files and scheme.sent == 2
    arrived = to_tensor(read_image(files["squares", "counted", 20.0]))
    mean = pictures["squares"].mean((2, 3), keepdim=True)
    assert (arrived - mean).abs().max() < 0.1 and to_uint8(arrived[0]).shape == (64, 64, 3)

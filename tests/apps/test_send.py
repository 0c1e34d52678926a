"""The chain from a photo to the report, with a linear model in place of a trained one."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from semwave.apps.send import Sender
from semwave.apps.sending import send_photos, summary
from semwave.pictures.metrics import LPIPS
from semwave.pictures.photos import Photo, find_photos
from semwave.work.local import Local

KEYS = [
    "photo",
    "size",
    "n",
    "k",
    "complex_symbols",
    "ratio",
    "snr_db",
    "channel",
    "layers",
    "hidden",
    "privacy",
    "psnr_db",
    "lpips_alex",
    "lpips_vgg",
    "seconds",
]


class Difference(LPIPS):
    """Stands for LPIPS, whose weights tests do not have; counts how often it looks at a picture."""

    def __init__(self):
        torch.nn.Module.__init__(self)
        self.pictures = 0

    def features(self, images):
        self.pictures += 1
        return [images]

    def distance(self, a, b):
        return (a[0] - b[0]).abs().mean((1, 2, 3))


def sender(model, ks=(2560,), snrs_db=(10.0,), **options):
    return Sender(model, ks, snrs_db, size=256, align_faces=False, **options)


def sent_rows(chain, photos, out, resume=False):
    """What is said of a run that sends ``photos`` into ``out``, and the rows of its report."""
    done = send_photos(lambda: chain, photos, out / "r.json", Local(2, 4), Console(quiet=True), resume)
    return done, json.loads((out / "r.json").read_text())


def test_a_row_says_what_was_sent_and_how_well_it_arrived(linear_model, photo):
    (sent,) = sender(linear_model, lpips={"alex": Difference()})(Photo(photo, "photo"))
    assert list(sent.row) == KEYS
    assert list(sent.row["seconds"]) == ["align", "invert", "encode", "channel", "decode", "generate"]
    assert all(seconds >= 0 for seconds in sent.row["seconds"].values())
    fixed = {key: sent.row[key] for key in KEYS[:8]}
    assert fixed == {
        "photo": "photo.png",
        "size": 256,
        "n": 196608,
        "k": 2560,
        "complex_symbols": 1280,
        "ratio": "40/3072",
        "snr_db": 10.0,
        "channel": "awgn",
    }
    error = (sent.sent.astype(float) - sent.received) ** 2
    assert sent.row["psnr_db"] == pytest.approx(10 * np.log10(255**2 / error.mean()), abs=0.01)
    assert sent.row["lpips_alex"] == pytest.approx(np.sqrt(error).mean() / 127.5, abs=1e-3)


def test_the_same_seed_gives_the_same_bits_whatever_else_is_sent(linear_model, photo):
    alone = sender(linear_model, seed=1)(Photo(photo, "photo"))[0]
    among = sender(linear_model, (256, 2560), (0.0, 10.0), seed=1)(Photo(photo, "photo"))
    np.testing.assert_array_equal(alone.received, among[3].received)
    other = sender(linear_model, seed=2)(Photo(photo, "photo"))[0]
    assert (alone.received != other.received).any()


def test_a_picture_that_arrives_unchanged_has_no_psnr(linear_model, photo, tmp_path):
    chain = sender(linear_model, snrs_db=(60.0,))
    done, (row,) = sent_rows(chain, find_photos([photo]), tmp_path)
    assert row["psnr_db"] is None and "-" in list(done.table.columns[5].cells)


def test_a_photo_is_inverted_once_for_all_k_and_snrs(linear_model, photo):
    results = sender(linear_model, (256, 2560), (0.0, 10.0, 20.0))(Photo(photo, "photo"))
    assert [(r.row["k"], r.row["snr_db"]) for r in results] == [(k, s) for k in (256, 2560) for s in (0, 10, 20)]
    assert linear_model.inversions == 1
    assert {tuple(r.row["layers"]) for r in results} == {("codes",)}
    psnrs = [r.row["psnr_db"] for r in results[:3]]
    assert psnrs == sorted(psnrs) and psnrs[0] < psnrs[2]


def test_a_folder_is_sent_photo_by_photo_and_bad_ones_do_not_stop_it(linear_model, photo, squares, tmp_path):
    Image.fromarray(squares(5)).save(photo.with_name("z.png"))
    photo.with_name("broken.jpg").write_bytes(b"no picture")
    photo.with_name("notes.md").write_text("no picture either")
    photo.with_name("old.received.png").write_bytes(photo.read_bytes())
    out = tmp_path / "out"
    photos = find_photos([photo.parent])
    assert [p.name for p in photos] == ["broken", "photo", "z"]
    done, rows = sent_rows(sender(linear_model, out=out), photos, out)
    assert done.sent == 2 and len(done.failures) == 1 and "broken.jpg" in done.failures[0]
    assert [row["photo"] for row in rows] == ["photo.png", "z.png", "broken.jpg"]
    assert "not a readable picture" in rows[2]["failure"]
    assert sorted(path.name for path in out.iterdir()) == [
        "photo.comparison.png",
        "photo.received.png",
        "r.json",
        "r.jsonl",
        "z.comparison.png",
        "z.received.png",
    ]


def test_pictures_of_several_k_and_snrs_are_told_apart(linear_model, photo, tmp_path):
    sent_rows(sender(linear_model, (256, 2560), (0.0, 2.5), out=tmp_path), find_photos([photo]), tmp_path)
    names = {path.name for path in tmp_path.glob("*.received.png")}
    assert names == {f"photo.k{k}.{snr}.received.png" for k in (256, 2560) for snr in ("0dB", "2.5dB")}


def test_without_pictures_only_the_report_is_written(linear_model, photo, tmp_path):
    sent_rows(sender(linear_model), find_photos([photo]), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["r.json", "r.jsonl"]


def test_lpips_looks_at_what_was_sent_once_for_all_k_and_snrs(linear_model, photo):
    lpips = Difference()
    sender(linear_model, (256, 2560), (0.0, 10.0, 20.0), lpips={"vgg": lpips})(Photo(photo, "photo"))
    assert lpips.pictures == 1 + 6


def test_progress_is_told_of_every_step_of_refinement(linear_model, photo):
    steps = []
    refining = sender(linear_model, refine_steps=3)
    refining.progress = lambda step, mse: steps.append(step)
    refining(Photo(photo, "photo"))
    assert steps == [1, 2, 3]


def test_the_summary_averages_over_photos(linear_model):
    rows = [
        {"ratio": "4/3072", "k": 256, "snr_db": snr, "psnr_db": psnr, "lpips_alex": lpips, "lpips_vgg": 0.5}
        for snr, psnr, lpips in [(0.0, 10.0, 0.5), (0.0, 12.0, 0.3), (10.0, 20.0, None)]
    ]
    table = summary(rows)
    cells = list(zip(*(column.cells for column in table.columns), strict=True))
    assert cells == [
        ("4/3072", "256", "128", "0", "2", "11.00", "0.400", "0.500"),
        ("4/3072", "256", "128", "10", "1", "20.00", "-", "0.500"),
    ]

"""Many photographs: the same whatever does it, gone on with by content, and an account of all of them."""

import json
import os
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from linear_model import linear_sender
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from semwave.apps.cli import app
from semwave.apps.send import Sender
from semwave.apps.sending import send_photos
from semwave.model import load_model
from semwave.pictures.images import to_uint8
from semwave.pictures.photos import find_photos
from semwave.work.cluster import Cluster
from semwave.work.local import Local

TESTS = Path(__file__).parents[1]
PHOTOS = 7
TOLERANCE_DB, TOLERANCE_LPIPS = 0.05, 0.002
"""Networks round differently in batches of another size."""


@pytest.fixture
def folder(tmp_path, squares):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(PHOTOS):
        Image.fromarray(squares(number)).save(folder / f"{number}.png")
    return folder


def sent(folder, out, engine=None, resume=False, make=linear_sender, **options):
    """What is said of a run over ``folder``, and its rows without times."""
    make, report = partial(make, out, **options), out / "report.json"
    done = send_photos(make, find_photos([folder]), report, engine or Local(2, 4), Console(quiet=True), resume)
    rows = json.loads(report.read_text())
    assert sorted(map(str, rows)) == sorted(map(str, map(json.loads, (out / "report.jsonl").read_text().splitlines())))
    return done, [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def pictures(out):
    return {path.name: path.read_bytes() for path in out.glob("*.png")}


def check_the_same(folder, tmp_path, engine):
    (folder / "3.png").write_bytes(b"")
    done, rows = sent(folder, tmp_path / "a", Local(0, 1))
    assert done.sent == PHOTOS - 1 and len(done.failures) == 1 and "3.png" in done.failures[0]
    assert len(rows) == 2 * (PHOTOS - 1) + 1 and rows[-1]["photo"] == "3.png" and "empty" in rows[-1]["failure"]
    other, same = sent(folder, tmp_path / "b", engine)
    assert same == rows and other.failures == done.failures
    assert pictures(tmp_path / "b") == pictures(tmp_path / "a") and len(pictures(tmp_path / "a")) == 4 * (PHOTOS - 1)
    means = [list(column.cells) for column in done.table.columns]
    assert means == [list(column.cells) for column in other.table.columns]


@pytest.mark.parametrize(("workers", "batch"), [(0, 4), (1, 1), (2, 3), (4, 64)])
def test_neither_workers_nor_batch_change_what_is_sent(workers, batch, folder, tmp_path):
    check_the_same(folder, tmp_path, Local(workers, batch))


def test_a_cluster_sends_the_same(folder, tmp_path, ray):
    check_the_same(folder, tmp_path, Cluster("", 3))


def test_a_run_goes_on_by_content(folder, tmp_path, squares):
    out = tmp_path / "out"
    sent(folder, out)
    before = pictures(out)
    Image.fromarray(squares(50)).save(folder / "1.png")  # other content under the same name
    (folder / "2.png").rename(folder / "9.png")  # the same content under another one: another file, other noise
    Image.fromarray(squares(51)).save(folder / "new.png")
    os.utime(folder / "0.png")  # touched, but the same
    (out / "4.10dB.comparison.png").unlink()
    done, rows = sent(folder, out, resume=True)
    assert (done.sent, done.there) == (4, PHOTOS - 3)
    changed = {name for name, data in pictures(out).items() if before.get(name) != data}
    assert {name.split(".")[0] for name in changed} == {"1", "9", "new"} and len(changed) == 3 * 4
    _, whole = sent(folder, tmp_path / "anew")
    assert [row for row in rows if row["photo"] != "2.png"] == whole  # of what is not asked for now the rows stay
    assert [row["photo"] for row in rows].count("2.png") == 2
    assert sent(folder, out, resume=True)[0].sent == 0


def test_other_settings_are_another_run(folder, tmp_path):
    sent(folder, tmp_path)
    done, rows = sent(folder, tmp_path, resume=True, seed=1)
    assert done.sent == PHOTOS and len(rows) == 2 * PHOTOS


def test_what_failed_is_tried_again(folder, tmp_path):
    whole = (folder / "3.png").read_bytes()
    (folder / "3.png").write_bytes(whole[:100])
    assert len(sent(folder, tmp_path / "out")[0].failures) == 1
    (folder / "3.png").write_bytes(whole)
    done, rows = sent(folder, tmp_path / "out", resume=True)
    assert (done.sent, done.there, done.failures) == (1, PHOTOS - 1, [])
    assert rows == sent(folder, tmp_path / "anew")[1]


def shipped_sender(out, **options):
    from semwave.apps.sending import new_sender

    return new_sender(
        ("alex",),
        None,
        "torch",
        model="faces-512",
        ks=(2560,),
        snrs_db=(10.0,),
        size=256,
        align_faces=False,
        out=out,
        **options,
    )


def test_a_batch_moves_the_shipped_model_by_rounding_alone(tmp_path):
    folder, random = tmp_path / "in", torch.Generator().manual_seed(0)
    folder.mkdir()
    model = load_model("faces-512")
    with torch.no_grad():
        for number, codes in enumerate(model.sample(5, random).split(1)):
            Image.fromarray(to_uint8(model.generate(codes, 256).image[0])).save(folder / f"{number}.png")
    alone, batches = (
        sent(folder, tmp_path / str(engine.batch), engine, make=shipped_sender)[1]
        for engine in (Local(0, 1), Local(2, 4))
    )
    assert len(alone) == len(batches) == 5
    for one, other in zip(alone, batches, strict=True):
        assert one["psnr_db"] == pytest.approx(other["psnr_db"], abs=TOLERANCE_DB)
        assert one["lpips_alex"] == pytest.approx(other["lpips_alex"], abs=TOLERANCE_LPIPS)


def test_privacy_and_refinement_do_not_depend_on_the_batch(linear_model, squares):
    """What draws for itself or is refined goes through the network one by one, whatever the batch."""
    chain = Sender(linear_model, (256,), (10.0,), size=256, align_faces=False, refine_steps=2)
    sources = [type("S", (), {"frame": type("F", (), {"read": squares(n), "region": None})}) for n in range(3)]
    linear_model.inversions = 0
    scene = chain._scene(chain.transmitters[0], sources)
    assert linear_model.inversions == 3 and scene.codes.shape[0] == scene.picture.shape[0] == 3


def semwave(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="semwave")


@pytest.mark.usefixtures("linear_model")
def test_exit_codes_tell_how_many_were_sent(folder, tmp_path):
    line = ("send", folder, "--no-align", "--size", 256, "--out", tmp_path / "out")
    assert semwave(*line).exit_code == 0
    (folder / "0.png").write_bytes(b"no picture")
    some = semwave(*line)
    assert some.exit_code == 3 and "0.png" in some.stderr.splitlines()[-1]
    for path in folder.iterdir():
        path.write_bytes(b"no picture")
    assert semwave(*line).exit_code == 2
    assert semwave(*line, "--workers", -1).exit_code == 2


@pytest.mark.usefixtures("linear_model")
def test_the_command_goes_on(folder, tmp_path, linear_model):
    line = ("send", folder, "--no-align", "--size", 256, "--out", tmp_path / "out")
    assert semwave(*line, "--batch", 1).exit_code == 0
    asked = linear_model.inversions
    again = semwave(*line, "--resume")
    assert again.exit_code == 0 and linear_model.inversions == asked
    assert f"{PHOTOS} photos were there already" in again.stderr
    assert "in a file" in semwave(*line, "--no-pictures", "--report", "/dev/null", "--resume").stderr


@pytest.mark.parametrize(
    ("arguments", "address"),
    [(["--ray", "DIR"], ""), (["DIR", "--ray"], ""), (["--ray", "auto", "DIR"], "auto"), (["--ray=h:1", "DIR"], "h:1"),
     (["--ray", "10.0.0.1:6379", "DIR"], "10.0.0.1:6379"), (["--ray", "--resume", "DIR"], ""), (["DIR"], None)],
)  # fmt: skip
def test_the_address_of_a_cluster_may_be_left_out(arguments, address, folder, tmp_path, monkeypatch):
    from semwave.apps import chain

    asked = []
    monkeypatch.setattr(chain, "chosen_engine", lambda workers, batch, ray: asked.append(ray) or 1 / 0)
    line = [str(folder) if argument == "DIR" else argument for argument in arguments]
    semwave("send", *line, "--out", tmp_path / "out")
    assert asked == [address]


def test_a_file_is_no_cluster(folder, tmp_path):
    result = semwave("send", folder, "--ray=cluster.yaml", "--out", tmp_path / "out")
    assert result.exit_code == 2 and "is no address" in result.stderr and len(result.stderr.splitlines()) == 1


def test_a_photo_may_be_sent_twice_in_a_run(folder, tmp_path):
    twice = tmp_path / "twice"
    shutil.copytree(folder, twice)
    photos = find_photos([folder, twice])
    done = send_photos(
        partial(linear_sender, tmp_path / "out"), photos, tmp_path / "r.jsonl", Local(2, 4), Console(quiet=True)
    )
    keys = [json.loads(line)["key"] for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert done.sent == 2 * PHOTOS == len(set(keys)) and not (tmp_path / "r.json").exists()
    assert np.unique(keys, return_counts=True)[1].tolist() == [2] * (2 * PHOTOS)

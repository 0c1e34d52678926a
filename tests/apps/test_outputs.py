"""Where commands write: never over what they read, in the format that the name says, and into devices and links as
they are."""

import json
import os
import stat
import threading

import numpy as np
import pytest
import torch
from apps.test_cli import EXPLAINED, no_lpips, refused, semwave, transmitted  # noqa: F401
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from semwave.pictures import align
from semwave.pictures.images import read_image

pytestmark = pytest.mark.usefixtures("linear_model")
FRAMED = ("--no-align", "--size", 256)


def names_of(path, folder):
    """Other names of a file: a link, a hard link, another spelling."""
    link, hard = folder / "link.json", folder / "hard.json"
    link.symlink_to(path)
    os.link(path, hard)
    return [path, link, hard, path.parent / ".." / path.parent.name / path.name]


def commands(photo, symbols, codes):
    """Every command that reads a file and writes one, by what it reads."""
    return [
        (photo, lambda out: ("send", photo, *FRAMED, "--out", photo.parent / "o", "--report", out)),
        (photo, lambda out: ("transmit", photo, *FRAMED, "--out", out)),
        (symbols, lambda out: ("receive", symbols, *EXPLAINED, "--out", out)),
        (photo, lambda out: ("compare", photo, "--pairs", 0, "--report", out)),
        (photo, lambda out: ("bench", "--photo", photo, "--report", out)),
        (codes, lambda out: ("knowledge", "build", codes, "--out", out)),
        (photo, lambda out: ("knowledge", "build", photo.parent, "--out", out)),
    ]


@pytest.mark.parametrize("command", range(7))
def test_an_output_that_is_an_input_is_refused_by_whatever_name(command, photo, tmp_path, linear_model):
    # Suffixes would be refused too, so here every file has the one that the command writes.
    suffix = (".json", ".safetensors", ".png", ".json", ".json", ".safetensors", ".safetensors")[command]
    read = tmp_path / "read" / f"in{suffix}"
    read.parent.mkdir()
    read.write_bytes(photo.read_bytes())
    if command == 6:
        photo = read.with_suffix(".png")
        read.rename(photo)
        os.link(photo, read)
    else:
        photo = read
    path, line = commands(photo, read, read)[command]
    before = path.read_bytes()
    for name in names_of(path if command != 6 else read, tmp_path):
        if name.suffix == suffix or command != 6:
            renamed = name
            if name.suffix != suffix:  # a link's name says the format, too
                renamed = name.with_suffix(suffix)
                name.rename(renamed)
            message = refused(tmp_path, *line(renamed))
            assert "which is read" in message
    assert path.read_bytes() == before and linear_model.inversions == 0


def test_pictures_would_not_overwrite_a_photo_that_is_sent_later(photo, tmp_path, linear_model):
    out = tmp_path / "out"
    out.mkdir()
    other = out / "photo.received.png"
    other.write_bytes(photo.read_bytes())
    assert "which is read" in refused(tmp_path, "send", photo, other, *FRAMED, "--out", out)
    assert other.read_bytes() == photo.read_bytes() and linear_model.inversions == 0


def test_a_mask_and_a_list_are_inputs_too(photo, tmp_path):
    mask = tmp_path / "mask.json"
    Image.new("L", (256, 256), 255).save(mask, "PNG")
    listing = photo.with_name("list.txt")
    listing.write_text("photo\n")
    for option in (("--mask", mask, "--report", mask), ("--report", photo.with_name("l.json"))):
        if option[0] == "--report":
            option[1].symlink_to(listing)
        assert "which is read" in refused(tmp_path, "send", listing, *FRAMED, "--out", tmp_path / "o", *option)


def test_two_outputs_in_one_file_are_refused(photo, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "photo.received.png").write_bytes(b"")
    (tmp_path / "r.json").symlink_to(out / "photo.received.png")
    line = refused(tmp_path, "send", photo, *FRAMED, "--out", out, "--report", tmp_path / "r.json")
    assert "written too" in line


@pytest.mark.parametrize("suffix", ["png", "jpg", "JPEG", "webp", "tif", "bmp"])
def test_the_name_decides_the_format_of_a_picture(suffix, photo, tmp_path):
    symbols, face = transmitted(photo, tmp_path / "x.safetensors", "--k", 256), tmp_path / f"face.{suffix}"
    assert semwave("receive", symbols, "--out", face, "--snr", 20).exit_code == 0
    with Image.open(face) as picture:
        assert picture.format == {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix.upper())
    assert np.abs(read_image(face).astype(int) - read_image(photo)).mean() < 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("receive", "x.npy", *EXPLAINED, "--out", "face.npy"), ".png or .jpg"),
        (("receive", "x.npy", *EXPLAINED, "--out", "face"), ".png or .jpg"),
        (("receive", "x.npy", *EXPLAINED, "--out", "."), ".png or .jpg"),
        (("transmit", "PHOTO", "--out", "x.png"), ".safetensors"),
        (("transmit", "PHOTO", "--out", "."), ".safetensors"),
        (("knowledge", "build", "--generated", 9, "--out", "base.png"), ".safetensors"),
        (("knowledge", "build", "--generated", 9, "--out", "."), "is a folder"),
        (("send", "PHOTO", "--report", "r.png"), ".json"),
        (("send", "PHOTO", "--report", "."), "is a folder"),
        (("compare", "--report", "r.md"), ".json"),
        (("compare", "--report", "."), "is a folder"),
        (("bench", "--report", "."), "is a folder"),
        (("compare", "--size", 0), "--size"),
        (("compare", "--size", -128), "--size"),
        (("evaluate", "--data", ".", "--report", "."), "no pictures"),
        (("figures", "paper", "--report", "."), "is a folder"),
    ],
)
def test_other_names_are_one_clear_error(arguments, message, photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.ones(256, np.float32))
    line = refused(tmp_path, *(photo if argument == "PHOTO" else argument for argument in arguments))
    assert message in line


LONG = "a" * 300


@pytest.mark.parametrize(
    "arguments",
    [
        ("send", LONG),
        ("send", "PHOTO", "--out", LONG),
        ("send", "PHOTO", "--report", LONG + ".json"),
        ("transmit", LONG, "--out", "x.npy"),
        ("transmit", "PHOTO", "--out", LONG + ".npy"),
        ("receive", LONG + ".npy", *EXPLAINED, "--out", "x.png"),
        ("receive", LONG, "--out", "x.png"),
        ("generate", "--out", LONG),
        ("compare", LONG),
        ("knowledge", "build", LONG, "--out", "x.safetensors"),
        ("knowledge", "show", LONG),
        ("evaluate", "--data", LONG),
        ("figures", "paper", "--out", LONG),
        ("send", "PHOTO", "--mask", LONG),
        ("send", "PHOTO", "--hide", "eyes", "--knowledge", LONG),
        ("send", "PHOTO", "--model", LONG + ".pt"),
        ("send", "PHOTO", "--lpips-weights", LONG),
    ],
)
def test_names_that_no_file_can_have_are_one_line(arguments, photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(tmp_path, *(photo if argument == "PHOTO" else argument for argument in arguments))


def test_a_photo_with_the_longest_name_is_sent(photo, tmp_path):
    longest = photo.rename(photo.with_name("é" * 125 + ".png"))
    result = semwave("send", longest, *FRAMED, "--out", tmp_path / "out", "--snr", 1, "--snr", 2, "--k", 256)
    assert result.exit_code == 0, result.output
    names = [path.name for path in (tmp_path / "out").glob("*.received.png")]
    assert len(names) == 2 and all(name.startswith("é" * 60) for name in names)


def test_devices_and_pipes_are_written_into(photo, tmp_path):
    null = os.stat("/dev/null")
    assert semwave("send", photo, *FRAMED, "--no-pictures", "--report", "/dev/null", "--out", tmp_path).exit_code == 0
    assert semwave("transmit", photo, *FRAMED, "--out", "/dev/null").exit_code == 0
    after = os.stat("/dev/null")
    assert stat.S_ISCHR(after.st_mode) and after.st_ino == null.st_ino
    pipe, read = tmp_path / "pipe.json", []
    os.mkfifo(pipe)
    assert "nobody reads" in refused(tmp_path, "send", photo, *FRAMED, "--no-pictures", "--report", pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    while semwave("send", photo, *FRAMED, "--no-pictures", "--report", pipe).exit_code and reader.is_alive():
        pass
    reader.join()
    assert json.loads(read[0])[0]["photo"] == "photo.png" and stat.S_ISFIFO(os.stat(pipe).st_mode)


def test_a_link_stays_and_its_target_is_replaced_whole(photo, tmp_path):
    target, link, dangling = tmp_path / "there" / "r.json", tmp_path / "link.json", tmp_path / "dangling.json"
    target.parent.mkdir()
    target.write_text("[]")
    target.chmod(0o640)
    link.symlink_to(target)
    dangling.symlink_to(tmp_path / "there" / "new.json")
    for report in (link, dangling):
        assert semwave("send", photo, *FRAMED, "--no-pictures", "--report", report).exit_code == 0
        assert report.is_symlink() and len(json.loads(report.read_text())) == 1
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert sorted(path.name for path in target.parent.iterdir()) == ["new.json", "r.json"]


def test_a_loop_of_links_is_one_line(photo, tmp_path):
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    a.symlink_to(b)
    b.symlink_to(a)
    assert "a.json" in refused(tmp_path, "send", photo, *FRAMED, "--out", tmp_path / "o", "--report", a)


def test_a_report_is_of_one_run(photo, tmp_path, squares):
    out = tmp_path / "out"
    other = photo.with_name("other.png")
    Image.fromarray(squares(3)).save(other)
    assert semwave("send", photo, *FRAMED, "--out", out).exit_code == 0
    before = (out / "report.json").read_bytes()
    # Nothing arrived: the earlier report stays as it was.
    photo.with_name("bad.png").write_bytes(b"")
    assert semwave("send", photo.with_name("bad.png"), *FRAMED, "--out", out).exit_code == 2
    assert (out / "report.json").read_bytes() == before
    result = semwave("send", other, *FRAMED, "--out", out)
    assert [row["photo"] for row in json.loads((out / "report.json").read_text())] == ["other.png"]
    assert "2 files of an earlier run were replaced" in result.stderr
    assert "4 files of an earlier run were replaced" in semwave("send", other, *FRAMED, "--out", out).stderr


@pytest.mark.parametrize("content", ["my thesis", '{"a": 1}', "[1, 2]", '"text"'])
def test_what_is_no_report_is_not_replaced_by_one(content, photo, tmp_path, linear_model):
    dear = tmp_path / "dear.json"
    dear.write_text(content)
    assert "no report" in refused(tmp_path, "send", photo, *FRAMED, "--out", tmp_path / "o", "--report", dear)
    assert "no report" in refused(tmp_path, "compare", "--report", dear)
    assert dear.read_text() == content and linear_model.inversions == 0
    page = tmp_path / "dear.md"
    page.write_text(content)
    assert "--report" in refused(tmp_path, "evaluate", "--data", photo.parent, "--report", page)
    assert page.read_text() == content


def test_distinct_snrs_have_pictures_of_their_own(photo, tmp_path):
    out = tmp_path / "out"
    snrs = ("10", "10.0000001", "10.00000000000001", "-0", "1e-7")
    options = [option for snr in snrs for option in ("--snr", snr)]
    assert semwave("send", photo, *FRAMED, "--out", out, *options).exit_code == 0
    rows = json.loads((out / "report.json").read_text())
    names = {path.name for path in out.glob("*.received.png")}
    assert len(rows) == len(names) == len(snrs)
    assert {"photo.10dB.received.png", "photo.10.0000001dB.received.png"} <= names


@pytest.mark.parametrize("name", ["out[/x]", "a[b]c", "[red]out", ":smile:", "[link=x]y[/link]"])
def test_text_of_users_is_never_markup(name, photo, tmp_path):
    photo = photo.rename(photo.with_name(f"{name.replace('/', '')}.png"))
    out = tmp_path / name
    result = semwave("send", photo, *FRAMED, "--out", out)
    assert result.exit_code == 0, result.output
    assert f"pictures: {out}" in result.stdout.replace("\n", "")
    photo.write_bytes(b"")
    assert photo.name in semwave("send", photo, *FRAMED, "--out", out).stderr


def test_names_that_are_no_text_are_sent_and_shown_escaped(photo, tmp_path):
    odd = photo.rename(photo.with_name(os.fsdecode(b"a\xff\x1b[31m\n.png")))
    result = semwave("send", odd, *FRAMED, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    (row,) = json.loads((tmp_path / "out" / "report.json").read_text())
    assert "\x1b" not in row["photo"] and row["photo"].startswith("a\\udcff")
    odd.write_bytes(b"")
    line = semwave("send", odd, *FRAMED, "--out", tmp_path / "out").stderr
    assert "\x1b" not in line and len(line.splitlines()) == 1


def test_a_file_that_is_write_protected_is_kept(photo, tmp_path, monkeypatch):
    report = tmp_path / "r.json"
    report.write_text("[]")
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    assert "write-protected" in semwave("send", photo, *FRAMED, "--no-pictures", "--report", report).stderr
    assert report.read_text() == "[]"


def test_evaluate_complains_of_the_first_thing_that_is_wrong(tmp_path, photo):
    data = ("evaluate", "--data", photo.parent)
    for arguments, message in (
        (("evaluate", "--data", tmp_path / "nope"), "nope: no such file or folder"),
        ((*data, "--out", photo, "--scheme", "nope"), "not a folder"),
        ((*data, "--report", tmp_path / "x.txt", "--scheme", "nope"), "--report"),
        ((*data, "--scheme", "nope"), "unknown scheme 'nope'"),
        ((*data, "--scheme", "ideal-k256", "--lpips-weights", tmp_path / "none"), "LPIPS"),
    ):
        assert message in refused(tmp_path, *arguments)


def test_many_pictures_in_one_file_are_refused_before_any_is_drawn(photo, tmp_path, linear_model, monkeypatch):
    symbols = transmitted(photo, tmp_path / "x.safetensors", "--k", 256)
    many = torch.ones(1000, 128, 2)
    with safe_open(symbols, "pt") as file:
        save_file({"iq": many}, symbols, file.metadata())
    monkeypatch.setattr(linear_model, "draw", lambda *_: pytest.fail("drawn"), raising=False)
    assert "holds 1000 pictures" in refused(tmp_path, "receive", symbols, "--out", tmp_path / "face.png")


def test_which_face_was_taken_is_said_and_can_be_chosen(photo, tmp_path, monkeypatch):
    asked = []
    whole = align.Frame(np.array([128.0, 128.0]), np.array([128.0, 0.0]))

    def choose(_, number):
        asked.append(number)
        return align.Choice(whole, "" if number else "2 faces found, the largest was taken")

    monkeypatch.setattr(align, "choose_face", choose)
    for command in (("send", photo, "--out", tmp_path), ("transmit", photo, "--out", tmp_path / "x.npy")):
        said = semwave(*command, "--size", 256)
        assert said.exit_code == 0 and "photo.png: 2 faces found" in said.stderr, said.output
        assert "faces found" not in semwave(*command, "--size", 256, "--face", 2).stderr
    assert asked == [None, 2, None, 2]
    assert "--face" in refused(tmp_path, "send", photo, "--face", 0)

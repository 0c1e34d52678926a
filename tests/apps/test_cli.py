"""The command: what it writes, and that bad input ends with exit code 2, one line, and no file."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from semwave.air.files import read_header
from semwave.apps import sending
from semwave.apps.cli import app
from semwave.latent.layout import FACES
from semwave.pictures import align
from semwave.pictures.grid import PART_COLOURS
from semwave.pictures.images import read_image
from semwave.types import Header

pytestmark = pytest.mark.usefixtures("linear_model")


@pytest.fixture(autouse=True)
def no_lpips(monkeypatch):
    """No folder of weights named by the environment."""
    monkeypatch.delenv("SEMWAVE_LPIPS_WEIGHTS", raising=False)


def semwave(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="semwave")


def refused(tmp_path, *arguments):
    """The one line with which ``semwave`` refuses ``arguments``."""
    before = sorted(tmp_path.rglob("*"))
    result = semwave(*arguments)
    lines = result.stderr.splitlines()
    assert result.exit_code == 2, result.output
    assert len(lines) == 1 and lines[0].startswith("semwave: "), result.stderr
    assert "Traceback" not in result.output
    assert sorted(tmp_path.rglob("*")) == before
    return lines[0]


def test_help_appears_without_heavy_imports():
    script = (
        "import sys; from semwave.apps.cli import app; app(['send', '--help'], standalone_mode=False);"
        "assert not {'torch', 'numpy', 'sionna', 'dlib'} & set(sys.modules), 'heavy import'"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert "--refine-steps" in done.stdout


def test_send_writes_pictures_and_report(photo, tmp_path):
    out = tmp_path / "out"
    result = semwave("send", photo, "--no-align", "--size", 256, "--ratio", "40/3072", "--out", out)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == [
        "photo.comparison.png",
        "photo.received.png",
        "report.json",
        "report.jsonl",
    ]
    (row,) = json.loads((out / "report.json").read_text())
    assert (row["k"], row["ratio"], row["snr_db"], row["channel"]) == (2560, "40/3072", 10, "awgn")
    assert row["lpips_alex"] > 0 and row["lpips_vgg"] is None and "fetched: semwave setup" in result.stderr
    assert f"{row['psnr_db']:.2f}" in result.stdout
    assert read_image(out / "photo.received.png").shape == (256, 256, 3)


def test_send_takes_several_ratios_and_snrs_at_once(photo, tmp_path, linear_model):
    report = tmp_path / "figures.json"
    arguments = ["--no-align", "--size", 256, "--ratio", "4/3072", "--k", 2560, "--snr", 0, "--snr", 20]
    result = semwave("send", photo, *arguments, "--no-pictures", "--report", report, "--channel", "rayleigh")
    assert result.exit_code == 0, result.output
    rows = json.loads(report.read_text())
    assert {(row["k"], row["snr_db"]) for row in rows} == {(k, snr) for k in (256, 2560) for snr in (0, 20)}
    assert linear_model.inversions == 1 and list(tmp_path.rglob("*.received.png")) == []


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ((), ("encoder", 0)),
        (("--refine-steps", 3), ("encoder", 3)),
        (("--invert", "optimise"), ("mean", 80)),
        (("--invert", "optimise", "--refine-steps", 7), ("mean", 7)),
    ],
)
def test_codes_come_from_the_encoder_or_from_descent(photo, tmp_path, linear_model, options, asked):
    symbols = tmp_path / "symbols.safetensors"
    result = semwave("transmit", photo, "--out", symbols, "--no-align", "--k", 256, "--size", 256, *options)
    assert result.exit_code == 0, result.output
    assert linear_model.asked == asked


def test_the_same_seed_gives_the_same_bits(photo, tmp_path):
    for out, seed in (("a", 3), ("b", 3), ("c", 4)):
        semwave("send", photo, "--no-align", "--size", 256, "--out", tmp_path / out, "--seed", seed)
    a, b, c = (read_image(tmp_path / out / "photo.received.png") for out in "abc")
    assert (a == b).all() and (a != c).any()


def test_a_folder_goes_on_after_a_bad_photo_and_names_it(photo, tmp_path):
    photo.with_name("bad.png").write_bytes(b"")
    out = tmp_path / "out"
    result = semwave("send", photo.parent, "--no-align", "--size", 256, "--out", out)
    assert result.exit_code == 3
    (line,) = [line for line in result.stderr.splitlines() if "warning" not in line]
    assert line.startswith("semwave: ") and "bad.png" in line
    sent, failed = json.loads((out / "report.json").read_text())
    assert (out / "photo.received.png").exists() and sent["photo"] == "photo.png" and failed["photo"] == "bad.png"


def transmitted(photo, path, *options):
    assert semwave("transmit", photo, "--out", path, "--no-align", "--size", 256, *options).exit_code == 0
    return path


def test_transmit_and_receive_are_the_two_ends(photo, tmp_path):
    symbols, face = transmitted(photo, tmp_path / "symbols.safetensors", "--k", 256), tmp_path / "face.png"
    assert read_header(symbols) == Header("faces-512", "0123456789ab", 256, ("codes",), 256)
    assert semwave("receive", symbols, "--out", face, "--snr", 20).exit_code == 0
    # The header says how large the photograph was.
    np.testing.assert_array_equal(read_image(face), read_image(photo))
    assert semwave("receive", symbols, "--out", face, "--size", 512).exit_code == 0
    assert read_image(face).shape == (512, 512, 3)


def test_plain_symbols_are_read_once_they_are_explained(photo, tmp_path):
    symbols, face = transmitted(photo, tmp_path / "symbols.npy", "--k", 256), tmp_path / "face.png"
    sent = np.load(symbols, allow_pickle=False)
    assert sent.shape == (256,) and sent.dtype == np.float32
    assert (sent**2).mean() == pytest.approx(1)
    explained = ("--model", "faces-512", "--layers", "codes")
    assert semwave("receive", symbols, "--out", face, "--snr", 20, "--size", 256, *explained).exit_code == 0
    np.testing.assert_array_equal(read_image(face), read_image(photo))
    for options in ((), explained[:2], explained[2:]):
        assert "says nothing of itself" in refused(tmp_path, "receive", symbols, "--out", face, *options)
    for layers, message in (("pictures", "unknown layers"), ("codes,residual", "sends codes, not codes + residual")):
        options = ("--model", "faces-512", "--layers", layers)
        assert message in refused(tmp_path, "receive", symbols, "--out", face, *options)


def test_symbols_of_another_model_or_other_weights_are_refused(photo, tmp_path, linear_model, monkeypatch):
    symbols = transmitted(photo, tmp_path / "symbols.safetensors")
    monkeypatch.setattr(linear_model, "digest", "ba9876543210", raising=False)
    assert "other weights of faces-512" in refused(tmp_path, "receive", symbols, "--out", tmp_path / "x.png")
    config = replace(linear_model.config, name="semantic-stylegan-512")
    monkeypatch.setattr(linear_model, "config", config, raising=False)
    line = refused(tmp_path, "receive", symbols, "--out", tmp_path / "x.png", "--model", "semantic-stylegan-512")
    assert "of model faces-512, not of semantic-stylegan-512" in line


def test_what_a_file_says_of_itself_cannot_be_overruled(photo, tmp_path):
    symbols = transmitted(photo, tmp_path / "symbols.safetensors")
    line = refused(tmp_path, "receive", symbols, "--out", tmp_path / "x.png", "--layers", "codes")
    assert "this one says what it carries" in line


def test_symbols_under_another_name_are_refused_before_anything_runs(photo, tmp_path, linear_model):
    assert ".safetensors" in refused(tmp_path, "transmit", photo, "--no-align", "--out", tmp_path / "x.png")
    assert linear_model.inversions == 0


def test_models_lists_what_is_shipped():
    result = semwave("models")
    assert result.exit_code == 0
    for fact in ("faces-512", "64..32768", "Apache-2.0", "MiB"):
        assert fact in result.stdout


def test_generate_writes_faces_with_their_masks(tmp_path):
    out = tmp_path / "faces"
    assert semwave("generate", "--count", 5, "--out", out, "--size", 256).exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == [
        *(f"face-{i:02d}.png" for i in range(5)),
        "grid.png",
    ]
    pair = read_image(out / "face-00.png")
    assert pair.shape[0] == 256 and pair.shape[1] > 512
    colours = {tuple(map(int, colour)) for colour in pair[:, -256:].reshape(-1, 3)}
    assert colours == set(PART_COLOURS) and len(PART_COLOURS) == len(FACES.parts)
    semwave("generate", "--count", 1, "--out", tmp_path / "again", "--size", 256)
    assert (read_image(tmp_path / "again" / "face-00.png") == pair).all()


def cut_short(path, squares):
    Image.fromarray(squares(0)).save(path)
    path.write_bytes(path.read_bytes()[:200])


BAD_PHOTOS = {
    "truncated": cut_short,
    "empty": lambda path, squares: path.write_bytes(b""),
    "text": lambda path, squares: path.write_text("this is not a picture"),
    "oblong": lambda path, squares: Image.new("RGB", (64, 128)).save(path),
    "far too large": lambda path, squares: Image.new("1", (20_000, 20_000)).save(path),
    "folder without pictures": lambda path, squares: path.mkdir(),
    "missing": lambda path, squares: None,
}


@pytest.mark.parametrize("command", ["send", "transmit"])
@pytest.mark.parametrize("kind", BAD_PHOTOS)
def test_bad_photos_are_refused(kind, command, tmp_path, squares):
    path = tmp_path / "bad.png"
    BAD_PHOTOS[kind](path, squares)
    assert "bad.png" in refused(tmp_path, command, path, "--no-align", "--out", tmp_path / "out.npy")


@pytest.mark.parametrize("command", ["send", "transmit"])
def test_a_photo_without_a_face_is_refused(command, tmp_path, monkeypatch, photo):
    # The detector itself is tested in test_align.py.
    monkeypatch.setattr(align, "cnn_detector", lambda: lambda *_: [])
    assert "no face" in refused(tmp_path, command, photo, "--out", tmp_path / "out.npy")


EXPLAINED = ("--model", "faces-512", "--layers", "codes")


def save(array):
    return lambda path: np.save(path, array)


BAD_SYMBOLS = {
    "NaN": (save(np.full(256, np.nan, np.float32)), "finite"),
    "infinite": (save(np.full(256, np.inf, np.float32)), "finite"),
    "wrong number": (save(np.ones(101, np.float32)), "even, from 64 to"),
    "no symbols": (save(np.ones(0, np.float32)), "bad.npy"),
    "wrong type": (save(np.ones(256, np.float64)), "float32"),
    "complex": (save(np.ones(256, np.complex64)), "float32"),
    "wrong shape": (save(np.ones((2, 256), np.float32)), "one row"),
    "a scalar": (save(np.float32(1)), "one row"),
    "pickled": (save(np.array([{"a": 1}], dtype=object)), "plain .npy"),
    "an archive": (lambda path: np.savez(path.open("wb"), a=np.ones(256, np.float32)), "plain .npy"),
    "empty": (lambda path: path.write_bytes(b""), "plain .npy"),
    "text": (lambda path: path.write_text("1 2 3"), "plain .npy"),
    "missing": (lambda path: None, "cannot be read"),
    "a folder": (lambda path: path.mkdir(), "cannot be read"),
}


@pytest.mark.parametrize("kind", BAD_SYMBOLS)
def test_bad_symbols_are_refused(kind, tmp_path):
    write, message = BAD_SYMBOLS[kind]
    write(tmp_path / "bad.npy")
    line = refused(tmp_path, "receive", tmp_path / "bad.npy", "--out", tmp_path / "face.png", *EXPLAINED)
    assert message in line and "bad.npy" in line


def test_symbols_whose_header_promises_more_than_the_file_holds_are_refused(tmp_path):
    path = tmp_path / "bad.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (10**15,)})
    assert "plain .npy" in refused(tmp_path, "receive", path, "--out", tmp_path / "face.png", *EXPLAINED)


BAD_OPTIONS = [
    (["--ratio", "1/5000"], "symbols at 512x512"),
    (["--ratio", "1/12288", "--size", "256"], "k = 16 is not offered"),
    (["--ratio", "nonsense"], "1/3072"),
    (["--k", "63"], "even, from 64 to"),
    (["--k", "many"], "--k"),
    (["--size", "300"], "256, 512, 1024"),
    (["--snr", "nan"], "-20 to 60"),
    (["--snr", "inf"], "-20 to 60"),
    (["--snr", "100"], "-20 to 60"),
    (["--snr", "loud"], "--snr"),
    (["--channel", "rician"], "awgn, rayleigh"),
    (["--model", "cats-512"], "faces-512"),
    (["--refine-steps", "-1"], "refine steps"),
    (["--seed", "-1"], "--seed"),
    (["--lpips-weights", "no/such/folder"], "does not exist"),
    (["--hide-everything"], "--hide-everything"),
]


@pytest.mark.parametrize("options, message", BAD_OPTIONS, ids=[" ".join(options) for options, _ in BAD_OPTIONS])
def test_what_is_not_offered_is_refused(options, message, photo, tmp_path):
    assert message in refused(tmp_path, "send", photo, "--no-align", "--out", tmp_path / "out", *options)


@pytest.mark.parametrize("options, message", [o for o in BAD_OPTIONS if o[0][0] in ("--snr", "--size", "--model")])
def test_the_receiver_alone_refuses_them_too(options, message, tmp_path):
    symbols = tmp_path / "symbols.npy"
    np.save(symbols, np.ones(256, np.float32))
    explained = EXPLAINED if options[0] != "--model" else EXPLAINED[2:]
    assert message in refused(tmp_path, "receive", symbols, "--out", tmp_path / "face.png", *explained, *options)


def test_unknown_commands_and_missing_arguments_are_refused(tmp_path, photo):
    assert "'send'" in refused(tmp_path, "sendd", photo)
    assert "PHOTO" in refused(tmp_path, "send")
    assert "--count" in refused(tmp_path, "generate", "--count", 0, "--out", tmp_path / "faces")
    assert "one --k" in refused(tmp_path, "transmit", photo, "--k", 256, "--k", 2560, "--out", tmp_path / "x.npy")
    assert "--nonsense" in refused(tmp_path, "--nonsense")


def test_a_place_that_cannot_be_written_to_is_refused(tmp_path, photo):
    assert "photo.png" in refused(tmp_path, "send", photo, "--no-align", "--out", photo)
    assert "--report" in refused(tmp_path, "send", photo, "--no-align", "--out", tmp_path / "o", "--report", tmp_path)
    assert "photo.png" in refused(tmp_path, "generate", "--out", photo)


def test_an_interruption_is_one_line(photo, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sending, "send_photos", interrupted)
    result = semwave("send", photo, "--no-align", "--out", tmp_path / "out")
    assert result.exit_code == 130
    assert "interrupted" in result.stderr and "Traceback" not in result.output

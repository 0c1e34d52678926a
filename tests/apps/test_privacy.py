"""The commands that hide, and those that make knowledge bases and figures."""

import dataclasses
import json
from argparse import Namespace

import numpy as np
import pytest
import torch
from interrupted import counted_and_stopped
from PIL import Image
from typer.testing import CliRunner

from semwave import model as models
from semwave.air.files import read_header, read_soft
from semwave.air.recordings import read_recording
from semwave.apps.cli import app
from semwave.evaluation.privacy.figures import present
from semwave.generators.official import SIZES
from semwave.generators.semantic_stylegan import Architecture, SemanticStyleGAN
from semwave.latent.layout import FACES
from semwave.model import load_model
from semwave.pictures import align
from semwave.pictures.images import read_image, to_uint8
from semwave.privacy import knowledge as knowledge_base
from semwave.privacy.faces import GeneratedCodes, drawn
from semwave.privacy.knowledge import load_knowledge

SIZE = 256


@pytest.fixture(scope="module")
def model():
    return load_model("faces-512")


@pytest.fixture(scope="module")
def knowledge(model):
    return load_knowledge(model.config)


@pytest.fixture(scope="module")
def picture(model):
    """A face that the model draws, (1, 3, 256, 256) in [-1, 1]."""
    return drawn(model, torch.Generator().manual_seed(5), SIZE)


@pytest.fixture
def face(tmp_path, picture):
    path = tmp_path / "in" / "face.png"
    path.parent.mkdir()
    Image.fromarray(to_uint8(picture[0])).save(path)
    return path


@pytest.fixture(autouse=True)
def no_lpips(monkeypatch):
    monkeypatch.delenv("SEMWAVE_LPIPS_WEIGHTS", raising=False)


def semwave(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="semwave")


def refused(tmp_path, *arguments):
    """The one line, but for warnings, with which ``semwave`` refuses ``arguments`` without a trace."""
    before = sorted(tmp_path.rglob("*"))
    result = semwave(*arguments)
    assert result.exit_code == 2, result.output
    lines = [line for line in result.stderr.splitlines() if "warning" not in line]
    assert len(lines) == 1 and lines[0].startswith("semwave: "), result.stderr
    assert sorted(tmp_path.rglob("*")) == before
    return lines[0]


# What is private


def test_send_hides_and_says_so(face, tmp_path):
    common = ("--no-align", "--size", SIZE, "--out", tmp_path / "out")
    result = semwave("send", face, "--hide", "eyes,mouth", "--privacy", "knowledge", *common)
    assert result.exit_code == 0, result.output
    (row,) = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (row["hidden"], row["privacy"]) == (["eyes", "mouth"], "knowledge")
    assert read_image(tmp_path / "out" / "face.received.png").shape == (SIZE, SIZE, 3)


@pytest.mark.parametrize("k", [256, 2560])
def test_transmit_with_a_mask_gives_the_same_symbols_for_any_content(k, face, tmp_path):
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[100:140, 60:200] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    Image.fromarray(np.where(mask[..., None], 7, read_image(face)).astype(np.uint8)).save(tmp_path / "other.png")
    files = []
    for photo in (face, tmp_path / "other.png"):
        out = tmp_path / f"{photo.stem}.safetensors"
        options = ("--no-align", "--size", SIZE, "--k", k, "--mask", tmp_path / "mask.png", "--out", out)
        result = semwave("transmit", photo, *options)
        assert result.exit_code == 0, result.output
        files.append(out)
    a, b = (read_soft(path, 10.0) for path in files)
    assert torch.equal(a.symbols, b.symbols) and a.symbols.shape == (1, k)
    assert read_header(files[0]).layers == ("codes", "residual")


BAD_OPTIONS = [
    (["--hide", "eyes,ear"], f"unknown part 'ear'; the parts are {', '.join(FACES.parts)}"),
    (["--keep", "eye"], "the parts are background"),
    (["--hide", "eyes", "--keep", "mouth"], "--hide and --keep"),
    (["--hide", "eyes", "--mask", "MASK"], "--mask goes without"),
    (["--keep", ",".join(FACES.parts)], "every part is kept"),
    (["--hide", "eyes", "--lambda2", "1"], "lambda2 must lie between 0 and 1"),
    (["--hide", "eyes", "--lambda2", "nan"], "lambda2"),
    (["--hide", "eyes", "--lambda1", "0"], "lambda1 must be above 0"),
    (["--hide", "eyes", "--lambda1", "inf"], "lambda1"),
    (["--hide", "eyes", "--privacy", "magic"], "strict"),
    (["--privacy", "filter"], "nothing is private"),
    (["--hide", "ABSENT"], "no ABSENT can be seen"),
    (["--keep", "ABSENT"], "no ABSENT can be seen"),
    (["--mask", "MASK", "--privacy", "filter"], "--mask needs --privacy strict"),
    (["--mask", "SMALL"], "the mask has 10 x 12 pixels, the photo 256 x 256"),
    (["--mask", "TEXT"], "not a readable picture"),
    (["--mask", "BLACK"], "marks nothing"),
    (["--mask", "no-such.png"], "no such file"),
    (["--hide", "eyes", "--knowledge", "CATS"], "made for model cats-512"),
]


@pytest.mark.parametrize("command", ["send", "transmit"])
@pytest.mark.parametrize("options, message", BAD_OPTIONS, ids=[" ".join(options) for options, _ in BAD_OPTIONS])
def test_bad_privacy_is_one_line_and_sends_nothing(
    options, message, command, model, knowledge, face, picture, tmp_path
):
    absent = (set(FACES.parts) - set(present(model, picture, FACES.parts))).pop()
    files = {"MASK": tmp_path / "mask.png", "SMALL": tmp_path / "small.png", "TEXT": tmp_path / "text.png"}
    files |= {"ABSENT": absent, "BLACK": tmp_path / "black.png", "CATS": tmp_path / "cats.safetensors"}
    Image.new("L", (SIZE, SIZE), 255).save(files["MASK"])
    Image.new("L", (10, 12), 255).save(files["SMALL"])
    Image.new("L", (SIZE, SIZE)).save(files["BLACK"])
    files["TEXT"].write_text("a mask")
    dataclasses.replace(knowledge, made_for="cats-512").save(files["CATS"])
    out = tmp_path / ("out" if command == "send" else "out.safetensors")
    line = refused(tmp_path, command, face, "--no-align", "--out", out, *(files.get(o, o) for o in options))
    assert message.replace("ABSENT", absent) in line


# Knowledge bases


def test_over_the_air_what_a_mask_covers_changes_no_sample(face, tmp_path):
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[100:140, 60:200] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    other = tmp_path / "face.png"  # of the same name, by which stand-ins are drawn
    Image.fromarray(np.where(mask[..., None], 7, read_image(face)).astype(np.uint8)).save(other)
    options = ("--no-align", "--size", SIZE, "--k", 256, "--mask", tmp_path / "mask.png", "--out")
    samples = []
    for number, photo in enumerate((face, other)):
        result = semwave("air", "transmit", photo, *options, tmp_path / f"{number}.sigmf-meta")
        assert result.exit_code == 0, result.output
        samples.append(read_recording(tmp_path / f"{number}.sigmf-meta").samples())
    assert np.array_equal(*samples)


def test_knowledge_is_built_of_codes_and_shown(knowledge, tmp_path):
    np.save(tmp_path / "codes.npy", knowledge.prototypes[:8].numpy())
    result = semwave("knowledge", "build", tmp_path / "codes.npy", "--out", tmp_path / "base")
    assert result.exit_code == 0, result.output
    shown = semwave("knowledge", "show", tmp_path / "base")
    assert shown.exit_code == 0 and "8 codes" in shown.stdout and "earrings" in shown.stdout


def test_the_knowledge_base_of_a_model_is_shown():
    shown = semwave("knowledge", "show", "--model", "semantic-stylegan-512")
    assert shown.exit_code == 0 and "faces-512" in shown.stdout and "48 prototypes" in shown.stdout


def test_knowledge_is_built_of_photos_and_of_generated_faces(face, model, tmp_path, monkeypatch):
    monkeypatch.setattr(knowledge_base, "LEAST_FACES", 1)
    for source, name in (((face.parent, "--no-align"), "1 photos"), (("--generated", 3), "3 generated faces")):
        result = semwave("knowledge", "build", *source, "--out", tmp_path / "base")
        assert result.exit_code == 0, result.output
        assert load_knowledge(model.config, tmp_path / "base").made_from == name


def test_a_knowledge_base_does_not_depend_on_who_makes_it_and_a_build_goes_on(ray, model, tmp_path, monkeypatch):
    monkeypatch.setattr(knowledge_base, "LEAST_FACES", 1)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as many as a task has

    def asked_for(name, *options):
        return semwave("knowledge", "build", "--generated", 3, "--out", tmp_path / name, *options)

    def build(name, *options):
        result = asked_for(name, *options)
        assert result.exit_code == 0, result.output
        built = dataclasses.asdict(load_knowledge(model.config, tmp_path / name))
        return {field: value.tolist() if isinstance(value, torch.Tensor) else value for field, value in built.items()}

    asked, counted, stopped = counted_and_stopped(GeneratedCodes.process)
    try:
        whole = build("alone", "--workers", 0, "--batch", 1)
        assert build("cluster", "--ray") == whole
        monkeypatch.setattr(GeneratedCodes, "process", stopped)
        assert asked_for("base", "--batch", 1, "--workers", 0).exit_code != 0
        monkeypatch.setattr(GeneratedCodes, "process", counted)
        asked.clear()
        assert build("base", "--batch", 1) == whole and len(asked) == 2
    finally:
        torch.set_num_threads(threads)
    assert {path.name for path in tmp_path.iterdir()} == {"alone", "cluster", "base"}


def test_a_photo_without_codes_is_left_out_and_named(face, model, tmp_path, monkeypatch):
    monkeypatch.setattr(knowledge_base, "LEAST_FACES", 1)
    build = ("knowledge", "build", face.parent, "--no-align", "--out", tmp_path / "base")
    (face.parent / "bad.png").write_text("no picture")
    result = semwave(*build)
    assert result.exit_code == 3 and "bad.png" in result.stderr.splitlines()[-1]
    assert load_knowledge(model.config, tmp_path / "base").made_from == "1 photos"
    face.unlink()
    assert "bad.png" in refused(tmp_path / "none", *build)


def codes_file(array):
    return lambda path: np.save(path.open("wb"), array)


BAD_SOURCES = {
    "nothing": (None, (), "either a folder of photos"),
    "both": (codes_file(np.zeros((9, 28, 512), np.float32)), ("--generated", 3), "either a folder of photos"),
    "missing": (lambda path: None, (), "no such file or folder"),
    "text": (lambda path: path.write_text("codes"), (), "has no codes"),
    "shape": (codes_file(np.zeros((9, 28, 256), np.float32)), (), "(N, 28, 512)"),
    "a number": (codes_file(np.float32(1)), (), "has no codes"),
    "integers": (codes_file(np.zeros((9, 28, 512), int)), (), "(N, 28, 512)"),
    "NaN": (codes_file(np.full((9, 28, 512), np.nan, np.float32)), (), "finite"),
    "too few": (codes_file(np.zeros((2, 28, 512), np.float32)), (), "at least 8"),
}


@pytest.mark.parametrize("kind", BAD_SOURCES)
def test_knowledge_is_not_built_of_bad_data(kind, tmp_path):
    make, options, message = BAD_SOURCES[kind]
    if make:
        make(tmp_path / "codes")
    arguments = [tmp_path / "codes"] if make else []
    assert message in refused(tmp_path, "knowledge", "build", *arguments, *options, "--out", tmp_path / "base")


# A model that cannot hide, and figures


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A checkpoint as the authors' training writes it, with random weights."""
    sizes = Architecture(
        size=32, coarse_size=16, smallest_size=8, mapping_layers=2, local_channels=8, coarse_channels=16
    )
    torch.manual_seed(0)
    state = SemanticStyleGAN(sizes).state_dict()
    path = tmp_path_factory.mktemp("checkpoint") / "authors.pt"
    torch.save(
        {"g_ema": state, "args": Namespace(**{name: getattr(sizes, ours) for name, ours in SIZES.items()})}, path
    )
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        ("send", "FACE", "--hide", "eyes", "--no-align"),
        ("transmit", "FACE", "--hide", "eyes", "--no-align"),
        ("knowledge", "build", "--generated", "9"),
        ("figures", "privacy"),
        ("figures", "privacy", "--data", "DATA"),
    ],
    ids=" ".join,
)
def test_a_checkpoint_that_cannot_hide_is_one_line_at_once(arguments, checkpoint, face, tmp_path, monkeypatch):
    monkeypatch.setattr(align, "align", lambda *_: pytest.fail("long work began"))
    files = {"FACE": face, "DATA": face.parent}
    out = tmp_path / "out.safetensors"
    line = refused(tmp_path, *(files.get(a, a) for a in arguments), "--model", checkpoint, "--out", out)
    assert "authors.pt cannot hide parts: it has no parser that finds them in a photograph" in line


def test_figures_of_privacy_say_at_once_what_they_lack(face, tmp_path, monkeypatch):
    monkeypatch.setattr(align, "align", lambda *_: pytest.fail("long work began"))
    common = ("figures", "privacy", "--out", tmp_path / "out")
    assert "size 100 is not offered by faces-512" in refused(tmp_path, *common, "--size", 100)
    assert "unknown model 'none'" in refused(tmp_path, *common, "--model", "none")
    assert "is not a folder" in refused(tmp_path, "figures", "privacy", "--out", face)
    assert "LPIPS" in refused(tmp_path, *common, "--data", face.parent, "--lpips-weights", tmp_path / "none")


def test_figures_of_privacy_measure_where_there_is_data(face, tmp_path, monkeypatch):
    from semwave.evaluation.privacy import figures, measure
    from semwave.pictures import metrics

    class Distance:
        def __init__(self, backbone, folder):
            assert (backbone, folder) == ("alex", tmp_path)

    done = []
    monkeypatch.setattr(metrics, "LPIPS", Distance)
    monkeypatch.setattr(figures, "draw", lambda model, out, size, seed: [out / f"{model.config.name}-{size}-{seed}"])
    monkeypatch.setattr(measure, "measure", lambda measuring, out, table, console: done.append((measuring, table)))
    (face.parent / "test.txt").write_text("face\nface\nface\n")
    options = ("--data", face.parent, "--lpips-weights", tmp_path, "--limit", 2, "--seed", 3, "--out", tmp_path / "out")
    result = semwave("figures", "privacy", *options)
    assert result.exit_code == 0, result.output
    ((measuring, table),) = done
    assert table == tmp_path / "out" / "privacy.md"
    assert (len(measuring.tests), measuring.trains, measuring.seed) == (2, [], 3)
    assert result.stdout.splitlines() == [str(tmp_path / "out" / "faces-512-256-3"), str(table)]


def test_a_model_without_parts_cannot_hide(face, tmp_path, linear_model, monkeypatch):
    monkeypatch.setattr(models, "load_model", lambda name: linear_model)
    line = refused(tmp_path, "send", face, "--no-align", "--hide", "eyes", "--out", tmp_path / "out")
    assert "cannot hide parts" in line

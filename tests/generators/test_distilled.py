"""A generator that draws another model's codes: through the whole chain, and compared with that model's."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import TINY
from torch.nn import functional
from typer.testing import CliRunner

from semwave import Receiver, SemwaveError, Transmitter
from semwave.air.channels import AWGN
from semwave.apps.cli import app
from semwave.apps.compare import change_inside, drawn, naturalness
from semwave.generators.distilled import DistilledGenerator
from semwave.generators.semantic_stylegan import Architecture, SemanticStyleGAN
from semwave.model import load_model
from semwave.pictures import images
from semwave.pictures.metrics import psnr
from semwave.privacy.knowledge import build, load_knowledge
from semwave.types import Inversion, Scene
from semwave.zoo import MODELS


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module", autouse=True)
def shipped(tmp_path_factory):
    """As if an untrained generator for the codes of faces-512 were shipped as "student"."""
    folder = tmp_path_factory.mktemp("weights") / "student"
    torch.manual_seed(0)
    SemanticStyleGAN(TINY).save(folder / "generator.safetensors")
    about = {"version": 1, "codes": "faces-512", "generator": "semantic-stylegan", "sizes": [32], "size": 32}
    (folder / "model.json").write_text(json.dumps(about | {"licence": "none"}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS, "student", folder)
        yield


@pytest.fixture(scope="module")
def student():
    return load_model("student")


@pytest.fixture(scope="module")
def teacher():
    return load_model("faces-512")


@pytest.fixture(scope="module")
def codes(teacher):
    return teacher.sample(2, seeded())


@pytest.fixture(scope="module")
def photo(teacher, codes, tmp_path_factory):
    """A generated face in the frame."""
    path = tmp_path_factory.mktemp("photos") / "face.png"
    with torch.no_grad():
        images.write_png(path, images.to_uint8(teacher.generate(codes[:1], 256).image[0]))
    return path


def test_all_but_the_picture_is_the_other_models(student, teacher, codes):
    config = student.config
    assert (config.name, config.code_model, config.sizes, config.size) == ("student", "faces-512", (32,), 32)
    assert config.licence == "none" and config.codec == teacher.config.codec and config.flow == teacher.config.flow
    assert torch.equal(student.sample(2, seeded()), codes)
    scene = Scene(torch.zeros(2, 3, 32, 32), codes=codes)
    sent, same = (model.encode(scene, 256, ("codes",)) for model in (student, teacher))
    assert torch.equal(sent.iq, same.iq)
    arrived, same = (model.decode(AWGN(10.0, 0)(sent)).codes for model in (student, teacher))
    assert torch.equal(arrived, same)
    faces = student.generate(codes, 32)
    assert faces.image.shape == (2, 3, 32, 32) and faces.masks.shape == (2, 13, 16, 16)


@pytest.mark.parametrize("sizes, size", [((32,), 32), ((32, 64, 128), 64), ((32, 64, 128, 256), 256)])
def test_one_pass_gives_the_picture_and_the_sketch(teacher, codes, sizes, size):
    torch.manual_seed(0)
    network = SemanticStyleGAN(TINY).enlarged(sizes[-1]) if len(sizes) > 1 else SemanticStyleGAN(TINY)
    for head in network.render_net.to_rgbs:  # what is enlarged reads nothing out before it has learnt
        torch.nn.init.normal_(head.conv.weight)
    generator = DistilledGenerator(network, teacher.space)
    assert generator.sizes == sizes
    with torch.no_grad():
        (drawing, sketch), alone = generator.with_sketch(codes, size), generator(codes, size)
        assert torch.equal(drawing.image, alone.image) and torch.equal(drawing.masks, alone.masks)
        assert torch.equal(sketch, generator(codes, images.SKETCH).image)


def test_only_what_is_sent_of_the_codes_is_drawn(student, codes):
    sent = student.space.codes(student.space.coordinates(codes))
    assert not torch.allclose(sent, codes, atol=1e-2)
    assert torch.allclose(student.generate(sent, 32).image, student.generate(codes, 32).image, atol=1e-4)


def test_a_network_with_other_codes_is_refused(teacher):
    with pytest.raises(SemwaveError, match="28 x 256"):
        DistilledGenerator(SemanticStyleGAN(Architecture(size=32, coarse_size=16, smallest_size=8)), teacher.space)


def test_refinement_goes_through_its_own_generator(student, codes):
    target = student.generate(codes[1:], 32).image
    pictures = (student.generate(student.invert(Scene(target), Inversion(steps=steps)), 32).image for steps in (0, 10))
    start, refined = (psnr(picture, target, data_range=2) for picture in pictures)
    assert refined > start + 0.1


def test_transmitter_and_receiver_take_its_size(student, photo):
    picture = images.to_tensor(images.read_image(photo))
    soft = AWGN(10.0, 0)(Transmitter(student, k=256)(picture))
    assert Receiver(student)(soft).shape == (1, 3, 32, 32)
    with pytest.raises(SemwaveError, match="size 512 is not offered by student; the sizes are 32"):
        Receiver(student, 512)


@pytest.mark.parametrize("options", [(), ("--hide", "hair"), ("--hide", "hair", "--privacy", "knowledge")])
def test_the_command_sends_with_it(photo, tmp_path, options):
    arguments = ["send", str(photo), "--no-align", "--model", "student", "--out", str(tmp_path), *options]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    (row,) = json.loads((tmp_path / "report.json").read_text())
    assert (row["size"], row["k"], row["ratio"]) == (32, 2560, "2560/3072")
    assert images.read_image(tmp_path / "face.received.png").shape == (32, 32, 3)


def test_the_knowledge_base_belongs_to_the_codes(student, teacher):
    assert torch.equal(load_knowledge(student.config).prototypes, load_knowledge(teacher.config).prototypes)
    prototypes = load_knowledge(teacher.config).prototypes
    # Of an untrained generator no part is to be seen; the masks of the other one stand in.
    student.generator.masks, masks = teacher.generator.masks, student.generator.masks
    try:
        assert build(student, [prototypes], "a test", 4).made_for == "faces-512"
    finally:
        student.generator.masks = masks


def test_it_is_listed_and_generates(tmp_path):
    listed = CliRunner().invoke(app, ["models"])
    assert listed.exit_code == 0 and "student" in listed.stdout
    result = CliRunner().invoke(app, ["generate", "--model", "student", "--count", "1", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert images.read_image(tmp_path / "face-00.png").shape[0] == 32


# Comparison


def test_change_counts_as_inside_up_to_a_twentieth_of_the_width():
    before, mask = torch.zeros(1, 3, 100, 100), torch.zeros(1, 1, 50, 50, dtype=torch.bool)
    mask[:, :, 20:30, 20:30] = True
    for column, share in ((50, 1.0), (64, 1.0), (65, 0.0), (35, 1.0), (34, 0.0)):
        after = before.clone()
        after[:, :, 50, column] = 1
        assert change_inside(before, after, mask) == share
    assert change_inside(before, before + 1, mask) == pytest.approx(30**2 / 100**2)
    assert change_inside(before, before, mask) is None
    assert change_inside(before, before + 1, torch.zeros_like(mask)) is None


def test_models_are_compared_at_one_size(teacher, student, codes):
    picture, masks = drawn(teacher, codes, 32)
    assert picture.shape == (2, 3, 32, 32) and masks.shape[1] == 13
    whole = teacher.generate(codes, 256).image.clamp(-1, 1)
    assert torch.allclose(picture[0, :, 0, 0], whole[0, :, :8, :8].mean((1, 2)), atol=1e-4)
    with pytest.raises(SemwaveError, match="student cannot be compared at 64"):
        drawn(student, codes, 64)


def test_random_faces_of_the_model_are_nearer_to_it_than_those_of_a_stranger(teacher, student, tmp_path):
    """By features that are the mean colours of quarters, which tell an untrained generator's faces."""
    folder = tmp_path / "faces"
    for i in range(6):
        picture = drawn(teacher, teacher.sample(1, seeded(100 + i)), 32)[0]
        images.write_png(folder / f"{i}.png", images.to_uint8(picture[0]))
    photos = sorted(folder.iterdir())
    own, strange = (
        naturalness(model, photos, 32, 0, lambda x: functional.avg_pool2d(x, 16).flatten(1))
        for model in (teacher, student)
    )
    assert own < strange / 2


def test_the_command_compares(photo, tmp_path):
    report = tmp_path / "report.json"
    options = ["--pairs", "1", "--size", "32", "--model", "faces-512", "--model", "student", "--report", str(report)]
    result = CliRunner().invoke(app, ["compare", str(photo), *options])
    assert result.exit_code == 0, result.output
    default, student = json.loads(report.read_text())
    assert (default["model"], student["model"]) == ("faces-512", "student")
    assert default["photos"] == student["photos"] == 1 and default["pairs"] <= 1
    assert 0.6 < default["inside"] <= 1 and default["psnr_db"] > 15
    assert f"{default['psnr_db']:.2f}" in result.stdout
    assert default["kid"] is None
    refused = CliRunner().invoke(app, ["compare", str(photo), *options, "--kid"])
    assert refused.exit_code == 2 and "KID takes 3 photos or more, not 1" in refused.stderr
    Image.fromarray(np.zeros((10, 20, 3), np.uint8)).save(tmp_path / "wide.png")
    refused = CliRunner().invoke(app, ["compare", str(tmp_path / "wide.png"), *options])
    assert refused.exit_code == 2 and "not a square" in refused.stderr

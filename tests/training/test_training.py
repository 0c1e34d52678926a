"""Training: the loop resumes exactly, and data come in as the masks mean them."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from semwave.errors import SemwaveError
from semwave.latent.layout import PARTS
from semwave.model import MODELS, Model
from semwave.training.celebamask import PART_OF_CLASS
from semwave.training.codec import train_detail
from semwave.training.data import Photos, augment, read_photos, without_validation
from semwave.training.faces import compose
from semwave.training.loop import Schedule, fit
from semwave.training.parser import evaluate_parser, train_parser


def regression(model, step, generator, device):
    x = torch.randn(8, 3, generator=generator).to(device)
    return {"loss": (model(x) - x.sum(1, keepdim=True)).square().mean()}


def line():
    torch.manual_seed(0)
    return nn.Linear(3, 1)


def test_the_loss_falls_and_is_logged(tmp_path):
    fit(line(), regression, Schedule(60, 8, 0.1, warmup=5), tmp_path)
    rows = [json.loads(row) for row in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 59 and rows[-1]["loss"] < 0.1 * rows[0]["loss"]


def test_resuming_gives_the_same_state(tmp_path):
    schedule = Schedule(20, 8, 0.1, warmup=5, checkpoint_every=10)
    whole = fit(line(), regression, schedule, tmp_path / "whole")

    def interrupted(model, step, generator, device):
        if step == 13:
            raise KeyboardInterrupt
        return regression(model, step, generator, device)

    with pytest.raises(KeyboardInterrupt):
        fit(line(), interrupted, schedule, tmp_path / "halves")
    resumed = fit(line(), regression, schedule, tmp_path / "halves")
    assert torch.equal(whole.weight, resumed.weight) and torch.equal(whole.bias, resumed.bias)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    with pytest.raises(SemwaveError, match="not finite"):
        fit(line(), lambda model, *_: {"loss": model.weight.sum() * float("nan")}, Schedule(3, 1, 0.1), tmp_path)


@pytest.fixture
def folder(tmp_path):
    source = np.random.default_rng(0)
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for name in ("a", "b", "c"):
        pixels = source.integers(0, 255, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{name}.png")
        Image.fromarray(source.integers(0, 19, (64, 64), dtype=np.uint8)).save(tmp_path / "masks" / f"{name}.png")
    (tmp_path / "train.txt").write_text("a.png\nb.png\n")
    (tmp_path / "test.txt").write_text("c\n")
    return tmp_path


def test_photos_and_labels_are_read_together(folder):
    photos = read_photos(folder, "train", 64)
    assert len(photos) == 2 and photos.images.shape == (2, 3, 64, 64)
    classes = torch.from_numpy(np.array(Image.open(folder / "masks" / "a.png"))).long()
    assert torch.equal(photos.labels[0], PART_OF_CLASS[classes])
    names = [PARTS[PART_OF_CLASS[i]] for i in (3, 4, 11, 13, 16, 18)]
    assert names == ["glasses", "eyes", "mouth", "hair", "neck", "clothes"]


def test_a_folder_of_another_layout_is_refused(folder):
    (folder / "masks" / "b.png").unlink()
    with pytest.raises(SemwaveError, match="b, listed in"):
        read_photos(folder, "train", 64)
    with pytest.raises(SemwaveError, match="missing"):
        read_photos(folder / "images", "train", 64)


def test_validation_photos_are_left_out():
    photos = Photos(torch.arange(100).reshape(100, 1), torch.arange(100).reshape(100, 1))
    assert without_validation(photos).images.max() == 59


def test_augmentation_moves_photo_and_labels_together():
    labels = torch.zeros(4, 64, 64, dtype=torch.uint8)
    labels[:, 20:40, 10:30] = 7
    images = labels[:, None].repeat(1, 3, 1, 1) / 7.0 * 2 - 1
    moved, moved_labels = augment(images, labels, torch.Generator().manual_seed(0))
    assert not torch.equal(moved_labels, labels)
    agree = ((moved.mean(1) > 0) == (moved_labels == 7)).float().mean()
    assert agree > 0.97


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_augmentation_of_no_strength_mirrors_only(precision):
    images = torch.rand(4, 3, 512, 512, generator=torch.Generator().manual_seed(0)) * 2 - 1
    labels = torch.zeros(4, 512, 512, dtype=torch.uint8)
    with torch.autocast("cpu", precision, enabled=precision != torch.float32):
        moved, _ = augment(images, labels, torch.Generator().manual_seed(0), strength=0.0)
    for image, mirrored, after in zip(images, images.flip(3), moved, strict=True):
        assert min((after - image).abs().max(), (after - mirrored).abs().max()) < 1e-3


def test_composed_faces_take_whole_parts():
    codes, others = torch.zeros(5, 28, 512), torch.ones(5, 2, 28, 512)
    composed = compose(codes, others, torch.Generator().manual_seed(0))
    assert composed[:, :2].eq(0).all()
    assert torch.equal(composed[:, 2::2], composed[:, 3::2])
    assert 0 < composed[:, 2:].mean() < 1


def test_parser_training_runs_and_is_measured(folder, tmp_path):
    parser = train_parser(folder, tmp_path / "run", Schedule(2, 2, 1e-3), precision="no")
    scores = evaluate_parser(parser, read_photos(folder, "test", 64))
    assert set(scores) == {*PARTS, "mean_f1", "pixel_accuracy"} and 0 <= scores["mean_f1"] <= 1


def test_detail_is_learnt_above_the_picture_that_corrections_look_at(tmp_path):
    model = Model("faces-512").load(MODELS["faces-512"])
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    pixels = torch.randint(256, (2, 3, 512, 512), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    photos = Photos(pixels, pixels[:, 0])
    coordinates = torch.zeros(2, 28, 256)
    faces = {"images": pixels[:, :, ::2, ::2], "coordinates": coordinates.half()}
    distance = lambda a, b: (a - b).abs().mean((1, 2, 3))  # noqa: E731
    train_detail(model, photos, coordinates, faces, distance, tmp_path, Schedule(1, 2, 1e-3, warmup=1), 1.0, "no")
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    learn = ("generator.body.blocks.4.", "generator.body.blocks.5.", "generator.heads.256.", "generator.heads.512.")
    assert {name for name, _ in model.named_parameters() if name.startswith(learn)} == moved

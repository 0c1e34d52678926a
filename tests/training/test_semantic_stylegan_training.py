"""Training a Semantic StyleGAN: data in both layouts, augmentation, losses, resume, and the file that comes out."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn
from torch.multiprocessing import spawn
from typer.testing import CliRunner

from semwave.apps.cli import app
from semwave.errors import SemwaveError
from semwave.generators.semantic_stylegan import Architecture, Rendering, SemanticStyleGAN
from semwave.latent.layout import PARTS
from semwave.training import celebamask, semantic_stylegan
from semwave.training.ada import EVERY, TARGET, AdaptiveAugmentation, colouring, placement
from semwave.training.celebamask import CLASSES, PART_OF_CLASS, Sample
from semwave.training.data import Photos, map_photos, read_photos
from semwave.training.loop import Schedule
from semwave.training.semantic_stylegan import MIXING, mask_loss, mixed, r1_penalty, train_semantic_stylegan

TINY = Architecture(
    size=32, coarse_size=16, smallest_size=8, mapping_layers=1, local_layers=4, depth_layers=3, local_channels=4,
    coarse_channels=8, max_channels=8,
)  # fmt: skip


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def some_photos(size=32):
    labels = torch.randint(13, (12, 4, 4), generator=seeded()).repeat_interleave(size // 4, 1)
    images = torch.randint(256, (12, 3, size, size), generator=seeded(), dtype=torch.uint8)
    return Photos(images, labels.repeat_interleave(size // 4, 2).to(torch.uint8))


# Training


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A hundred steps on the CPU without interruption: the run's folder and the generator."""
    run = tmp_path_factory.mktemp("run") / "whole"
    schedule = Schedule(100, 4, 2e-3, checkpoint_every=50)
    return run, train_semantic_stylegan(some_photos(), TINY, run, schedule, augmented_images=100)


def test_a_hundred_steps_stay_finite_and_are_shown(whole):
    run, generator = whole
    rows = [json.loads(row) for row in (run / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 99 and np.isfinite([value for row in rows for value in row.values()]).all()
    # The masks agree with the segmentation, and the discriminator tells noise from patches of parts.
    assert rows[-1]["masks"] < 0.1 * rows[0]["masks"] and rows[-1]["real"] > rows[-1]["made"]
    assert rows[0]["augmentation"] == 0
    with Image.open(run / "samples-000100.png") as samples:
        assert samples.width > 4 * 2 * TINY.size and samples.height > 2 * TINY.size
    assert not generator.training and not any(weight.requires_grad for weight in generator.parameters())


def test_resuming_gives_the_same_state(whole, tmp_path, monkeypatch):
    run, _ = whole
    teach = semantic_stylegan.Contest.teach_generator

    def interrupted(contest, step, random):
        if step == 51:
            raise KeyboardInterrupt
        return teach(contest, step, random)

    arguments = (some_photos(), TINY, tmp_path, Schedule(100, 4, 2e-3, checkpoint_every=50), "no", True, 100)
    monkeypatch.setattr(semantic_stylegan.Contest, "teach_generator", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_semantic_stylegan(*arguments)
    monkeypatch.setattr(semantic_stylegan.Contest, "teach_generator", teach)
    train_semantic_stylegan(*arguments)
    one, other = (torch.load(folder / "checkpoint.pt", weights_only=True) for folder in (run, tmp_path))
    assert one.keys() == other.keys()
    for name in ("generator", "average", "discriminator", "augmentation", "path"):
        assert all(torch.equal(one[name][key], other[name][key]) for key in one[name]), name
    moments = [saved["generator_optimizer"]["state"] for saved in (one, other)]
    assert all(torch.equal(moments[0][i]["exp_avg_sq"], moments[1][i]["exp_avg_sq"]) for i in moments[0])


def test_the_average_follows_slowly(whole):
    """Half of what was learnt 10,000 images ago is kept: after 400 images the average has hardly left its start."""
    run, _ = whole
    saved = torch.load(run / "checkpoint.pt", weights_only=True)
    torch.manual_seed(0)
    start = SemanticStyleGAN(TINY).state_dict()
    moved, averaged = (
        torch.cat([(saved[name][key] - start[key]).flatten() for key in start]).norm()
        for name in ("generator", "average")
    )
    assert 0 < averaged < 0.05 * moved


def _work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    distributed = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": 29511}
    os.environ.update({name: str(value) for name, value in distributed.items()}, ACCELERATE_USE_CPU="true")
    schedule = Schedule(3, 4, 2e-3)
    generator = train_semantic_stylegan(some_photos(16), replace(TINY, size=16), Path(folder, "run"), schedule)
    torch.save(generator.state_dict(), Path(folder, f"{rank}.pt"))


@pytest.mark.slow
def test_two_processes_have_one_state(tmp_path):
    spawn(_work, (str(tmp_path),), nprocs=2)
    one, other = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_training_refuses_what_it_cannot_do(tmp_path):
    with pytest.raises(SemwaveError, match="64 px for a generator of 32 px"):
        train_semantic_stylegan(some_photos(64), TINY, tmp_path, Schedule(1, 4, 2e-3))
    with pytest.raises(SemwaveError, match="precision fp16"):
        train_semantic_stylegan(some_photos(), TINY, tmp_path, Schedule(1, 4, 2e-3), "fp16")


class Plane(nn.Module):
    """A discriminator whose slope is known."""

    def forward(self, image, segmentation):
        return 2 * image.sum((1, 2, 3)) + 3 * segmentation.sum((1, 2, 3))


def test_r1_is_half_the_weighted_squared_slope():
    penalty = r1_penalty(Plane(), torch.randn(2, 3, 4, 4), torch.randn(2, 13, 4, 4))
    assert penalty.item() == pytest.approx(0.5 * (10 * 4 * 48 + 1000 * 9 * 208))


def test_masks_are_compared_at_their_own_size():
    masks = torch.rand(2, 13, 4, 4)
    fine = (2 * masks - 1).repeat_interleave(2, 2).repeat_interleave(2, 3)
    image = torch.zeros(2, 3, 8, 8)
    assert mask_loss(Rendering(image, fine, masks)).item() == pytest.approx(0, abs=1e-12)
    assert mask_loss(Rendering(image, fine + 0.5, masks)).item() == pytest.approx(0.25)


def test_mixed_codes_keep_the_base_together():
    first, second = torch.zeros(4000, 2), torch.ones(4000, 2)
    codes = mixed(first, second, 28, seeded())[..., 0]
    assert torch.equal(codes[:, 0], codes[:, 1])
    one, other = (codes == 0).all(1).float().mean(), (codes == 1).all(1).float().mean()
    assert one == pytest.approx(1 - MIXING, abs=0.03) and other < 0.01
    assert codes.mean() == pytest.approx(MIXING / 2, abs=0.02)


# Augmentation


def test_without_probability_nothing_changes():
    image, segmentation = torch.randn(2, 3, 8, 8), torch.randn(2, 13, 8, 8)
    same = AdaptiveAugmentation()(image, segmentation, seeded())
    assert same[0] is image and same[1] is segmentation


@settings(max_examples=10, deadline=None)
@given(st.floats(0.05, 1), st.integers(0, 2**31))
def test_picture_and_segmentation_move_together(p, seed):
    augmentation = AdaptiveAugmentation()
    augmentation.p.fill_(p)
    part = torch.zeros(6, 13, 32, 32)
    part[:, 3, 8:20, 4:12] = 1
    segmentation = part * 2 - 1
    image, moved = augmentation(segmentation[:, 3:4].repeat(1, 3, 1, 1), segmentation, seeded(seed))
    # Colours change a grey picture alike in all channels, and linearly: it still is a function of the segmentation.
    assert torch.allclose(image[:, 0], image[:, 1], atol=1e-4) and torch.allclose(image[:, 0], image[:, 2], atol=1e-4)
    for grey, mask in zip(image[:, 0], moved[:, 3], strict=True):
        inside, outside = grey[mask > 0.999], grey[mask < -0.999]
        assert all(values.numel() < 2 or values.std() < 1e-2 for values in (inside, outside))
    # Bilinear weights add up to one, so parts still share every place.
    segmentation[:, 0] = -segmentation[:, 3]
    moved = augmentation(image, segmentation, seeded(seed))[1]
    assert torch.allclose(moved.sum(1), torch.tensor(-11.0), atol=1e-3)


def test_augmentation_is_seeded_and_differentiable():
    augmentation = AdaptiveAugmentation()
    augmentation.p.fill_(0.8)
    image, segmentation = (torch.randn(4, count, 8, 8).requires_grad_() for count in (3, 13))
    one, same, other = (augmentation(image, segmentation, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(one[0], same[0]) and torch.equal(one[1], same[1]) and not torch.equal(one[0], other[0])
    (one[0].sum() + one[1].sum()).backward()
    assert image.grad.abs().sum() > 0 and segmentation.grad.abs().sum() > 0


def test_changes_are_as_frequent_as_p_says():
    p, count = 0.1, 20_000
    still = (placement(count, p, seeded()) - torch.eye(3)).abs().amax((1, 2)) < 1e-6
    # Mirror (half the time), quarter turns (three of four), shift (x, y), scale, turns, stretch, shift (x, y).
    expected = (1 - p / 2) * (1 - 0.75 * p) * (1 - p) ** 2 * (1 - p) * (1 - p) * (1 - p) * (1 - p) ** 2
    assert still.float().mean().item() == pytest.approx(expected, abs=0.015)
    kept = (colouring(count, p, seeded()) - torch.eye(3, 4)).abs().amax((1, 2)) < 1e-5
    # Contrast, luma (half the time), hue, saturation, brightness.
    assert kept.float().mean().item() == pytest.approx((1 - p / 2) * (1 - p) ** 4, abs=0.015)


def test_the_probability_follows_the_scores():
    """From 0 to 1 in the given number of images while too many scores are positive, and back."""
    augmentation = AdaptiveAugmentation(images=160)
    for step in range(1, 11):
        augmentation.update(torch.tensor(TARGET + 0.1), 16)
        assert augmentation.p.item() == pytest.approx(16 * EVERY * (step // EVERY) / 160)
    for _ in range(40):
        augmentation.update(torch.tensor(1.0), 16)
    assert augmentation.p.item() == 1
    for _ in range(40):
        augmentation.update(torch.tensor(TARGET - 0.1), 16)
    assert augmentation.p.item() == 0


# Data


NUMBERS = ("7", "1999", "2001")


@pytest.fixture
def layouts(tmp_path):
    """The same three photographs and masks in both layouts."""
    source = np.random.default_rng(0)
    published, single = tmp_path / "published", tmp_path / "single"
    (published / "CelebA-HQ-img").mkdir(parents=True)
    for folder in ("images", "masks"):
        (single / folder).mkdir(parents=True)
    for i, number in enumerate(NUMBERS):
        pixels = source.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        classes = source.integers(0, len(CLASSES), (16, 16), dtype=np.uint8).repeat(2, 0).repeat(2, 1)
        for path in (published / "CelebA-HQ-img" / f"{number}.png", single / "images" / f"{number}.png"):
            Image.fromarray(pixels).save(path)
        Image.fromarray(classes).save(single / "masks" / f"{number}.png")
        folder = published / "CelebAMask-HQ-mask-anno" / str(int(number) // 2000)
        folder.mkdir(parents=True, exist_ok=True)
        for index, name in enumerate(CLASSES[1:], 1):
            mask = np.where(classes == index, 255, 0).astype(np.uint8)
            if name == "skin":  # drawn below the others, as it is in the published files
                mask[np.isin(classes, (2, 4, 10))] = 255
            mask = mask if i else np.repeat(mask[:, :, None], 3, 2)
            Image.fromarray(mask).save(folder / f"{int(number):05d}_{name}.png")
    return published, single


def test_both_layouts_are_read_alike(layouts):
    published, single = (read_photos(folder, "train", 32) for folder in layouts)
    assert torch.equal(published.images, single.images) and torch.equal(published.labels, single.labels)
    classes = np.array(Image.open(layouts[1] / "masks" / f"{NUMBERS[2]}.png"))
    assert torch.equal(single.labels[2], PART_OF_CLASS[torch.from_numpy(classes).long()])


def test_the_classes_are_the_parts_of_their_names():
    parts = {name: PARTS[PART_OF_CLASS[i]] for i, name in enumerate(CLASSES)}
    assert parts["eye_g"] == "glasses" and parts["cloth"] == "clothes" and parts["neck_l"] == parts["neck"] == "neck"
    assert parts["u_lip"] == parts["l_lip"] == parts["mouth"] == "mouth" and parts["ear_r"] == "earrings"
    assert all(parts[f"{side}_{what}"] == f"{what}s" for side in "lr" for what in ("eye", "brow", "ear"))


def test_a_split_is_what_its_list_names(layouts):
    (layouts[0] / "test.txt").write_text("2001.jpg\n")
    assert torch.equal(read_photos(layouts[0], "test", 32).images, read_photos(layouts[0], "train", 32).images[2:])
    with pytest.raises(SemwaveError, match=r"test\.txt is missing"):
        read_photos(layouts[1], "test", 32)


def test_photos_on_the_disk_are_those_in_memory_and_interruption_costs_nothing(layouts, tmp_path, monkeypatch):
    read, seen = Sample.read, []

    def counted(sample, size):
        seen.append(sample.photo.stem)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return read(sample, size)

    monkeypatch.setattr(celebamask.Sample, "read", counted)
    with pytest.raises(KeyboardInterrupt):
        map_photos(layouts[0], "train", 32, tmp_path / "cache")
    mapped = map_photos(layouts[0], "train", 32, tmp_path / "cache")
    assert seen == [NUMBERS[0], NUMBERS[1], NUMBERS[1], NUMBERS[2]]
    map_photos(layouts[0], "train", 32, tmp_path / "cache")
    assert len(seen) == 4
    photos = read_photos(layouts[0], "train", 32)
    assert torch.equal(mapped.images, photos.images) and torch.equal(mapped.labels, photos.labels)


def damaged(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def with_class_19(folder):
    Image.fromarray(np.full((8, 8), 19, np.uint8)).save(folder / "masks" / "7.png")


def of_16_bits(folder):
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(folder / "masks" / "7.png")


def of_another_size(folder):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "CelebAMask-HQ-mask-anno" / "0" / "00007_hair.png")


@pytest.mark.parametrize(
    ("layout", "damage", "message"),
    [
        (0, lambda folder: (folder / "CelebA-HQ-img").rename(folder / "img"), "CelebAMask-HQ is missing in"),
        (1, lambda folder: (folder / "masks").rename(folder / "labels"), "CelebAMask-HQ is missing in"),
        (1, lambda folder: (folder / "masks" / "1999.png").unlink(), "1999, listed in .* has no photograph or no mask"),
        (0, lambda folder: (folder / "train.txt").write_text("8"), "8, listed in .* has no photograph or no mask"),
        (0, lambda folder: (folder / "train.txt").write_text(""), "names no photographs"),
        (0, damaged("CelebA-HQ-img/cat.png", b""), "'cat' is not a number"),
        (1, damaged("images/7.png", b"no picture"), "not a readable picture"),
        (1, damaged("masks/7.png", b"no picture"), "not a readable mask"),
        (1, with_class_19, "has the class 19"),
        (1, of_16_bits, "one byte a pixel"),
        (0, of_another_size, "not of the size"),
    ],
)
def test_malformed_data_are_refused(layouts, layout, damage, message):
    damage(layouts[layout])
    with pytest.raises(SemwaveError, match=message) as refusal:
        read_photos(layouts[layout], "train", 32)
    assert "\n" not in str(refusal.value)


# Files and the command


def test_the_command_trains_and_writes_a_generator(layouts, tmp_path):
    sizes = {"--size": 32, "--coarse-size": 16, "--local-channels": 4, "--coarse-channels": 8, "--max-channels": 8}
    options = {**sizes, "--steps": 2, "--batch": 4, "--data": layouts[0], "--runs": tmp_path, "--weights": tmp_path}
    arguments = ["train", "semantic-stylegan", *(str(x) for option in options.items() for x in option)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    generator = SemanticStyleGAN.from_file(tmp_path / "generator.safetensors")
    assert generator.architecture.size == 32 and generator.architecture.max_channels == 8
    result = CliRunner().invoke(app, [*arguments, "--size", "48"])
    assert result.exit_code == 2 and "powers of two" in result.stderr


def test_a_generator_survives_the_disk(tmp_path):
    torch.manual_seed(0)
    generator = SemanticStyleGAN(TINY).eval()
    generator.save(tmp_path / "generator.safetensors")
    again = SemanticStyleGAN.from_file(tmp_path / "generator.safetensors")
    assert again.architecture == TINY and not again.training
    # Half precision: 11 bits.
    for name, tensor in generator.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], tensor, atol=1e-6, rtol=2**-11, msg=name)


@pytest.mark.parametrize("content", [None, b"", b"no tensors", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_what_holds_no_generator_is_refused(tmp_path, content):
    path = tmp_path / "generator.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SemwaveError, match="holds no Semantic StyleGAN"):
        SemanticStyleGAN.from_file(path)

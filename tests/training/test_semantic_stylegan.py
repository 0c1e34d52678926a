"""Training a Semantic StyleGAN: losses, resume, several processes."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.multiprocessing import spawn

from semwave.errors import SemwaveError
from semwave.generators.semantic_stylegan import Architecture, Rendering, SemanticStyleGAN
from semwave.training import semantic_stylegan
from semwave.training.data import Photos
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

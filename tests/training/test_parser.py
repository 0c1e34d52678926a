"""The face parser is trained, and its scores are those of counted pixels."""

import pytest
import torch

from semwave.latent.layout import FACES
from semwave.training.data import Photos, read_photos
from semwave.training.loop import Schedule
from semwave.training.parser import RARE, evaluate_parser, soft_f1_loss, train_parser


def test_parser_training_runs_and_is_measured(folder, tmp_path):
    parser = train_parser(folder, tmp_path / "run", Schedule(2, 2, 1e-3), precision="no")
    scores = evaluate_parser(parser, read_photos(folder, "test", 64))
    assert set(scores) == {*FACES.parts, "mean_f1", "pixel_accuracy"} and 0 <= scores["mean_f1"] <= 1


class Half:
    """A parser that sees skin on the left and hair on the right."""

    def labels(self, images, size):
        labels = torch.full((len(images), size, size), FACES.part_index("hair"), dtype=torch.uint8)
        labels[..., : size // 2] = FACES.part_index("skin")
        return labels


def test_scores_are_counted_by_hand():
    labels = torch.full((1, 8, 8), FACES.part_index("skin"), dtype=torch.uint8)
    scores = evaluate_parser(Half(), Photos(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), labels))
    # Skin: half of its pixels found, none too many; hair: only too many.
    assert scores["skin"] == pytest.approx(2 * 32 / (32 + 64)) and scores["hair"] == 0
    assert scores["pixel_accuracy"] == 0.5
    assert scores["mean_f1"] == pytest.approx(scores["skin"] / (len(FACES.parts) - len(RARE)))


def test_the_soft_f1_of_sure_logits_is_that_of_the_labels():
    labels = torch.randint(4, (2, 8, 8), generator=torch.Generator().manual_seed(0))
    sure = 100 * torch.nn.functional.one_hot(labels, 4).permute(0, 3, 1, 2).float()
    assert soft_f1_loss(sure, labels) < 1e-5
    assert soft_f1_loss(sure.roll(1, 1), labels) > 0.99

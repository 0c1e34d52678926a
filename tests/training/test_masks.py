"""The layout coder learns to give masks back, of faces and of other things."""

import json

import pytest
import torch

from semwave.latent.layout import FACES, Layout
from semwave.latent.masks import LayoutCoder
from semwave.training.loop import Schedule
from semwave.training.masks import evaluate_masks, train_masks

OTHER = Layout(("sky", "sea", "land"), code_size=32, coordinates=16, mask_numbers=8)


@pytest.mark.parametrize("layout", [FACES, OTHER], ids=["faces", "another domain"])
def test_masks_come_back_out_of_their_code(layout, tmp_path):
    torch.manual_seed(0)
    coder = LayoutCoder(layout, widths=(8, 8, 8, 8, 8))
    # Part 0 above part 1 above part 2, cut at random heights.
    heights = torch.randint(4, 60, (24, 2), generator=torch.Generator().manual_seed(0)).sort(1).values
    rows = torch.arange(64)[None]
    labels = ((rows >= heights[:, :1]).long() + (rows >= heights[:, 1:])).to(torch.uint8)[..., None].expand(-1, 64, 64)
    before = evaluate_masks(coder.eval(), labels)["pixel_accuracy"]
    trained = train_masks(coder, labels, tmp_path, Schedule(30, 8, 1e-2, warmup=5), "no")
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    scores = evaluate_masks(trained, labels)
    assert logged[-1]["cross_entropy"] < 0.8 * logged[0]["cross_entropy"]
    assert set(scores) == {*layout.parts, "pixel_accuracy"} and scores["pixel_accuracy"] > max(before, 0.6)

"""Flow and codec learn on codes that stay what they are, at any k."""

import json

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semwave.latent.layout import FACES
from semwave.model import FaceModel, load_face_model
from semwave.training.channel import random_plan, train_channel
from semwave.training.loop import Schedule
from semwave.zoo import MODELS, config_of


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_plans_are_those_that_a_signal_may_have(seed):
    model = load_face_model()
    plan = random_plan(model, seeded(seed))
    assert model.config.offers(plan.k)
    assert plan.coefficients > 0 or plan.k <= model.config.codec.symbols


def test_both_ends_learn_and_nothing_else(tmp_path):
    model = FaceModel(config_of("faces-512")).load(MODELS["faces-512"])
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    images = torch.randint(256, (4, 3, 128, 128), dtype=torch.uint8, generator=seeded())
    coordinates = model.space.coordinates(model.sample(4, seeded()))
    distance = lambda a, b: (a - b).abs().mean((1, 2, 3))  # noqa: E731
    likeness = lambda pictures: torch.nn.functional.normalize(pictures.mean((2, 3)))  # noqa: E731
    train_channel(model, images, coordinates, distance, tmp_path, Schedule(3, 2, 1e-4, warmup=1), "no", likeness)
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert {name.split(".")[0] for name in moved} == {"flow", "codec"}
    # What a symbol is worth is measured, not learned: plans stay what they were.
    assert "codec.deviation" not in moved
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert all(line["loss"] > 0 and line["psnr"] > 0 for line in lines)
    symbols = model.symbols(coordinates)
    assert symbols.shape == (4, model.config.codec.symbols) and symbols.isfinite().all()
    assert coordinates.shape[1:] == (FACES.codes, FACES.coordinates)

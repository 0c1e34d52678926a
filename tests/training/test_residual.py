"""The residual is trained on what arrives, at any k."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semwave.air.channels import AWGN
from semwave.air.iq import signal
from semwave.model import FaceModel, load_face_model
from semwave.pictures.metrics import LPIPS
from semwave.training.faces import to_bytes
from semwave.training.loop import Schedule
from semwave.training.residual import arrived_pictures, over_air, received_of, start_residual, train_residual
from semwave.zoo import LOWEST_K, MODELS, config_of


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Distance(LPIPS):
    """Stands for LPIPS, whose weights tests do not have."""

    def __init__(self):
        torch.nn.Module.__init__(self)

    def forward(self, a, b):
        return (a - b).abs().mean((1, 2, 3))


@settings(deadline=None)
@given(st.integers(32, 16384).map(lambda half: 2 * half), st.integers(0, 1000))
def test_most_signals_arrive_whole_and_others_in_part(k, seed):
    received = received_of(k, seed)
    assert received.shape == (k,) and torch.equal(received, received_of(k, seed))
    count = int(received.sum())
    assert received.all() or received[:count].all() or count > 0.4 * k
    assert count >= min(k, LOWEST_K) * 0.4


def test_emphasis_and_blend_learn_what_addition_gets_wrong(tmp_path):
    images = torch.randint(0, 256, (4, 3, 512, 512), dtype=torch.uint8, generator=seeded())
    arrived = {
        "drawn": torch.randint(0, 256, (4, 3, 512, 512), dtype=torch.uint8, generator=seeded(1)),
        "sketch": torch.zeros(4, 3, 128, 128),
        "base": torch.zeros(4, 3, 128, 128),
        "k": torch.tensor([64, 700, 2560, 32768]),
        "snr_db": torch.full((4,), 10.0),
        "seed": torch.arange(4),
    }
    logs = []
    for steps in (1, 12):
        torch.manual_seed(0)
        model = FaceModel(config_of("faces-512")).load(MODELS["faces-512"])
        for layer in (model.residual.blend.last, model.residual.emphasis.last):
            torch.nn.init.zeros_(layer.weight)
        run = tmp_path / str(steps)
        train_residual(model, images, arrived, Distance(), run, Schedule(steps, 2, 3e-4, warmup=1), 1.0, "no")
        logs.append([json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()])
    assert model.residual.blend.last.weight.abs().max() > 0 and model.residual.emphasis.last.weight.abs().max() > 0
    assert logs[1][-1]["loss"] < logs[1][0]["loss"] and logs[0][0]["psnr"] == logs[1][0]["psnr"]


@pytest.fixture(scope="module")
def faces():
    """A model of the shipped weights, faces that it draws (uint8), and their coordinates."""
    model = FaceModel(config_of("faces-512")).load(MODELS["faces-512"]).requires_grad_(False)
    codes = model.sample(3, seeded(1))
    with torch.no_grad():
        return model, to_bytes(model.generate(codes, 512).image.clamp(-1, 1)), model.space.coordinates(codes)


def test_what_training_reads_is_what_arrives(faces, tmp_path):
    model, images, coordinates = faces
    arrived = arrived_pictures(model, images, coordinates, seeded(), tmp_path / "arrived.pt")
    assert arrived["drawn"].shape == images.shape and (arrived["snr_db"] >= 0).all() and (arrived["snr_db"] <= 20).all()
    assert all(model.config.offers(int(k)) for k in arrived["k"])
    for i, k in enumerate(arrived["k"]):
        with torch.no_grad():
            sketch = model.expected(model.plan(int(k), True).sent(model.symbols(coordinates[i : i + 1])))
        torch.testing.assert_close(arrived["sketch"][i : i + 1].float(), sketch, atol=0.05, rtol=0)
    kept = arrived_pictures(model, images[:0], coordinates, seeded(9), tmp_path / "arrived.pt")
    assert all(torch.equal(kept[name], arrived[name]) for name in arrived)


@pytest.mark.parametrize("k", [256, 2560, 32768])
def test_a_difference_over_the_air_is_what_the_receiver_has(k):
    model = load_face_model()
    plan, residual = model.plan(k, True), model.residual
    sent = torch.randn(1, plan.coefficients, generator=seeded())
    whole = torch.ones(k, dtype=torch.bool)
    found, softer = over_air(model, residual.restored(sent), k, torch.tensor([60.0]), whole, seeded())
    torch.testing.assert_close(residual.coefficients(found, plan.coefficients), sent, atol=0.05, rtol=0.05)
    none, _ = over_air(model, residual.restored(sent), k, torch.tensor([60.0]), ~whole, seeded())
    assert (none == 0).all() and softer.abs() < 0.2


@pytest.mark.parametrize("k", [256, 2560])
def test_what_is_lost_costs_as_much_as_in_a_signal(k):
    model = load_face_model()
    plan, residual = model.plan(k, True), model.residual
    coefficients = torch.randn(1, plan.coefficients, generator=seeded())
    codes = plan.sent(torch.randn(1, plan.codes, generator=seeded(1)))
    errors = []
    for seed in range(10):
        received = torch.rand(k, generator=seeded(seed)) > 0.2
        snr_db = torch.tensor([10.0])
        found, _ = over_air(model, residual.restored(coefficients), k, snr_db, received, seeded(seed))
        soft = AWGN(10.0, seeded(seed))(signal(plan.join(codes, coefficients)))
        _, _, real = plan.split(soft.symbols, soft.noise.masked_fill(~received, torch.inf))
        for each in (residual.coefficients(found, plan.coefficients), real):
            errors.append((each - coefficients).square().mean())
    short, long = torch.stack(errors).reshape(10, 2).mean(0)
    assert short.item() == pytest.approx(long.item(), rel=0.1)


def test_coefficients_are_ordered_by_what_pictures_of_codes_lack(faces):
    model, images, coordinates = faces
    start_residual(model, images, coordinates)
    deviation = model.residual.deviation
    assert (deviation.diff() <= 0).all() and deviation[0] > 0
    assert len({*model.residual.chosen.tolist()}) == model.config.residual.coefficients

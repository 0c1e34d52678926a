"""The residual is trained on what arrives, from networks that are there already."""

import json

import pytest
import torch
from safetensors.torch import save_file

from semwave.coding.residual import Residual
from semwave.model import FaceModel
from semwave.pictures.metrics import LPIPS
from semwave.training.data import Photos
from semwave.training.faces import to_bytes
from semwave.training.loop import Schedule
from semwave.training.residual import arrived_pictures, earlier_networks, start_residual, train_residual
from semwave.zoo import MODELS, config_of

CONFIG = config_of("faces-512")
PLANS = {plan.k: plan for plan in CONFIG.residuals}
CODEC_K = CONFIG.residual_codec


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Distance(LPIPS):
    """Stands for LPIPS, whose weights tests do not have."""

    def __init__(self):
        torch.nn.Module.__init__(self)

    def forward(self, a, b):
        return (a - b).abs().mean((1, 2, 3))


def test_emphasis_and_blend_learn_what_addition_gets_wrong(tmp_path):
    images = torch.randint(0, 256, (4, 3, 512, 512), dtype=torch.uint8, generator=seeded())
    symbols = torch.randn(4, CODEC_K, generator=seeded())
    arrived = {
        "drawn": torch.randint(0, 256, (4, 3, 512, 512), dtype=torch.uint8, generator=seeded(1)),
        "symbols": symbols,
        "sketch": torch.zeros(4, 3, 128, 128),
        "coarse": torch.zeros(4, 3, 64, 64),
        "snr_db": torch.full((4,), 10.0),
    }
    photos = Photos(images, torch.zeros(4, 512, 512, dtype=torch.uint8))
    differences = torch.nn.functional.interpolate(torch.randn(8, 3, 8, 8, generator=seeded()), scale_factor=8.0)
    logs = []
    for steps in (1, 12):
        torch.manual_seed(0)
        residual = Residual(PLANS[max(PLANS)], CODEC_K).choose(symbols).start(differences)
        run = tmp_path / str(steps)
        train_residual(residual, photos, arrived, Distance(), run, Schedule(steps, 1, 3e-3, warmup=1), 1.0, "no")
        logs.append([json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()])
    assert residual.blend.last.weight.abs().max() > 0 and residual.emphasis.last.weight.abs().max() > 0
    assert logs[1][-1]["loss"] < logs[1][0]["loss"] and logs[0][0]["psnr"] == logs[1][0]["psnr"]


def test_networks_start_from_the_first_that_are_there(tmp_path):
    small, large = min(PLANS), max(PLANS)
    assert earlier_networks(tmp_path, (small, large)) == {}
    residuals = {k: Residual(PLANS[k], CODEC_K) for k in PLANS}
    for k in (large, small):
        state = {name: tensor.contiguous() for name, tensor in residuals[k].state_dict().items()}
        save_file(state, tmp_path / f"residual-{k}.safetensors")
        start = Residual(PLANS[small], CODEC_K)
        start.load_state_dict(earlier_networks(tmp_path, (small, large)), strict=False)
        for network in ("emphasis", "blend"):
            enter = (getattr(of, network).enter[0].weight for of in (start, residuals[k]))
            assert torch.equal(*enter)


@pytest.mark.parametrize("k", PLANS)
def test_what_training_reads_is_what_arrives(k, tmp_path):
    model = FaceModel(CONFIG).load(MODELS["faces-512"]).requires_grad_(False)
    codes = model.sample(2, seeded(1))
    with torch.no_grad():
        faces = to_bytes(model.generate(codes, 512).image.clamp(-1, 1))
    coordinates = model.space.coordinates(codes)
    start_residual(model, k, faces, coordinates)
    residual = model.residuals[k]
    assert residual.plan == PLANS[k]
    assert residual.power.sum() == pytest.approx(PLANS[k].residual_energy, rel=1e-3)
    arrived = arrived_pictures(model, k, faces, coordinates, seeded(), tmp_path / "arrived.pt")
    assert arrived["drawn"].shape == faces.shape and arrived["snr_db"].min() >= 0 and arrived["snr_db"].max() <= 20
    with torch.no_grad():
        symbols = residual.select_code_symbols(model.symbols(coordinates, CODEC_K))
        drawn = model.expected(symbols)
    torch.testing.assert_close(arrived["symbols"], symbols, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(arrived["sketch"], drawn, atol=0.05, rtol=0)
    kept = arrived_pictures(model, k, faces[:0], coordinates, seeded(9), tmp_path / "arrived.pt")
    assert all(torch.equal(kept[name], arrived[name]) for name in arrived)

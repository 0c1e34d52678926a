"""What is sent beside the codes: exact without noise, gentle with it, and blind to what is private."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch.nn import functional

from semwave.air.channels import make_channel
from semwave.coding.residual import (
    COARSE,
    CODES_K,
    EMPHASISED,
    LOUDEST,
    PLANS,
    Blend,
    Residual,
    coarse,
    cosines,
    lacking,
)
from semwave.model import WEIGHTS, Model
from semwave.pictures.metrics import LPIPS
from semwave.training.data import Photos
from semwave.training.faces import to_bytes
from semwave.training.loop import Schedule
from semwave.training.residual import arrived_pictures, earlier_networks, start_residual, train_residual

FREQUENCIES_OF = {256: 6, 2560: 24}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def smooth(count, seed=0, level=0.2, k=2560):
    """Differences (count, 3, 64, 64) whose frequencies are all among those that ``k`` symbols can say."""
    width = FREQUENCIES_OF[k]
    spectrum = torch.randn(count, 3, width, width, generator=seeded(seed)) / (1 + torch.arange(width)) / 2
    rows = cosines(COARSE)[:width]
    planes = torch.einsum("bcij,ih,jw->bchw", spectrum, rows, rows)
    return level * planes / planes.square().mean((1, 2, 3), keepdim=True).sqrt()


def uneven(count, seed=0):
    """Codes' symbols (count, 256) of mean square one, every other of them quiet."""
    symbols = torch.randn(count, CODES_K, generator=seeded(seed)) * torch.tensor([1.0, 0.3]).repeat(CODES_K // 2)
    return symbols * symbols.square().mean(1, keepdim=True).rsqrt()


def started(plan):
    return Residual(plan).choose(uneven(256)).start(smooth(64, k=plan.k)).requires_grad_(False)


@pytest.fixture(scope="module", params=PLANS.values(), ids=lambda plan: f"k={plan.k}")
def residual(request):
    return started(request.param)


def test_the_loudest_symbols_are_carried_at_their_own_level(residual):
    symbols = uneven(8, 5)
    carried = residual.carry(symbols)
    assert len(residual.carried) == residual.plan.codes and (residual.carried[:128] % 2 == 0).all() == (
        residual.plan.codes == 128
    )
    sent = torch.zeros(CODES_K, dtype=torch.bool).index_fill_(0, residual.carried.long(), True)
    assert (carried[:, ~sent] == 0).all()
    torch.testing.assert_close(carried[:, sent], symbols[:, sent], rtol=0.2, atol=0)
    torch.testing.assert_close(carried[:, sent].square().mean(1).sqrt(), residual.level.expand(8))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.floats(0.0, 0.4))
def test_without_noise_both_arrive_and_every_image_has_unit_power(residual, seed, level):
    codes, difference = residual.carry(uneven(2, seed)), smooth(2, seed + 1, 0.2, residual.plan.k) * level / 0.2
    symbols = residual.join(codes, difference)
    assert symbols.shape == (2, residual.plan.k)
    torch.testing.assert_close(symbols.square().mean(1), torch.ones(2))
    arrived, snr_db, found = residual.split(symbols, torch.full((2,), 60.0))
    torch.testing.assert_close(arrived, codes, atol=1e-3, rtol=1e-3)
    assert (snr_db > 60 - 10).all()
    assert (found - difference).square().mean() < 1e-3 * max(level, 0.01) ** 2 + 1e-7


def test_what_is_too_loud_is_sent_softer_and_codes_are_kept(residual):
    plan = residual.plan
    codes, difference = residual.carry(uneven(1)), smooth(1, 3, 20.0, plan.k)
    symbols = residual.join(codes, difference)
    share = symbols[:, : plan.codes].square().sum() / plan.k
    assert share == pytest.approx(plan.loud / (plan.loud + LOUDEST * plan.quiet), rel=0.01)
    arrived, _, found = residual.split(symbols, torch.full((1,), 60.0))
    torch.testing.assert_close(arrived, codes, atol=1e-3, rtol=1e-3)
    assert functional.cosine_similarity(found.flatten(1), difference.flatten(1)) > 0.99


def test_the_error_grows_gently_with_the_noise(residual):
    codes, difference = residual.carry(uneven(16)), smooth(16, 5, k=residual.plan.k)
    sent = residual.carried.long()
    errors = []
    for snr_db in (40.0, 20.0, 10.0, 0.0, -10.0):
        received = make_channel("awgn")(residual.join(codes, difference), snr_db, seeded())
        arrived, told, found = residual.split(received.symbols, received.snr_db)
        errors.append((found - difference).square().mean().item() / 0.04)
        noise = (arrived - codes)[:, sent].square().mean(1)
        assert told.mean() == pytest.approx(-10 * noise.log10().mean().item(), abs=1.5)
    assert errors == sorted(errors) and errors[0] < 1e-3 and errors[-1] < 1.1
    assert errors[2] < 0.2


def test_what_is_lacking_is_the_difference_of_what_is_seen():
    photo, drawn = torch.rand(1, 3, 256, 256, generator=seeded()), torch.rand(1, 3, 128, 128, generator=seeded(1))
    difference = lacking(photo, drawn)
    torch.testing.assert_close(coarse(difference), coarse(photo) - coarse(drawn))
    torch.testing.assert_close(difference[0, :, 10, 21], photo[0, :, 10, 21] - drawn[0, :, 5, 10])
    seen = torch.ones(1, 1, 256, 256, dtype=torch.bool)
    seen[..., 10, 21] = False
    assert (lacking(photo, drawn, seen)[0, :, 10, 21] == 0).all()


@pytest.fixture(scope="module")
def emphatic():
    torch.manual_seed(0)
    residual = Residual(PLANS[2560])
    torch.nn.init.normal_(residual.emphasis.last.weight, std=0.05)
    return residual.requires_grad_(False)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 200), st.integers(0, 200), st.integers(1, 56), st.sampled_from([0.0, 1.0, float("nan")]))
def test_what_is_sent_says_nothing_of_what_is_not_seen(emphatic, top, left, width, inside):
    photo, drawn = torch.rand(1, 3, 256, 256, generator=seeded()), torch.rand(1, 3, 128, 128, generator=seeded(1))
    seen = torch.ones(1, 1, 256, 256, dtype=torch.bool)
    seen[..., top : top + width, left : left + width] = False
    changed = torch.where(seen, photo, inside)
    told, other = (emphatic.difference(of, drawn, seen) for of in (photo, changed))
    assert torch.equal(told, other)
    hidden = functional.max_pool2d((~seen).float(), 4)[0, 0] > 0
    assert (told[0, :, hidden] == 0).all() and (told[0, :, ~hidden] != 0).any()
    assert not torch.equal(told, emphatic.difference(photo, drawn))


@pytest.mark.parametrize("size", [128, 256, 512, 1024])
def test_an_untrained_blend_adds_what_is_missing(size):
    picture = functional.interpolate(smooth(2, 1), size=(size, size), mode="bilinear")
    wanted = smooth(2, 2)
    blended = Blend()(picture, wanted, torch.full((2,), 10.0))
    assert blended.shape == picture.shape
    assert (coarse(blended) - wanted).square().mean() < 0.05 * (coarse(picture) - wanted).square().mean()


def test_what_it_adds_at_512_px_is_detail_alone():
    blend, picture, wanted = Blend(), smooth(1, 1).repeat_interleave(8, 2).repeat_interleave(8, 3), smooth(1, 2)
    pictures = {}
    for weight in (0.0, 0.05):
        torch.nn.init.normal_(blend.fine.weight, std=weight, generator=seeded()) if weight else None
        for shown_at in (coarse(picture).repeat_interleave(4, 2).repeat_interleave(4, 3), picture):
            pictures[weight, shown_at.shape[-1]] = blend(shown_at, wanted, torch.full((1,), 10.0))
    assert torch.equal(pictures[0.0, 256], pictures[0.05, 256])
    added = pictures[0.05, 512] - pictures[0.0, 512]
    assert added.std() > 0.01 and functional.avg_pool2d(added, 8).std() < 0.1 * added.std()


class Distance(LPIPS):
    """Stands for LPIPS, whose weights tests do not have."""

    def __init__(self):
        torch.nn.Module.__init__(self)

    def forward(self, a, b):
        return (a - b).abs().mean((1, 2, 3))


def test_emphasis_and_blend_learn_what_addition_gets_wrong(tmp_path):
    images = torch.randint(0, 256, (4, 3, 512, 512), dtype=torch.uint8, generator=seeded())
    arrived = {
        "drawn": torch.randint(0, 256, (4, 3, 512, 512), dtype=torch.uint8, generator=seeded(1)),
        "symbols": uneven(4),
        "sketch": torch.zeros(4, 3, 128, 128),
        "coarse": torch.zeros(4, 3, 64, 64),
        "snr_db": torch.full((4,), 10.0),
    }
    photos = Photos(images, torch.zeros(4, 512, 512, dtype=torch.uint8))
    logs = []
    for steps in (1, 12):
        torch.manual_seed(0)
        residual = started(PLANS[2560])
        run = tmp_path / str(steps)
        train_residual(residual, photos, arrived, Distance(), run, Schedule(steps, 1, 3e-3, warmup=1), 1.0, "no")
        logs.append([json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()])
    assert residual.blend.last.weight.abs().max() > 0 and residual.emphasis.last.weight.abs().max() > 0
    assert logs[1][-1]["loss"] < logs[1][0]["loss"] and logs[0][0]["psnr"] == logs[1][0]["psnr"]


def test_what_has_learnt_to_exaggerate_is_settled():
    residual, symbols = started(PLANS[2560]), uneven(64)
    loud = 5 * smooth(64)
    before = residual.join(symbols, loud)
    residual.settle(loud)
    joined = residual.join(symbols, loud)
    codes, quiet = joined.square().split((PLANS[2560].codes, 2560 - PLANS[2560].codes), 1)
    assert (quiet.sum(1) / codes.sum(1)).mean() == pytest.approx(
        EMPHASISED * PLANS[2560].quiet / PLANS[2560].loud, rel=0.05
    )
    assert before[:, : PLANS[2560].codes].square().sum() < codes.sum()
    found = residual.split(joined, torch.full((64,), 60.0))[2]
    assert (found - loud).square().mean() < 1e-3 * loud.square().mean()


def test_networks_start_from_their_own_or_the_widest(tmp_path):
    assert earlier_networks(tmp_path, 256) == {}
    residuals = {k: Residual(PLANS[k]) for k in PLANS}
    for k, own in ((2560, 2560), (256, 256)):
        state = {name: tensor.contiguous() for name, tensor in residuals[k].state_dict().items()}
        save_file(state, tmp_path / f"residual-{k}.safetensors")
        start = Residual(PLANS[256])
        start.load_state_dict(earlier_networks(tmp_path, 256), strict=False)
        for network in ("emphasis", "blend"):
            enter = (getattr(of, network).enter[0].weight for of in (start, residuals[own]))
            assert torch.equal(*enter)


@pytest.mark.parametrize("k", PLANS)
def test_what_training_reads_is_what_arrives(k, tmp_path):
    model = Model("faces-512").load(WEIGHTS / "faces-512").requires_grad_(False)
    codes = model.sample(2, seeded(1))
    with torch.no_grad():
        faces = to_bytes(model.generate(codes, 512).image.clamp(-1, 1))
    coordinates = model.space.coordinates(codes)
    start_residual(model, k, faces, coordinates)
    residual = model.residuals[k]
    assert residual.power.sum() == pytest.approx(PLANS[k].quiet, rel=1e-3)
    arrived = arrived_pictures(model, k, faces, coordinates, seeded(), tmp_path / "arrived.pt")
    assert arrived["drawn"].shape == faces.shape and arrived["snr_db"].min() >= 0 and arrived["snr_db"].max() <= 20
    with torch.no_grad():
        symbols = residual.carry(model.encode(model.space.codes(coordinates), CODES_K))
        drawn = model.expected(symbols)
    torch.testing.assert_close(arrived["symbols"], symbols, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(arrived["sketch"], drawn, atol=0.05, rtol=0)
    kept = arrived_pictures(model, k, faces[:0], coordinates, seeded(9), tmp_path / "arrived.pt")
    assert all(torch.equal(kept[name], arrived[name]) for name in arrived)

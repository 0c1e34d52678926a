"""Layout, code space, flow, codec, inversion: what the chain relies on, with untrained or made-up weights."""

import math

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semwave.codec import DESIGN_SNR_DB, Codec, symbol_power
from semwave.codespace import COORDINATES, LAYOUT_CODE, CodeSpace, used_coordinates
from semwave.errors import SemwaveError
from semwave.flow import COUPLING_LAYERS, FULLY_CONNECTED, CodeFlow
from semwave.inversion import invert
from semwave.layout import CODES, PARTS, part_index, shape_index, texture_index
from semwave.masks import NUMBERS, LayoutCoder, mask_pyramid, part_probabilities
from semwave.model import Model, load_model


def coordinates(count, seed=0):
    values = torch.randn(count, CODES, COORDINATES, generator=torch.Generator().manual_seed(seed))
    return values * used_coordinates()


@pytest.fixture(scope="module")
def space():
    space = CodeSpace()
    mixing = torch.randn(512, 512, generator=torch.Generator().manual_seed(1)) / 20
    space.measure(torch.randn(4000, 512, generator=torch.Generator().manual_seed(2)) @ mixing + 0.3)
    return space


def test_layout_of_the_codes():
    indices = [0, 1] + [index for part in PARTS for index in (shape_index(part), texture_index(part))]
    assert indices == list(range(CODES))
    with pytest.raises(SemwaveError, match="background, skin, eyes"):
        part_index("beard")


def test_code_space_round_trip_and_whitening(space):
    v = coordinates(3)
    codes = space.codes(v)
    assert codes.shape == (3, CODES, 512)
    assert torch.allclose(space.coordinates(codes), v, atol=1e-3)
    assert torch.equal(codes[:, LAYOUT_CODE, :NUMBERS], v[:, LAYOUT_CODE, :NUMBERS])
    gram = space.inverse @ space.directions
    assert torch.allclose(gram, torch.eye(COORDINATES), atol=1e-3)


@pytest.mark.parametrize("width", [8, 16, 64, 128, 256])
def test_masks_add_up_at_every_width(width):
    masks = mask_pyramid(torch.randn(2, 13, 64, 64) * 5, width)
    assert masks.shape == (2, 13, width, width)
    assert torch.allclose(masks.sum(1), torch.ones(2, width, width), atol=1e-5)


def test_layout_coder_shapes_and_labels():
    labels = torch.zeros(2, 128, 128, dtype=torch.uint8)
    labels[:, 64:] = 7
    shares = part_probabilities(labels)
    assert shares[:, 0, :32].eq(1).all() and shares[:, 7, 32:].eq(1).all()
    coder = LayoutCoder().eval()
    code = coder.encode(shares)
    assert code.shape == (2, 512) and coder.decode(code).shape == (2, 13, 64, 64)


def test_flow_structure_inverse_and_likelihood():
    flow = CodeFlow(hidden=16, layout_hidden=8)
    v = coordinates(2)
    assert torch.allclose(flow(v), v)
    for real_nvp in (flow.codes, flow.layout):
        layers = real_nvp.transform.transforms
        assert len(layers) == COUPLING_LAYERS == 8
        assert all(sum(hasattr(m, "weight") for m in layer.hyper) == FULLY_CONNECTED == 6 for layer in layers)
    for parameter in flow.parameters():
        parameter.data += 0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3))
    n = flow(v)
    assert (n - v).abs().max() > 0.01
    assert torch.allclose(flow.inverse(n), v, atol=1e-3)
    assert n[:, LAYOUT_CODE, NUMBERS:].eq(0).all()
    # The density of one code, by the change of variables with autograd's Jacobian.
    code = 5

    def one(x):
        return flow(torch.cat([v[:1, :code], x[None, None], v[:1, code + 1 :]], 1))[0, code]

    jacobian = torch.autograd.functional.jacobian(one, v[0, code])
    normal = -0.5 * (n[0, code].square().sum() + COORDINATES * math.log(2 * math.pi))
    expected = normal + torch.linalg.slogdet(jacobian).logabsdet
    assert flow.log_likelihood(v)[0, code].item() == pytest.approx(expected.item(), rel=1e-3)


@settings(max_examples=10, deadline=None)
@given(st.floats(0.01, 100), st.integers(0, 1000))
def test_symbols_have_unit_power_whatever_the_codes(scale, seed):
    torch.manual_seed(0)
    symbols = Codec(64, 8).encode(coordinates(2, seed) * scale)
    assert symbols.shape == (2, 64)
    assert torch.allclose(symbols.square().mean(1), torch.ones(2), atol=1e-3)


@settings(max_examples=30, deadline=None)
@given(arrays.arrays(np.float64, 12, elements=st.floats(1e-3, 1e3)), st.floats(-5, 20))
def test_symbol_power_is_the_best(variance, snr_db):
    variance, noise = torch.from_numpy(variance), 10 ** (-snr_db / 10)

    def distortion(power):
        return (variance * noise / (power + noise)).sum()

    best = symbol_power(variance, 12.0, noise)
    assert best.sum().item() == pytest.approx(12.0) and best.min() >= 0
    source = torch.Generator().manual_seed(0)
    for _ in range(20):
        moved = best + 0.05 * torch.randn(12, generator=source).double()
        moved = moved.clamp_min(0)
        assert distortion(best) <= distortion(moved * 12 / moved.sum()) * (1 + 1e-6)


def test_equal_variances_share_the_power_equally():
    assert torch.allclose(symbol_power(torch.full((10,), 2.0).double(), 10.0, 0.1), torch.ones(10).double())


def test_the_linear_start_comes_near_the_theory():
    source = torch.Generator().manual_seed(0)
    spread = torch.logspace(0, -2, CODES * 8).reshape(CODES, 8)
    n = torch.zeros(1500, CODES, COORDINATES)
    n[..., :8] = torch.randn(1500, CODES, 8, generator=source) * spread
    codec = Codec(64, 8)
    codec.start_linear(n, torch.eye(COORDINATES).expand(CODES, -1, -1))
    noise = 10 ** (-DESIGN_SNR_DB / 10)
    symbols = codec.encode(n)
    received = symbols + noise**0.5 * torch.randn(symbols.shape, generator=source)
    error = (codec.decode(received, torch.full((1500,), DESIGN_SNR_DB)) - n).square().sum((1, 2)).mean().item()
    variance = spread.flatten().double().square().sort(descending=True).values
    power = symbol_power(variance[:64], 64.0, noise)
    theory = (variance[:64] * noise / (power + noise)).sum() + variance[64:].sum()
    # Normalising every image's power on its own, and estimated statistics, cost a little.
    assert theory.item() * 0.9 < error < theory.item() * 1.5


def test_descent_lowers_the_error_and_images_are_independent():
    model = load_model()
    with torch.no_grad():
        target = model.generate(model.sample(2, torch.Generator().manual_seed(5)), 256).image.clamp(-1, 1)
        start = model.space.coordinates(model.invert(target))
    errors, through = [], []

    def run(rows, **options):
        return invert(model.generator, model.space, target[rows], start[rows], 3, **options)

    both = run(slice(None), progress=lambda step, mse: errors.append((step, mse)))
    assert [step for step, _ in errors] == [1, 2, 3] and errors[-1][1] < errors[0][1]
    # bf16 products of a batch round differently from those of one image, and Adam takes signs for steps.
    assert (both[:1] - run(slice(0, 1))).abs().mean() < 0.01
    run(slice(0, 1), through=lambda v: through.append(1) or v, perceptual=lambda a, b: (a - b).abs().mean((1, 2, 3)))
    assert len(through) == 3


def test_weights_survive_the_disk(tmp_path):
    torch.manual_seed(0)
    model = Model("mine")
    model.save(tmp_path)
    again = Model("mine").load(tmp_path)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and "running_var" not in name:
            assert torch.allclose(again.state_dict()[name], tensor, atol=2e-3), name
    (tmp_path / "flow.safetensors").unlink()
    with pytest.raises(SemwaveError, match="incomplete"):
        Model("mine").load(tmp_path)


def test_what_is_not_offered_is_listed():
    with pytest.raises(SemwaveError, match="faces-512"):
        load_model("cats")
    model = load_model()
    with pytest.raises(SemwaveError, match="256, 2560"):
        model.encode(torch.zeros(1, 28, 512), 100)
    with pytest.raises(SemwaveError, match="encoder or mean"):
        model.invert(torch.zeros(1, 3, 256, 256), start="nowhere")

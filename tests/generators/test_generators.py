"""One contract for every generator, and the port of MobileStyleGAN against an independent one."""

import importlib.util

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semwave.errors import SemwaveError
from semwave.generators.compositional import SIZES, Head
from semwave.generators.mobile_stylegan import FIXED, MobileStyleGAN, haar, inverse_haar, is_fixed
from semwave.generators.wheel import WHEEL, original_state
from semwave.inversion.encoder import Encoder
from semwave.latent.layout import FACES
from semwave.latent.masks import LayoutCoder
from semwave.model import load_face_model
from semwave.pictures.arrays import read_safetensors
from semwave.pictures.images import SKETCH
from semwave.pictures.mesh import without_mesh

TEXTURE = {part: FACES.shape_index(part) + 1 for part in FACES.parts}
# Pixels [:, 512, 512], [:, 300, 700] and the mean of the 1024 px image for the style of z = randn(1, 512), seed 0: from
# an independent port that was checked against OpenVINO's float32 output.
STYLE = (-0.0919, 0.7364, -0.3010, 0.4371)
"""The first three numbers of the style of that z, and the mean square of all."""
REFERENCE = ([0.29631, 0.06291, 0.32425], [0.37333, 0.15469, 0.29058], -0.251803)


@pytest.fixture(scope="module", params=[lambda: load_face_model("faces-512").generator], ids=["compositional"])
def generator(request):
    return request.param()


@pytest.fixture(scope="module")
def codes():
    return load_face_model("faces-512").sample(2, torch.Generator().manual_seed(3))


@pytest.mark.parametrize("size", [256, 512])
def test_image_and_masks(generator, codes, size):
    with torch.no_grad():
        faces = generator(codes, size)
    assert faces.image.shape == (2, 3, size, size) and faces.image.isfinite().all()
    assert faces.masks.shape == (2, 13, 64, 64)
    assert torch.allclose(faces.masks.sum(1), torch.ones(2, 64, 64), atol=1e-4)
    assert faces.image[0].std() > 0.1 and (faces.image[0] - faces.image[1]).abs().mean() > 0.05


def test_one_pass_draws_what_two_would(generator, codes):
    with torch.no_grad():
        (drawing, sketch), alone = generator.with_sketch(codes, 256), generator(codes, 256)
        assert torch.equal(sketch, generator.images(codes, (SKETCH,))[SKETCH])
    assert torch.equal(drawing.image, alone.image) and torch.equal(drawing.masks, alone.masks)


def test_every_kind_of_code_has_a_gradient(generator, codes):
    codes = codes[:1].clone().requires_grad_(True)
    generator(codes, 256).image.square().sum().backward()
    power = codes.grad.square().sum(2)[0]
    for index in (0, 1, 2, 3, TEXTURE["skin"], TEXTURE["hair"]):
        assert power[index] > 0


def test_bad_input_is_refused(generator, codes):
    with pytest.raises(SemwaveError, match="sizes are"):
        generator(codes, 300)
    with pytest.raises(SemwaveError, match="codes"):
        generator(codes[:, :20], 256)


def test_a_part_changes_mainly_inside_its_mask(generator, codes):
    one, other = codes[:1], codes[1:]
    swapped = one.clone()
    swapped[:, TEXTURE["hair"]] = other[:, TEXTURE["hair"]]
    with torch.no_grad():
        before, after = generator(one, 256), generator(swapped, 256)
    change = (before.image - after.image).square().sum(1)[0]
    mask = torch.nn.functional.interpolate(before.masks[:, [FACES.part_index("hair")]], size=256)
    near = torch.nn.functional.max_pool2d(mask, 25, stride=1, padding=12)[0, 0] > 0.3
    assert change[near].sum() / change.sum() > 0.7


def test_one_style_everywhere_is_the_plain_network():
    generator = load_face_model().native
    w = generator.body.map(torch.randn(1, 512, generator=torch.Generator().manual_seed(0)))
    with torch.no_grad():
        composed = generator(w[:, None].expand(-1, FACES.codes, -1), max(SIZES)).image
        assert torch.allclose(without_mesh(generator.body(w)), composed, atol=1e-3)


def test_the_mapping_network_is_the_published_one():
    w = MobileStyleGAN().map(torch.randn(1, 512, generator=torch.Generator().manual_seed(0)))
    assert w[0, :3].tolist() == pytest.approx(STYLE[:3], abs=3e-3)
    assert w.square().mean().item() == pytest.approx(STYLE[3], rel=1e-3)


@pytest.mark.skipif(importlib.util.find_spec("random_face") is None, reason=f"{WHEEL} is not installed")
def test_the_original_network_is_the_published_one():
    network, state = MobileStyleGAN(), original_state()
    fixed, _ = read_safetensors(FIXED, "")
    assert fixed.keys() == {name for name in state if is_fixed(name)}
    assert all(torch.equal(fixed[name], state[name].half()) for name in fixed)
    network.load_state_dict(state)
    with torch.no_grad():
        original = network(network.map(torch.randn(1, 512, generator=torch.Generator().manual_seed(0))))
    for pixel, place in zip(REFERENCE[:2], ((512, 512), (300, 700)), strict=True):
        assert original[0, :, place[0], place[1]].tolist() == pytest.approx(pixel, abs=1e-3)
    assert original.mean().item() == pytest.approx(REFERENCE[2], abs=1e-4)


@settings(max_examples=20, deadline=None)
@given(arrays.arrays(np.float32, (1, 6, 8, 8), elements=st.floats(-10, 10, width=32)))
def test_haar_is_orthonormal(values):
    x = torch.from_numpy(values)
    assert torch.allclose(inverse_haar(haar(x)), x, atol=1e-4)
    assert haar(x).square().sum().item() == pytest.approx(x.square().sum().item(), rel=1e-4, abs=1e-5)


def test_the_missing_wheel_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SemwaveError, match=r"pip install --no-deps random-face"):
        original_state()


def test_a_copy_in_bf16_draws_what_autocast_draws(codes):
    generator = load_face_model("faces-512").generator
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        cast, autocast = (network(codes, 128).image.float() for network in (generator.in_bf16(), generator))
    assert (cast - autocast).abs().mean() < 0.005
    assert all(parameter.dtype == torch.float32 for parameter in generator.parameters())


def test_casts_that_are_kept_change_nothing():
    encoder, layout, random = Encoder().eval(), LayoutCoder().eval(), torch.Generator().manual_seed(0)
    photo, logits = (torch.randn(1, c, s, s, generator=random) for c, s in ((3, 256), (13, 128)))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        cast_at_every_call = encoder(photo, logits, layout)
        assert torch.equal(encoder.in_bf16()(photo, logits, layout), cast_at_every_call)
    assert encoder.local.weight.dtype == encoder.heads.dtype == torch.bfloat16


def test_a_head_starts_from_the_best_linear_picture_of_its_features():
    random = torch.Generator().manual_seed(0)
    features = torch.randn(4, 8, 6, 6, generator=random)
    true = torch.randn(12, 8, 1, 1, generator=random), torch.randn(12, generator=random)
    truth = inverse_haar(torch.nn.functional.conv2d(features, *true))
    head = Head(8, 16)
    head.start_linear(features, truth)
    torch.testing.assert_close(inverse_haar(head.direct(features)), truth, atol=1e-2, rtol=0)
    # What is not linear adds nothing yet.
    assert not head.narrow(torch.randn(1, 32, 4, 4, generator=random)).any()

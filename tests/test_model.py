"""The model as one thing: on the disk and back, what it offers, and shapes through its chain. Nothing is trained."""

from dataclasses import replace

import pytest
import torch
from safetensors import safe_open

from semwave.air.iq import noise_power, to_reals
from semwave.coding.flow import IdentityFlow
from semwave.coding.residual import FULL, enlarged
from semwave.errors import SemwaveError
from semwave.latent.layout import BASE_CODES, FACES, MASK_CODE
from semwave.model import FaceModel, load_model
from semwave.types import Inversion, Scene, Soft
from semwave.zoo import MODELS, config_of, without_flow, without_residual

CONFIG = replace(config_of("faces-512"), name="mine")
CODES_ALONE = without_residual(CONFIG)
FILES = {"parser", "generator", "space", "encoder", "corrections", "flow", "codec"}
SHAPE = FACES.codes, FACES.code_size


@pytest.fixture(scope="module")
def model():
    """As if trained: nothing that is saved is left as a new model has it."""
    torch.manual_seed(0)
    model = FaceModel(CONFIG).requires_grad_(False)
    for file, module in model.files().items():
        state = module.trained_state() if file == "generator" else module.state_dict()
        if file == "residual":
            continue
        for tensor in state.values():
            if tensor.dtype != torch.bool:
                moved = 1e-3 if file in ("encoder", "corrections", "generator", "flow") else 0.02
                tensor += moved * torch.rand(tensor.shape) if tensor.is_floating_point() else 3
    model.space.measure(model.generator.body.map(torch.randn(1000, FACES.code_size)))
    # As alike as random numbers allow: symbols of variance one, each as important as a coefficient or more.
    model.codec.settle(model.flow(model.space.coordinates(model.sample(64, torch.Generator().manual_seed(2)))))
    model.codec.deviation.copy_(torch.linspace(0.1, 0.003, CONFIG.codec.symbols))
    row, column = torch.arange(FULL)[:, None], torch.arange(FULL)
    model.residual.choose((30 / (1 + row + column)).square().expand(3, -1, -1))
    return model


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights") / "mine"
    model.save(folder)
    return folder


def test_the_files_of_a_model(folder):
    assert {path.name for path in folder.iterdir()} == {f"{name}.safetensors" for name in FILES | {"residual"}}
    with safe_open(folder / "generator.safetensors", "pt") as file:
        names = set(file.keys())
    # What no training moves stays in the wheel.
    assert not any(name.startswith(("body.mapping", "body.to_image", "body.blocks.6.")) for name in names)
    assert {"body.first.kernel", "body.blocks.5.conv2.bias", "layout.expand.weight"} <= names


def test_weights_survive_the_disk(model, folder):
    again = FaceModel(CONFIG).load(folder)
    assert not again.training
    state = again.state_dict()
    assert state.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        if name.startswith("space.") or not tensor.is_floating_point():
            assert torch.equal(state[name], tensor), name
        else:
            # Half precision: 11 bits.
            torch.testing.assert_close(state[name], tensor, atol=1e-6, rtol=2**-11, msg=name)


def test_some_files_alone(model, folder, tmp_path):
    model.save(tmp_path, ("space",))
    assert [path.name for path in tmp_path.iterdir()] == ["space.safetensors"]
    fresh = FaceModel(CONFIG)
    before = fresh.encoder.part.clone()
    fresh.load(folder, ("space", "codec"))
    assert torch.equal(fresh.space.directions, model.space.directions)
    assert torch.equal(fresh.encoder.part, before)


def test_a_missing_file_is_named(tmp_path, model):
    model.save(tmp_path, ("parser",))
    with pytest.raises(SemwaveError, match=r"mine is incomplete: .*generator\.safetensors is missing"):
        FaceModel(CONFIG).load(tmp_path)


def test_the_digest_names_the_weights(model, folder, tmp_path):
    again, other = FaceModel(CONFIG).load(folder), FaceModel(CONFIG)
    assert again.digest == FaceModel(CONFIG).load(folder).digest
    other.save(tmp_path)
    assert len({again.digest, other.digest, FaceModel(CONFIG).load(tmp_path).digest}) == 3


def test_an_unknown_model_lists_those_there_are():
    with pytest.raises(SemwaveError, match="'cats'.*" + ", ".join(MODELS)):
        load_model("cats")


def test_an_unknown_start_lists_those_there_are(model):
    with pytest.raises(SemwaveError, match=r"'nowhere'.* encoder or mean"):
        model.invert(Scene(torch.zeros(1, 3, 256, 256)), Inversion(start="nowhere"))


@pytest.fixture(scope="module")
def codes(model):
    return model.sample(2, torch.Generator().manual_seed(1))


def clean(pictures, snr_db=60.0):
    return noise_power(torch.full((pictures, 1), snr_db))


def test_the_flow_stands_between_codes_and_codec(model, codes):
    coordinates, count = model.space.coordinates(codes), CONFIG.codec.symbols
    assert torch.equal(model.symbols(coordinates), model.codec.encode(model.flow(coordinates)))
    symbols, noise = torch.randn(1, count), noise_power(torch.full((1, count), 7.5))
    expected = model.space.codes(model.flow.inverse(model.codec.decode(symbols, noise)))
    assert torch.equal(model.codes_of(symbols, noise), expected)


def test_a_model_without_a_flow(codes):
    torch.manual_seed(1)
    model = FaceModel(without_flow(CONFIG)).requires_grad_(False)
    assert isinstance(model.flow, IdentityFlow) and set(model.files()) == FILES - {"flow"}
    signal = model.encode(Scene(torch.zeros(2, 3, 512, 512), codes=codes), 256)
    assert signal.header.layers == ("codes",)
    plan, expected = model.plan(256, False), model.codec.encode(model.space.coordinates(codes))
    torch.testing.assert_close(to_reals(signal.iq), plan.join(plan.sent(expected)))
    assert model.codes_of(expected, clean(2)).shape == codes.shape


@pytest.mark.parametrize("k", [64, 256, 2560, 32768])
def test_beside_the_codes_goes_what_they_lack(model, codes, k):
    photo, residual, plan = torch.rand(2, 3, 512, 512), model.residual, model.plan(k, True)
    symbols = plan.sent(model.symbols(model.space.coordinates(codes)))
    sketch = model.expected(symbols)
    difference = residual.difference(photo, sketch, k)
    torch.testing.assert_close(difference, photo - enlarged(sketch))  # before the emphasis has learnt
    signal = model.encode(Scene(photo, codes=codes), k)
    assert signal.header.layers == ("codes", "residual") and signal.header.size == 512
    told = residual.coefficients(difference, plan.coefficients)
    torch.testing.assert_close(to_reals(signal.iq), plan.join(symbols, told))
    nothing = torch.zeros(2, 1, 512, 512, dtype=torch.bool)
    blind = model.encode(Scene(torch.zeros_like(photo), nothing, codes), k)
    torch.testing.assert_close(to_reals(blind.iq), plan.join(symbols, torch.zeros_like(told)))
    message = model.decode(Soft(to_reals(signal.iq), clean(2).expand(2, k), signal.header))
    torch.testing.assert_close(message.codes, model.codes_of(symbols, clean(2)), atol=0.05, rtol=0.05)
    assert message.residual.shape == difference.shape and message.received.tolist() == [k, k]
    drawing = model.draw(message, 256)
    assert drawing.image.shape == (2, 3, 256, 256) and drawing.masks.shape == (2, 13, 64, 64)


def test_a_plan_follows_what_it_is_made_of(model):
    known = model.plan(256, True)
    assert model.plan(256, True) is known
    model.codec.deviation.mul_(1.0)
    assert model.plan(256, True) is not known


def test_where_nothing_was_received_the_mean_face_is_drawn(model, codes):
    signal = model.encode(Scene(torch.rand(2, 3, 512, 512), codes=codes), 256)
    lost = Soft(to_reals(signal.iq), torch.full((2, 256), torch.inf), signal.header)
    message = model.decode(lost)
    assert message.received.tolist() == [0, 0]
    image = model.draw(message, 256).image
    assert torch.equal(image[0], image[1]) and image.isfinite().all()
    assert torch.equal(image, model.generate(message.codes, 256).image)


def test_random_faces_are_one_style_with_a_layout_of_its_own(model, codes):
    assert codes.shape == (2, *SHAPE)
    assert torch.equal(codes, model.sample(2, torch.Generator().manual_seed(1)))
    assert not torch.allclose(codes, model.sample(2, torch.Generator().manual_seed(2)), atol=0.1)
    others, numbers = [i for i in range(FACES.codes) if i != MASK_CODE], FACES.mask_numbers
    assert torch.equal(codes[:, others], codes[:, :1].expand(-1, FACES.codes - 1, -1))
    assert torch.equal(codes[:, MASK_CODE, :numbers], codes[:, MASK_CODE, numbers : 2 * numbers])


@pytest.mark.parametrize("start", ["encoder", "mean"])
def test_inversion_gives_codes_of_any_size_of_photograph(model, start):
    photo = torch.rand(1, 3, 300, 300, generator=torch.Generator().manual_seed(0)) * 2 - 1
    codes = model.invert(Scene(photo), Inversion(start))
    assert codes.shape == (1, *SHAPE) and codes.isfinite().all()
    mean = model.space.mean.expand(1, FACES.codes - BASE_CODES, -1)
    at_the_mean = torch.allclose(codes[:, BASE_CODES:], mean, atol=1e-4)
    assert at_the_mean == (start == "mean")


def test_steps_of_inversion_are_counted_with_and_without_a_channel(model):
    photo = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0)) * 2 - 1
    calls = []
    plain, channel = (
        model.invert(Scene(photo), Inversion(steps=1, k=k, progress=lambda step, mse: calls.append((step, mse))))
        for k in (None, 256)
    )
    assert [step for step, _ in calls] == [1, 1] and calls[0][1] != calls[1][1]
    assert not torch.equal(plain, channel)

"""The model as one thing: on the disk and back, what it offers, and shapes through its chain. Nothing is trained."""

import json

import pytest
import torch
from safetensors import safe_open

from semwave.coding.residual import CODES_K, PLANS, Residual, coarse
from semwave.errors import SemwaveError
from semwave.latent.layout import CODE_SIZE, CODES
from semwave.latent.masks import NUMBERS
from semwave.latent.space import LAYOUT_CODE
from semwave.model import MODELS, Model, load_model, weights_digest

FILES = {"parser", "generator", "space", "encoder", "corrections", "flow", "codec-256", "codec-2560"}


@pytest.fixture(scope="module")
def model():
    """As if trained: nothing that is saved is left as a new model has it."""
    torch.manual_seed(0)
    model = Model("mine").requires_grad_(False)
    for file, module in model.files().items():
        state = module.trained_state() if file == "generator" else module.state_dict()
        for tensor in state.values():
            if tensor.dtype != torch.bool:
                moved = 1e-3 if file in ("encoder", "corrections", "generator") else 0.02
                tensor += moved * torch.rand(tensor.shape) if tensor.is_floating_point() else 3
    model.space.measure(model.generator.body.map(torch.randn(1000, CODE_SIZE)))
    return model


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights") / "mine"
    model.save(folder)
    return folder


def test_the_files_of_a_model(folder):
    assert {path.name for path in folder.iterdir()} == {f"{name}.safetensors" for name in FILES}
    with safe_open(folder / "generator.safetensors", "pt") as file:
        names = set(file.keys())
    # What no training moves stays in the wheel.
    assert not any(name.startswith(("body.mapping", "body.to_image", "body.blocks.6.")) for name in names)
    assert {"body.first.kernel", "body.blocks.5.conv2.bias", "layout.expand.weight"} <= names


def test_weights_survive_the_disk(model, folder):
    (folder / "model.json").write_text(json.dumps({"licence": "none"}))
    again = Model("mine").load(folder)
    (folder / "model.json").unlink()
    assert again.info == {"licence": "none"} and not again.training
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
    fresh = Model("mine")
    before = fresh.encoder.part.clone()
    fresh.load(folder, ("space", "codec-256"))
    assert torch.equal(fresh.space.directions, model.space.directions)
    assert torch.equal(fresh.encoder.part, before)


def test_a_missing_file_is_named(tmp_path, model):
    model.save(tmp_path, ("parser",))
    with pytest.raises(SemwaveError, match=r"mine is incomplete: .*generator\.safetensors is missing"):
        model.load(tmp_path)


def test_an_unknown_model_lists_those_there_are():
    with pytest.raises(SemwaveError, match="'cats'.*" + ", ".join(MODELS)):
        load_model("cats")


def test_an_unknown_k_lists_those_there_are(model):
    with pytest.raises(SemwaveError, match="k = 100; it has k = 256, 2560"):
        model.encode(torch.zeros(1, CODES, CODE_SIZE), 100)
    with pytest.raises(SemwaveError, match="k = 100; it has k = 256, 2560"):
        model.decode(torch.zeros(1, 100), 10.0)
    with pytest.raises(SemwaveError, match="k = 100; it has k = 256, 2560"):
        model.invert(torch.zeros(1, 3, 256, 256), steps=1, k=100)


def test_an_unknown_start_lists_those_there_are(model):
    with pytest.raises(SemwaveError, match=r"'nowhere'.* encoder or mean"):
        model.invert(torch.zeros(1, 3, 256, 256), start="nowhere")


@pytest.fixture(scope="module")
def codes(model):
    return model.sample(2, torch.Generator().manual_seed(1))


@pytest.mark.parametrize("k", [256, 2560])
def test_codes_to_symbols_and_back(model, codes, k):
    symbols = model.encode(codes, k)
    assert symbols.shape == (2, k) and symbols.dtype == torch.float32
    torch.testing.assert_close(symbols.square().mean(1), torch.ones(2), atol=1e-4, rtol=0)
    one, each = model.decode(symbols, 10.0), model.decode(symbols, torch.tensor([10.0, 10.0]))
    assert one.shape == (2, CODES, CODE_SIZE) and torch.equal(one, each)
    assert not torch.equal(one[1], model.decode(symbols, torch.tensor([10.0, 0.0]))[1])


def test_the_flow_stands_between_codes_and_codec(model, codes):
    n = model.flow(model.space.coordinates(codes))
    assert torch.equal(model.encode(codes, 256), model.codecs[256].encode(n))
    symbols, snr_db = torch.randn(1, 256), torch.tensor([7.5])
    expected = model.space.codes(model.flow.inverse(model.codecs[256].decode(symbols, snr_db)))
    assert torch.equal(model.decode(symbols, 7.5), expected)


def test_a_model_without_a_flow(codes, tmp_path):
    torch.manual_seed(1)
    model = Model("plain", flow=False).requires_grad_(False)
    assert model.flow is None and set(model.files()) == FILES - {"flow"}
    symbols = model.encode(codes, 256)
    assert torch.equal(symbols, model.codecs[256].encode(model.space.coordinates(codes)))
    assert model.decode(symbols, 10.0).shape == codes.shape


@pytest.mark.parametrize("k", PLANS)
def test_beside_the_codes_goes_what_they_lack(model, codes, k):
    all_symbols, photo = model.encode(codes, CODES_K), torch.rand(2, 3, 256, 256)
    residual = Residual(PLANS[k]).choose(all_symbols).start(torch.randn(8, 3, 64, 64))
    model.residual[str(k)] = residual
    try:
        carried = residual.carry(all_symbols)
        drawn = model.expected(carried)
        torch.testing.assert_close(coarse(drawn), model.coarse(model.decode(carried, 40.0)))
        told = residual.difference(photo, drawn)
        torch.testing.assert_close(told, coarse(photo) - coarse(drawn))  # before the emphasis has learnt
        symbols = model.encode_with_residual(codes, k, photo)
        assert torch.equal(symbols, residual.join(carried, told)) and symbols.shape == (2, k)
        nothing = torch.zeros(2, 1, 256, 256, dtype=torch.bool)
        blind = model.encode_with_residual(codes, k, photo, nothing)
        assert torch.equal(blind, residual.join(carried, torch.zeros_like(told)))
        snr_db = torch.full((2,), 60.0)
        arrived, difference = model.decode_with_residual(symbols, snr_db)
        torch.testing.assert_close(arrived, model.decode(carried, 60.0), atol=0.05, rtol=0.05)
        assert difference.shape == told.shape
        blended = model.blend(codes, k, torch.rand(2, 3, 256, 256), difference, snr_db)
        assert blended.shape == (2, 3, 256, 256) and f"residual-{k}" in model.files()
    finally:
        del model.residual[str(k)]


def test_random_faces_are_one_style_with_a_layout_of_its_own(model, codes):
    assert codes.shape == (2, CODES, CODE_SIZE)
    assert torch.equal(codes, model.sample(2, torch.Generator().manual_seed(1)))
    assert not torch.allclose(codes, model.sample(2, torch.Generator().manual_seed(2)), atol=0.1)
    others = [i for i in range(CODES) if i != LAYOUT_CODE]
    assert torch.equal(codes[:, others], codes[:, :1].expand(-1, CODES - 1, -1))
    assert torch.equal(codes[:, LAYOUT_CODE, :NUMBERS], codes[:, LAYOUT_CODE, NUMBERS : 2 * NUMBERS])


@pytest.mark.parametrize("start", ["encoder", "mean"])
def test_inversion_gives_codes_of_any_size_of_photograph(model, start):
    photo = torch.rand(1, 3, 300, 300, generator=torch.Generator().manual_seed(0)) * 2 - 1
    codes = model.invert(photo, start=start)
    assert codes.shape == (1, CODES, CODE_SIZE) and codes.isfinite().all()
    at_the_mean = torch.allclose(codes[:, 2:], model.space.mean.expand(1, CODES - 2, -1), atol=1e-4)
    assert at_the_mean == (start == "mean")


def test_steps_of_inversion_are_counted_with_and_without_a_channel(model):
    photo = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0)) * 2 - 1
    calls = []
    plain, channel = (
        model.invert(photo, steps=1, k=k, progress=lambda step, mse: calls.append((step, mse))) for k in (None, 256)
    )
    assert [step for step, _ in calls] == [1, 1] and calls[0][1] != calls[1][1]
    assert not torch.equal(plain, channel)


def test_a_digest_tells_the_weights_that_are_read(tmp_path, monkeypatch):
    monkeypatch.setitem(MODELS, "other", tmp_path)
    names = ("generator", "residual-256", "residual-2560")
    asked = {"all": PLANS, 256: (256,), 2560: (2560,), "codes alone": ()}

    def digests():
        return {what: weights_digest("other", residuals) for what, residuals in asked.items()}

    for name in names:
        (tmp_path / f"{name}.safetensors").write_bytes(name.encode())
    changes = {}
    for name in names:
        before = digests()
        (tmp_path / f"{name}.safetensors").write_bytes(b"another " + name.encode())
        changes[name] = {what for what, digest in digests().items() if digest != before[what]}
    assert changes == {"generator": {*asked}, "residual-256": {"all", 256}, "residual-2560": {"all", 2560}}
    assert len(set(digests().values())) == len(asked)

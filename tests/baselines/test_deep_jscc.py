"""Deep JSCC: the published layers, the ratio that they keep, and weights that training leaves."""

import pytest
import torch
from schemes import SIZE, link, smooth_picture

from semwave.baselines.deep_jscc import LAYOUTS, DeepJSCC, DeepJSCCScheme, trained
from semwave.errors import SemwaveError
from semwave.training import deep_jscc as training
from semwave.training.loop import Schedule


@pytest.mark.parametrize("k, layout", LAYOUTS.items())
def test_deep_jscc_keeps_its_ratio_at_every_size(k, layout):
    network = DeepJSCC(layout)
    for height, width in ((512, 512), (64, 128)):
        images = torch.rand(2, 3, height, width) * 2 - 1
        with torch.no_grad():
            symbols = network.encode(images)
            assert network.decode(symbols, height, width).shape == images.shape
        assert symbols.shape[1] * SIZE**2 == k * height * width
        torch.testing.assert_close(symbols.square().mean(1), torch.ones(2))
    with pytest.raises(SemwaveError, match="multiple of"):
        network.encode(torch.zeros(1, 3, 50, 50))


def test_the_published_layers():
    """Bourtsoulatze et al., Fig. 2: 5x5 kernels, 16, 32, 32, 32 and c channels, the first two layers strided."""
    convolutions = [layer for layer in DeepJSCC(LAYOUTS[32768]).encoder if isinstance(layer, torch.nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [16, 32, 32, 32, 2]
    assert [layer.stride[0] for layer in convolutions] == [2, 2, 1, 1, 1]
    assert {layer.kernel_size for layer in convolutions} == {(5, 5)}


def test_what_arrives_without_fading_is_what_arrives_with_fading_taken_back():
    torch.manual_seed(0)
    scheme, picture = DeepJSCCScheme(2560, "", DeepJSCC(LAYOUTS[2560])), smooth_picture()
    assert (scheme.name, scheme.facts.k) == ("deep-jscc-k2560", 2560)
    clear, faded = (scheme.send(picture, link(60.0, channel)).image for channel in ("awgn", "rayleigh"))
    torch.testing.assert_close(clear, faded, atol=0.02, rtol=0)


def test_training_goes_on_until_a_round_gains_nothing(tmp_path, monkeypatch):
    reached = iter([10.0, 14.0, 15.0, 15.01])
    monkeypatch.setattr(training, "validation_psnr", lambda *_: next(reached))
    monkeypatch.setattr(training, "VALIDATE_EVERY", 10**9)
    monkeypatch.setattr(training, "CROPS", {4: 32})
    rounds = []
    monkeypatch.setattr(training, "fit", lambda model, loss, schedule, run, precision: rounds.append(run.name))
    photos = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    training.train_deep_jscc(DeepJSCC(LAYOUTS[32768]), photos, photos, photos, tmp_path, Schedule(1, 2, 1e-3))
    assert rounds == ["round-1", "round-2", "round-3"]


def test_training_learns_and_its_weights_are_found_again(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "FLAT_DB", 100.0)
    monkeypatch.setattr(training, "CROPS", {4: 32})
    photos = torch.nn.functional.interpolate(smooth_picture(), size=(64, 64)).add(1).mul(127.5).to(torch.uint8)
    torch.manual_seed(0)
    network = DeepJSCC(LAYOUTS[32768])
    before = training.validation_psnr(network, photos)
    schedule = Schedule(60, 4, 1e-2, warmup=5)
    training.train_deep_jscc(network, photos, photos, photos, tmp_path / "run", schedule, precision="no")
    assert training.validation_psnr(network, photos) > before + 0.5
    training.save_network(network, tmp_path / "k32768.safetensors")
    found = trained(32768, tmp_path)
    assert training.validation_psnr(found.network, photos) == pytest.approx(
        training.validation_psnr(network, photos), abs=0.1
    )
    with pytest.raises(SemwaveError, match="train deep-jscc --k 2560"):
        trained(2560, tmp_path)

"""PSNR against scikit-image, LPIPS against the original package's values."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from skimage.metrics import peak_signal_noise_ratio

from semwave.errors import SemwaveError
from semwave.pictures.metrics import BACKBONES, LPIPS, at_hand, psnr

WEIGHTS = os.environ.get("SEMWAVE_LPIPS_WEIGHTS")
# Values of the original lpips package on its example images, pixels / 127.5 - 1.
ORIGINAL = {
    ("alex", "ex_p0"): 0.72188,
    ("alex", "ex_p1"): 0.13757,
    ("squeeze", "ex_p0"): 0.71105,
    ("squeeze", "ex_p1"): 0.14790,
}


def write_random_weights(folder: Path, backbone: str) -> None:
    """Random weights of ``backbone``, files named as published ones are."""
    name, network, taps = BACKBONES[backbone]
    torch.manual_seed(0)
    weights = {f"features.{key}": tensor for key, tensor in network().state_dict().items()}
    save_file(weights, folder / f"{name}_torchvision_features.safetensors")
    heads = {f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1) for i, c in enumerate(taps.values())}
    save_file(heads, folder / f"lpips_lin_{backbone}_v0.1.safetensors")


@pytest.fixture(params=BACKBONES)
def lpips(request, tmp_path):
    write_random_weights(tmp_path, request.param)
    return LPIPS(request.param, tmp_path)


@pytest.fixture
def images():
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("dtype, data_range", [(np.uint8, 255), (np.float32, 2.0)])
def test_psnr_of_every_image_is_that_of_scikit_image(dtype, data_range):
    rng = np.random.default_rng(0)
    a, b = (rng.uniform(0, data_range, (3, 3, 16, 20)).astype(dtype) for _ in range(2))
    expected = [peak_signal_noise_ratio(x, y, data_range=data_range) for x, y in zip(a, b, strict=True)]
    measured = psnr(torch.from_numpy(a), torch.from_numpy(b), data_range)
    torch.testing.assert_close(measured, torch.tensor(expected).float(), atol=1e-4, rtol=0)


def test_psnr_of_equal_images_is_infinite(images):
    assert psnr(images, images, data_range=2).isinf().all()


def test_psnr_needs_a_data_range_and_equal_shapes(images):
    with pytest.raises(TypeError):
        psnr(images, images)
    with pytest.raises(SemwaveError, match="shape"):
        psnr(images, images[:1], data_range=2)


@pytest.mark.skipif(not WEIGHTS, reason="SEMWAVE_LPIPS_WEIGHTS names no folder with the published weights")
@pytest.mark.parametrize("backbone, picture", ORIGINAL)
def test_lpips_is_that_of_the_original_package(backbone, picture):
    a, b = (
        torch.from_numpy(np.array(Image.open(Path(WEIGHTS) / f"{name}.png").convert("RGB"))).permute(2, 0, 1)[None]
        for name in ("ex_ref", picture)
    )
    distance = LPIPS(backbone, WEIGHTS)(a / 127.5 - 1, b / 127.5 - 1)
    assert distance.item() == pytest.approx(ORIGINAL[backbone, picture], abs=2e-5)


def test_lpips_is_zero_for_equal_images_and_positive_otherwise(lpips, images):
    assert lpips(images, images).tolist() == [0, 0]
    assert (lpips(images, -images) > 0).all()


def test_lpips_is_symmetric_and_independent_of_the_batch(lpips, images):
    distance = lpips(images, -images)
    torch.testing.assert_close(distance, lpips(-images, images))
    torch.testing.assert_close(distance[:1], lpips(images[:1], -images[:1]))


def test_lpips_has_finite_gradients_even_where_features_vanish(lpips, images):
    black = torch.zeros_like(images).requires_grad_()
    lpips(black, images).sum().backward()
    assert black.grad.isfinite().all() and black.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in lpips.parameters())


def test_lpips_errors_say_what_to_do(lpips, tmp_path, images):
    with pytest.raises(SemwaveError, match="alex, squeeze, vgg"):
        LPIPS("resnet")
    with pytest.raises(SemwaveError, match="does not exist"):
        LPIPS("alex", tmp_path / "nowhere")
    with pytest.raises(SemwaveError, match="32 pixels"):
        lpips(images[..., :16], images[..., :16])
    with pytest.raises(SemwaveError, match="shape"):
        lpips(images, images[:1])


def test_a_missing_backbone_is_an_error(tmp_path):
    assert at_hand("alex") and not at_hand("vgg") and not at_hand("squeeze", tmp_path)
    with pytest.raises(SemwaveError, match=r"semwave setup; .*vgg16_torchvision_features.*--lpips-weights"):
        LPIPS("vgg")
    with pytest.raises(SemwaveError, match="squeezenet1_1_torchvision_features"):
        LPIPS("squeeze", tmp_path)


def random_pairs(size):
    """Ten pairs of random pictures in [-1, 1], by numpy's seed 123."""
    random = np.random.RandomState(123)
    return (torch.from_numpy(random.rand(10, 3, size, size).astype(np.float32)) * 2 - 1 for _ in range(2))


@pytest.mark.parametrize("backbone, size, expected", [("alex", 64, 0.1152), ("vgg", 64, 0.3237), ("vgg", 100, 0.3494)])
@pytest.mark.fetched
def test_lpips_of_random_pairs_is_that_of_the_float32_networks(backbone, size, expected):
    if not at_hand(backbone):
        pytest.skip("semwave setup has not been run")
    assert LPIPS(backbone)(*random_pairs(size)).mean().item() == pytest.approx(expected, abs=2e-4)


def test_heads_that_the_folder_lacks_come_from_torchmetrics(tmp_path, images):
    write_random_weights(tmp_path, "alex")
    (tmp_path / "lpips_lin_alex_v0.1.safetensors").unlink()
    assert (LPIPS("alex", tmp_path)(images, -images) > 0).all()


def test_weights_of_another_network_or_none_at_all_are_refused(tmp_path):
    write_random_weights(tmp_path, "alex")
    write_random_weights(tmp_path, "squeeze")
    backbone = tmp_path / "alexnet_torchvision_features.safetensors"
    backbone.write_bytes((tmp_path / "squeezenet1_1_torchvision_features.safetensors").read_bytes())
    with pytest.raises(SemwaveError, match="do not fit"):
        LPIPS("alex", tmp_path)
    backbone.write_bytes(b"nothing")
    with pytest.raises(SemwaveError, match="safetensors"):
        LPIPS("alex", tmp_path)

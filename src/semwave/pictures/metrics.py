"""How far a received image is from the one that was sent: PSNR (eq. 2) and LPIPS (eq. 3).

images a, b -> backbone (AlexNet | SqueezeNet | VGG16) -> unit-length features of every layer
            -> squared difference -> linear head of the layer -> mean over pixels -> sum over layers
"""

import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from semwave.errors import SemwaveError
from semwave.pictures.arrays import check_finite, read_safetensors
from semwave.pictures.backbones import features_file, find_features

SMALLEST_IMAGE = 32
STRIP = 32
"""Rows of features that are compared at a time: few enough to stay in a processor's cache."""


def psnr(a: Tensor, b: Tensor, data_range: float) -> Tensor:
    """Peak signal-to-noise ratio of every image in dB, (B,): 10 log10(data_range^2 / MSE), the paper's eq. 2.

    Args:
        a: images (B, 3, H, W) of any dtype.
        b: images of the same shape.
        data_range: distance between black and white: 255 for bytes, 2 for [-1, 1].

    Raises:
        SemwaveError: the shapes differ.
    """
    # As torchmetrics computes it, which takes 0.4 s to import, a fifteenth of sending a photo.
    _check_pair(a, b)
    return 10 * torch.log10(data_range**2 / (a.float() - b.float()).square().mean((1, 2, 3)))


class Fire(nn.Module):
    """SqueezeNet's module: squeeze to few channels, expand by 1x1 and 3x3 convolutions side by side."""

    def __init__(self, channels: int, squeezed: int, expanded: int):
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, 2 * expanded, H, W)."""
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x), self.expand3x3(x)], 1).relu()


def alexnet() -> nn.Sequential:
    """Convolutional part of AlexNet (Krizhevsky 2014), layers numbered as in torchvision."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(inplace=True),
    )


def squeezenet() -> nn.Sequential:
    """Convolutional part of SqueezeNet 1.1 (Iandola et al. 2016), layers numbered as in torchvision."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, stride=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),
        Fire(64, 16, 64),
        Fire(128, 16, 64),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),
        Fire(128, 32, 128),
        Fire(256, 32, 128),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),
        Fire(256, 48, 192),
        Fire(384, 48, 192),
        Fire(384, 64, 256),
        Fire(512, 64, 256),
    )


def vgg16() -> nn.Sequential:
    """Convolutional part of VGG16 (Simonyan, Zisserman 2015), layers numbered as in torchvision."""
    layers: list[nn.Module] = []
    channels = 3
    for stage, (width, convolutions) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))):
        if stage:
            layers.append(nn.MaxPool2d(2))
        for _ in range(convolutions):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = width
    return nn.Sequential(*layers)


# name: (torchvision's name, network, channels of every compared layer by the layer's number)
BACKBONES = {
    "alex": ("alexnet", alexnet, {1: 64, 4: 192, 7: 384, 9: 256, 11: 256}),
    "squeeze": ("squeezenet1_1", squeezenet, {1: 64, 4: 128, 7: 256, 9: 384, 10: 384, 11: 512, 12: 512}),
    "vgg": ("vgg16", vgg16, {3: 64, 8: 128, 15: 256, 22: 512, 29: 512}),
}


class LPIPS(nn.Module):
    """Learned perceptual image patch similarity v0.1 (Zhang et al., CVPR 2018), the paper's eq. 3.

    Equal images have distance 0. The weights are fixed; gradients flow to the images. A missing backbone
    is an error, never a random network.

    Args:
        backbone: "alex", "squeeze" or "vgg"; results of different backbones are not comparable.
        weights_dir: folder with ``alexnet_torchvision_features.safetensors`` (``squeezenet1_1_...``,
            ``vgg16_...``) and ``lpips_lin_alex_v0.1.safetensors`` (``squeeze``, ``vgg``). What it lacks is shipped
            (AlexNet), was fetched by ``semwave setup`` (VGG16), or comes from torchmetrics (heads).

    Raises:
        SemwaveError: unknown backbone, no such folder, or weights that cannot be had or do not fit.
    """

    def __init__(self, backbone: str, weights_dir: Path | str | None = None):
        super().__init__()
        if backbone not in BACKBONES:
            raise SemwaveError(f"unknown LPIPS backbone '{backbone}'; the backbones are {', '.join(BACKBONES)}")
        folder = Path(weights_dir) if weights_dir is not None else None
        if folder is not None and not folder.is_dir():
            raise SemwaveError(f"LPIPS weights folder {folder} does not exist")
        _, network, self.taps = BACKBONES[backbone]
        self.network = network()
        self.heads = nn.ParameterList(torch.empty(1, channels, 1, 1) for channels in self.taps.values())
        self.register_buffer("mean", torch.tensor([-0.030, -0.088, -0.188])[:, None, None])
        self.register_buffer("deviation", torch.tensor([0.458, 0.448, 0.450])[:, None, None])
        try:
            self.network.load_state_dict(_backbone_weights(backbone, folder))
            for i, (head, weight) in enumerate(zip(self.heads, _head_weights(backbone, folder), strict=True)):
                if weight.shape != head.shape:
                    raise ValueError(f"head {i} has shape {tuple(weight.shape)}")
                head.data = weight
        except (RuntimeError, ValueError, KeyError) as error:
            raise SemwaveError(f"the weights of LPIPS({backbone}) do not fit: {str(error).splitlines()[0]}") from error
        # Pooling is twenty times as fast on a CPU with the channels last.
        self.requires_grad_(False).eval().network.to(memory_format=torch.channels_last)  # pyrefly: ignore[no-matching-overload]

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Distance of every pair, (B,), of images (B, 3, H, W) in [-1, 1], at least 32 pixels wide and high.

        Raises:
            SemwaveError: the shapes differ, or the images are too small.
        """
        _check_pair(a, b)
        if min(a.shape[-2:]) < SMALLEST_IMAGE:
            raise SemwaveError(f"LPIPS needs images of at least {SMALLEST_IMAGE} pixels, not {tuple(a.shape[-2:])}")
        return self.distance(self.features(a), self.features(b))

    def features(self, images: Tensor) -> Iterator[Tensor]:
        """Features (B, C, h, w) of every compared layer of ``images`` (B, 3, H, W): a layer at a time, because those of
        VGG16 take 125 MiB together for a picture of 512 px."""
        x = (images - self.mean) / self.deviation
        for i, layer in enumerate(self.network):
            x = layer(x)
            if i in self.taps:
                yield x

    def distance(self, a: Iterable[Tensor], b: Iterable[Tensor]) -> Tensor:
        """Distance of every pair, (B,), of images of which :meth:`features` gave ``a`` and ``b``."""
        return torch.stack([_difference(x, y, head) for x, y, head in zip(a, b, self.heads, strict=True)]).sum(0)


def _difference(x: Tensor, y: Tensor, head: Tensor) -> Tensor:
    """What one layer adds to the distance, (B,), of its features ``x`` and ``y`` (B, C, H, W)."""
    strips = zip(x.split(STRIP, 2), y.split(STRIP, 2), strict=True)
    sums = [((_unit_length(some) - _unit_length(other)).square() * head).sum((1, 2, 3)) for some, other in strips]
    return torch.stack(sums).sum(0) / (x.shape[2] * x.shape[3])


def _unit_length(features: Tensor) -> Tensor:
    """Features (B, C, H, W) of length one at every pixel."""
    # The small constant keeps the gradient finite where all features are zero.
    return features / (torch.linalg.vector_norm(features, dim=1, keepdim=True) + 1e-10)


def _check_pair(a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape or a.ndim != 4 or a.shape[1] != 3:
        raise SemwaveError(f"need two image batches (B, 3, H, W) of one shape, not {tuple(a.shape)}, {tuple(b.shape)}")


def at_hand(backbone: str, folder: Path | None = None) -> bool:
    """Whether LPIPS with ``backbone`` can be had, with weights out of ``folder`` where it is given."""
    return find_features(BACKBONES[backbone][0], folder) is not None


def _backbone_weights(backbone: str, folder: Path | None) -> dict[str, Tensor]:
    """Weights of the convolutional part, "0.weight" ..., from ``folder``, the package or the cache."""
    name = BACKBONES[backbone][0]
    file = find_features(name, folder)
    if file is None:
        way = "run: semwave setup; or " if backbone == "vgg" else ""
        raise SemwaveError(
            f"the backbone of LPIPS({backbone}) is not at hand: {way}give a folder with {features_file(name)} "
            "(--lpips-weights DIR)"
        )
    return {key.removeprefix("features."): tensor for key, tensor in _load(file).items()}


def _head_weights(backbone: str, folder: Path | None) -> list[Tensor]:
    """Weights (1, C, 1, 1) of every layer's head from ``folder``, or those that torchmetrics carries."""
    file = f"lpips_lin_{backbone}_v0.1.safetensors"
    if folder is not None and (folder / file).is_file():
        weights = _load(folder / file)
    else:
        # Not imported, which takes 0.4 s: only its files are used.
        package = importlib.util.find_spec("torchmetrics")
        assert package is not None and package.origin is not None
        carried = Path(package.origin).parent / f"functional/image/lpips_models/{backbone}.pth"
        weights = torch.load(carried, map_location="cpu", weights_only=True)
    return [weights[f"lin{i}.model.1.weight"] for i in range(len(BACKBONES[backbone][2]))]


def _load(file: Path) -> dict[str, Tensor]:
    weights, _ = read_safetensors(file, "fetch the LPIPS weights again")
    check_finite(file, weights)
    return weights

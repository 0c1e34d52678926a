"""A model of another domain than faces: drawn landscapes of 64 px, learnt in a few minutes.

    python landscapes.py                 # trains, writes landscapes.safetensors, a knowledge base and some pictures
    semwave send landscapes/0.png --no-align --size 64 --model landscapes:model
    semwave send landscapes/0.png --no-align --size 64 --model landscapes:model --hide house \
        --knowledge landscapes/knowledge.safetensors
    semwave evaluate --data landscapes --no-align --scheme landscapes:scheme

A picture has four parts; each has a code for its shape and one for its texture, as faces' parts have. The
codes, or the first k numbers of them, go as they are, uncoded.

    picture -> encoder -> codes (10, 16), white -> unit power -> X ~~> Wiener gain -> codes -> generator -> picture
"""

import argparse
import hashlib
from functools import cache
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from semwave import SemwaveError
from semwave.air.iq import signal, unit_power
from semwave.evaluation.ours import Ours, inversion
from semwave.latent.layout import BASE_CODES, Layout
from semwave.pictures.images import resized, to_uint8, write_png
from semwave.privacy.knowledge import build
from semwave.types import Drawing, Inversion, Message, new_header
from semwave.zoo import CodecConfig, ModelConfig

SIZE, GRID, START, CHANNELS = 64, 32, 4, 16
LAYOUT = Layout(("sky", "sun", "hill", "house"), code_size=16, coordinates=16, essential=("sky", "hill"))
PARTS, K = len(LAYOUT.parts), LAYOUT.codes * LAYOUT.code_size
CONFIG = ModelConfig(
    name="landscapes-64", sizes=(64, 128, 256, 512), size=SIZE, codec=CodecConfig(K, 1), k=K, layout=LAYOUT,
    generator="landscapes", flow=None, corrections=0, licence="Apache-2.0", card="examples/landscapes.py",
)  # fmt: skip
WEIGHTS = Path("landscapes.safetensors")


def landscapes(count, random):
    """Pictures (count, 3, 64, 64) in [-1, 1] and the part of every pixel, (count, 64, 64)."""

    def draw(low, high, *shape):
        return low + (high - low) * torch.rand(count, *(shape or (1, 1)), generator=random)

    y, x = torch.meshgrid(torch.linspace(0, 1, SIZE), torch.linspace(0, 1, SIZE), indexing="ij")
    horizon = draw(0.45, 0.7) + draw(0.03, 0.1) * torch.sin(6 * x * draw(0.5, 1) + draw(0, 6))
    sun = (x - draw(0.1, 0.9)).square() + (y - draw(0.1, 0.35)).square() < draw(0.06, 0.12).square()
    left, width, top = draw(0.1, 0.65), draw(0.15, 0.25), draw(0.5, 0.6)
    roof = top - 0.6 * (width / 2 - (x - left - width / 2).abs())
    house = (x > left) & (x < left + width) & (y > roof) & (y < top + width)
    labels = torch.where(house, 3, torch.where(y > horizon, 2, torch.where(sun, 1, 0)))
    means = torch.tensor([[-0.3, 0.2, 0.7], [0.9, 0.7, -0.3], [-0.4, 0.2, -0.5], [0.4, -0.3, -0.3]])
    colours = (means + draw(-0.3, 0.3, PARTS, 3)).clamp(-1, 1)
    picture = colours.gather(1, labels.reshape(count, -1, 1).expand(-1, -1, 3)).transpose(1, 2)
    shade = 0.4 * (y - 0.5) * (labels == 0) + 0.3 * (0.75 - y) * (labels == 2)
    return (picture.reshape(count, 3, SIZE, SIZE) + shade[:, None]).clamp(-1, 1), labels


def convolutions(*widths, stride=1):
    """3x3 convolutions with ReLU between these numbers of channels."""
    pairs = pairwise(widths)
    return nn.Sequential(*(m for a, b in pairs for m in (nn.Conv2d(a, b, 3, stride, 1), nn.ReLU())))


class Landscapes(nn.Module):
    """A :class:`semwave.types.PartModel`: encoder, generator and parser, all small."""

    config = CONFIG

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            convolutions(3, 16, 32, 48, 64, stride=2), nn.Flatten(), nn.Linear(64 * START**2, K),
            nn.BatchNorm1d(K, affine=False),
        )  # fmt: skip
        inputs = (BASE_CODES + 1) * LAYOUT.code_size
        self.start = nn.Parameter(torch.randn(PARTS, inputs, CHANNELS * START**2) * inputs**-0.5)
        self.usual = nn.Parameter(torch.zeros(PARTS, CHANNELS * START**2))
        self.grow = nn.ModuleList(convolutions(CHANNELS, CHANNELS) for _ in range(3))
        self.shape = nn.Conv2d(CHANNELS, 1, 3, padding=1)
        self.colour = nn.Parameter(torch.randn(PARTS, LAYOUT.code_size, 3 * START**2) * 0.1)
        self.usual_colour = nn.Parameter(torch.zeros(PARTS, 3 * START**2))
        self.parser = nn.Sequential(convolutions(3, 16, 24), nn.Conv2d(24, PARTS, 3, padding=1))

    @property
    def digest(self):
        """Names the weights."""
        found = hashlib.sha256()
        for name, tensor in self.state_dict().items():
            found.update(name.encode() + tensor.numpy().tobytes())
        return found.hexdigest()[:12]

    @property
    def directions(self):
        """Codes are white as they are."""
        return torch.eye(LAYOUT.code_size)

    def coordinates(self, codes):
        """Codes are white as they are."""
        return codes

    def codes(self, picture):
        """Codes (B, 10, 16) of ``picture`` (B, 3, H, H)."""
        return self.encoder(resized(picture, SIZE)).reshape(-1, LAYOUT.codes, LAYOUT.code_size)

    @torch.no_grad()
    def invert(self, scene, inversion=Inversion()):
        """Codes of the picture of ``scene``, in one pass."""
        if inversion.steps:
            raise SemwaveError(f"{CONFIG.name} does not refine codes; leave --refine-steps out")
        return self.codes(scene.picture)

    def encode(self, scene, k, layers=None):
        """The first ``k`` numbers of the codes, uncoded."""
        header = new_header(self, scene, k, layers)
        return signal(unit_power(scene.codes.flatten(1)[:, :k]), header)

    def decode(self, soft):
        """White numbers of power one in noise: the Wiener gain is 1 / (1 + noise)."""
        numbers = functional.pad(soft.symbols / (1 + soft.noise), (0, K - soft.header.k))
        codes = numbers.reshape(-1, LAYOUT.codes, LAYOUT.code_size)
        return Message(codes, soft.header, soft.snr_db, soft.received)

    @torch.no_grad()
    def draw(self, message, size=None):
        """The picture of ``message``."""
        return self.generate(message.codes, CONFIG.checked_size(size))

    def logits(self, codes):
        """Of the parts, (B, parts, 32, 32): each drawn from the base codes and its own shape code."""
        base = codes[:, :BASE_CODES].flatten(1)[:, None].expand(-1, PARTS, -1)
        x = torch.einsum("bpi,pio->bpo", torch.cat([base, codes[:, BASE_CODES::2]], 2), self.start)
        x = (x + self.usual).reshape(-1, CHANNELS, START, START)
        for layer in self.grow:
            x = functional.interpolate(layer(x), scale_factor=2.0, mode="bilinear")
        return self.shape(x).reshape(-1, PARTS, GRID, GRID)

    def masks(self, codes):
        """Part masks (B, parts, 32, 32)."""
        return self.logits(codes).softmax(1)

    def generate(self, codes, size):
        """The picture of ``codes``: every part's colours, each where its mask is."""
        logits = self.logits(codes)
        masks = functional.interpolate(logits, size=(SIZE, SIZE), mode="bilinear").softmax(1)
        colours = torch.einsum("bpi,pio->bpo", codes[:, BASE_CODES + 1 :: 2], self.colour)
        colours = (colours + self.usual_colour).reshape(-1, 3, START, START)
        colours = functional.interpolate(colours, size=(SIZE, SIZE), mode="bilinear").reshape(-1, PARTS, 3, SIZE, SIZE)
        return Drawing(resized((masks[:, :, None] * colours).sum(1), size), logits.softmax(1))

    @torch.no_grad()
    def labels(self, images, size):
        """Part of every pixel, (B, size, size) uint8."""
        logits = functional.interpolate(self.parser(resized(images, GRID)), size=(size, size), mode="bilinear")
        return logits.argmax(1).to(torch.uint8)

    @torch.no_grad()
    def sample(self, count, generator):
        """Codes of drawn landscapes."""
        return self.codes(landscapes(count, generator)[0])


def train(steps, batch=24, seed=0):
    """A model after so many steps: the MSE of what arrives at 0 to 20 dB, and the cross-entropy of masks and labels."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net, random = Landscapes().train(), torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(net.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=steps)
    for _ in range(steps):
        pictures, labels = landscapes(batch, random)
        codes = net.codes(pictures)
        noise = 10 ** (-2 * torch.rand(batch, 1, generator=random))
        received = unit_power(codes.flatten(1)) + noise.sqrt() * torch.randn(batch, K, generator=random)
        arrived = (received / (1 + noise)).reshape(codes.shape)
        drawn, small = net.generate(arrived, SIZE), labels[:, ::2, ::2]
        loss = 10 * (drawn.image - pictures).square().mean() + functional.cross_entropy(
            net.parser(resized(pictures, GRID)), small
        )
        loss = loss + functional.nll_loss(drawn.masks.clamp_min(1e-6).log(), small)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return net.eval().requires_grad_(False)


@cache
def model():
    """The model in landscapes.safetensors of the working folder; trained first where there is none."""
    if not WEIGHTS.is_file():
        net = train(1500)
        save_file(net.state_dict(), WEIGHTS)
    net = Landscapes()
    net.load_state_dict(load_file(WEIGHTS))
    return net.eval().requires_grad_(False)


def scheme():
    """The model as a scheme of ``semwave evaluate``."""
    return Ours(f"{CONFIG.name}-k{K}", model().digest, model(), K, inversion(model()))


def main():
    """Train, and write a knowledge base and pictures to send."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("landscapes"))
    out = parser.parse_args().out
    random = torch.Generator().manual_seed(1)
    codes = [model().sample(64, random) for _ in range(4)]
    build(model(), codes, "drawn landscapes").save(out / "knowledge.safetensors")
    for i, picture in enumerate(landscapes(8, random)[0]):
        write_png(out / f"{i}.png", to_uint8(picture))


if __name__ == "__main__":
    main()

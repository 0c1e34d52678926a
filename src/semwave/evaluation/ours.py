"""semwave itself as a scheme: :class:`semwave.Transmitter` and :class:`semwave.Receiver`, as a user has them."""

import hashlib
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from semwave import model as models
from semwave.air.iq import signal
from semwave.air.link import Link
from semwave.baselines.facts import SEMWAVE, Facts
from semwave.coding.codec import Codec
from semwave.coding.flow import IdentityFlow
from semwave.pictures.cache import PerPicture
from semwave.receiver import Receiver
from semwave.transmitter import Transmitter
from semwave.types import Delivered, Drawing, Inversion, Message, Model, Scene, Signal, Soft, new_header
from semwave.zoo import LOWEST_K, CodecConfig, weights_digest


class WithCodec:
    """``model`` with ``codec`` in place of its own one, with its flow or without it: a
    :class:`semwave.types.Model` that sends codes alone."""

    def __init__(self, model: models.FaceModel, codec: Codec, flow: bool):
        self.model, self.codec, self.flow = model, codec, model.flow if flow else IdentityFlow()
        self.config = replace(
            model.config,
            codec=CodecConfig(codec.symbols, codec.width),
            flow=model.config.flow if flow else None,
            residual=None,
            k=LOWEST_K,
        )
        weights = b"".join(tensor.detach().cpu().numpy().tobytes() for tensor in codec.state_dict().values())
        self.digest = hashlib.sha256(f"{model.digest}, flow: {flow}".encode() + weights).hexdigest()[:12]

    def invert(self, scene: Scene, inversion: Inversion = Inversion()) -> Tensor:
        """Codes (B, codes, code_size) of the picture of ``scene``, by the model; descent sees no channel."""
        return self.model.invert(scene, replace(inversion, k=None, layers=None))

    @torch.no_grad()
    def encode(self, scene: Scene, k: int, layers: tuple[str, ...] | None = None) -> Signal:
        """The signal of the codes of ``scene`` in ``k`` real symbols.

        Raises:
            SemwaveError: a k or layers that are not offered, or a scene without codes.
        """
        header = new_header(self, scene, k, layers)
        assert scene.codes is not None
        coordinates = self.model.space.coordinates(scene.codes)
        plan = self.codec.plan(k)
        return signal(plan.join(plan.sent(self.codec.encode(self.flow(coordinates)))), header)

    @torch.no_grad()
    def decode(self, soft: Soft) -> Message:
        """What arrived in ``soft``, whose header is this model's."""
        assert soft.header is not None
        symbols, noise, _ = self.codec.plan(soft.header.k).split(soft.symbols, soft.noise)
        codes = self.model.space.codes(self.flow.inverse(self.codec.decode(symbols, noise)))
        return Message(codes, soft.header, soft.snr_db, soft.received)

    @torch.no_grad()
    def draw(self, message: Message, size: int | None = None) -> Drawing:
        """The picture of ``message``. Raises :class:`SemwaveError` for a size that is not offered."""
        return self.model.generate(message.codes, self.config.checked_size(size))


class Ours:
    """``model`` with ``k`` real symbols a picture, which is enlarged where the model draws smaller ones.

    ``scenes`` inverts pictures; schemes that share it invert every picture once, for all k and SNRs. ``layers`` are
    those of :class:`semwave.Transmitter`.
    """

    def __init__(
        self,
        name: str,
        key: str,
        model: Model,
        k: int,
        scenes: PerPicture[Scene],
        layers: tuple[str, ...] | None = None,
        family: str = SEMWAVE,
        channel_noise: bool = True,
    ):
        self.name, self.key, self.model, self.scenes = name, key, model, scenes
        self.transmitter, self.receiver = Transmitter(model, k, layers), Receiver(model)
        self.facts = Facts(
            family=family,
            model=model.config.name,
            k=k,
            layers=self.transmitter.layers,
            flow=model.config.flow is not None,
            channel_noise=channel_noise,
        )

    def send(self, image: Tensor, link: Link) -> Delivered:
        """Send ``image`` (1, 3, S, S), S at least the model's size."""
        picture = self.receiver(link(self.transmitter.encode(self.scenes(image))))
        if picture.shape != image.shape:
            picture = functional.interpolate(picture, size=image.shape[-2:], mode="bicubic")
        return Delivered(picture.clamp(-1, 1), self.transmitter.k)


def shipped(model: str, k: int, layers: tuple[str, ...] | None = None) -> Ours:
    """The shipped ``model`` with ``k`` real symbols a picture; with ``layers``, those alone are sent."""
    loaded, name = models.load_model(model), "-".join((model, *(layers or ()), f"k{k}"))
    sent = loaded.config.checked_layers(k, layers)
    key = weights_digest(model, sent)
    return Ours(name, key, loaded, k, inversion(loaded), layers)


@cache
def inversion(model: Model) -> PerPicture[Scene]:
    """A picture with its codes by ``model``; one for all schemes that use it."""
    return PerPicture(Transmitter(model).scene)

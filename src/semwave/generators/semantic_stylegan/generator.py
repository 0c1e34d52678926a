"""Semantic StyleGAN as a whole: from codes to pictures, and from files and to them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import save
from torch import Tensor, nn

from semwave.errors import SemwaveError
from semwave.generators.official import check_names_and_shapes, read_official
from semwave.generators.semantic_stylegan.architecture import Architecture, Rendering
from semwave.generators.semantic_stylegan.local import LocalGenerators, PositionEmbedding
from semwave.generators.semantic_stylegan.render import RenderNet
from semwave.generators.stylegan2 import Projection, mapping
from semwave.pictures.arrays import check_finite, read_safetensors
from semwave.pictures.files import write_bytes
from semwave.types import Drawing

METADATA = "semantic_stylegan"


class SemanticStyleGAN(nn.Module):
    """Pictures and part masks from a base and two codes a part; untrained, or as :meth:`from_official` reads it.

    Under ``torch.autocast`` it runs in bf16; depths, masks and what the picture is added up of stay float32.
    """

    def __init__(self, architecture: Architecture | None = None):
        super().__init__()
        self.architecture = architecture = architecture or Architecture()
        self.style = mapping(architecture.code_size, architecture.mapping_layers)
        frequencies = architecture.octaves or architecture.size.bit_length() - 1
        self.pos_embed = PositionEmbedding(architecture.coarse_size, frequencies, architecture.local_channels)
        self.local_nets = LocalGenerators(architecture)
        self.render_net = RenderNet(architecture)

    @classmethod
    def from_official(cls, path: Path | str) -> "SemanticStyleGAN":
        """The generator of a checkpoint (.pt) of the paper's authors: ``g_ema``, with its sizes in ``args``.

        The file may hold tensors, plain values and one argparse.Namespace; no code in it is run.

        Raises:
            SemwaveError: no such file, not such a checkpoint, anything else in it, or weights whose names and shapes
                are not exactly those of the sizes that it states.
        """
        state, sizes = read_official(Path(path))
        architecture = Architecture(**sizes)
        _check_count(state, architecture, Path(path))
        with torch.device("meta"):
            check_names_and_shapes(state, cls(architecture).state_dict(), Path(path))
        generator = cls(architecture)
        generator.load_state_dict(state)
        return generator.eval()

    def save(self, path: Path) -> None:
        """Write sizes and weights, fp16, to ``path``, .safetensors: whole or not at all."""
        state = {name: t.half() if t.is_floating_point() else t for name, t in self.state_dict().items()}
        about = {METADATA: json.dumps(asdict(self.architecture))}
        write_bytes(path, save({name: t.contiguous() for name, t in state.items()}, about))

    @classmethod
    def from_file(cls, path: Path) -> "SemanticStyleGAN":
        """The generator that :meth:`save` wrote.

        Raises:
            SemwaveError: no such file, or one that holds no such generator.
        """
        try:
            state, about = read_safetensors(path, "")
            sizes = json.loads(about[METADATA])
            tuples = {name: tuple(sizes[name]) for name in ("transparent", "drawn_sizes") if name in sizes}
            architecture = Architecture(**sizes | tuples)
        except (SemwaveError, KeyError, TypeError, ValueError, RecursionError):
            raise SemwaveError(f"{path}: holds no Semantic StyleGAN; make one with 'semwave train'") from None
        check_finite(path, state)
        _check_count(state, architecture, path)
        with torch.device("meta"):
            check_names_and_shapes(state, cls(architecture).state_dict(), path)
        generator = cls(architecture)
        generator.load_state_dict(state)
        return generator.eval()

    def enlarged(self, size: int) -> "SemanticStyleGAN":
        """A network that also draws pictures twice as wide and so on up to ``size``, with what this one has learnt; the
        layers that are new read nothing out yet, so its larger pictures are this one's, enlarged."""
        old = self.architecture
        larger = replace(old, size=size, octaves=old.octaves or old.size.bit_length() - 1)
        larger = replace(larger, drawn_sizes=tuple(w for w in larger.render_sizes if w in old.sizes or w > old.size))
        network = SemanticStyleGAN(larger)
        for heads in (network.render_net.to_rgbs, network.render_net.to_segs):
            for head in cast("list[Projection]", list(heads)[len(old.render_sizes) :]):
                nn.init.zeros_(head.conv.weight)
        network.load_state_dict(network.state_dict() | self.state_dict())
        return network

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of pictures that it offers."""
        return self.architecture.sizes

    def map(self, z: Tensor) -> Tensor:
        """Code w (B, code_size) of standard normal ``z`` (B, code_size)."""
        return self.style(z)

    def random_noise(self, count: int, generator: torch.Generator) -> list[Tensor]:
        """Fresh noise images for ``count`` pictures, one (count, 1, H, W) a layer, in place of the stored ones.

        They are drawn where ``generator`` is and put where the model is.
        """
        return [
            torch.randn(count, *stored.shape[1:], generator=generator, device=generator.device).to(stored.device)
            for stored in self.render_net.noises.buffers()
        ]

    def render(
        self, codes: Tensor, noise: Sequence[Tensor] | None = None, segment: bool = True, size: int | None = None
    ) -> Rendering:
        """All that the generator makes of ``codes`` (B, codes, code_size).

        Args:
            codes: codes in the space of :meth:`map`, in the order of :mod:`semwave.latent.layout`.
            noise: what :meth:`random_noise` gave; the stored noise without it.
            segment: whether the segmentation is wanted; without it a pass is shorter.
            size: width of the picture, of :attr:`sizes`; the largest without it.

        Raises:
            SemwaveError: another number of codes.
        """
        expected = (self.architecture.codes, self.architecture.code_size)
        if codes.dim() != 3 or codes.shape[1:] != expected:
            raise SemwaveError(
                f"codes of shape {tuple(codes.shape)}; the generator reads (B, {expected[0]}, {expected[1]})"
            )
        width = self.architecture.coarse_size
        masks, features = self.local_nets(self.pos_embed(), codes)
        masks = masks.unflatten(2, (width, width))
        # In this order one picture has the strides of channels_last, too; transposed first, it lacks that of the batch,
        # convolutions take the slow way, and a step in bf16 takes 2.4 times as long.
        features = features.unflatten(1, (width, width)).permute(0, 3, 1, 2)
        noise = noise or list(self.render_net.noises.buffers())
        (*smaller, image), segmentation = self.render_net(features, masks, noise, segment, size)
        return Rendering(image, segmentation, masks, tuple(smaller))

    def masks(self, codes: Tensor) -> Tensor:
        """Part masks (B, parts, w, w) of ``codes`` (B, codes, code_size) on the coarse grid, without a picture."""
        width = self.architecture.coarse_size
        return self.local_nets(self.pos_embed(), codes)[0].unflatten(2, (width, width))

    def forward(self, codes: Tensor, size: int | None = None) -> Drawing:
        """Faces of ``codes`` (B, codes, code_size) with the stored noise; masks are those that parts are composed by.

        Raises:
            SemwaveError: another number of codes, or a size that is not the generator's own.
        """
        if size is not None and size not in self.sizes:
            raise SemwaveError(f"size {size} is not offered; the sizes are {', '.join(map(str, self.sizes))}")
        rendering = self.render(codes, segment=False, size=size)
        return Drawing(rendering.image, rendering.masks)


def _check_count(state: Mapping[str, Tensor], architecture: Architecture, path: Path | str) -> None:
    """Refuse sizes that the weights ``state`` of ``path`` are too few for, before a network of these sizes is made.

    Raises:
        SemwaveError: there are fewer weights than layers.
    """
    layers = architecture.parts * (architecture.local_layers - architecture.base_layers)
    if len(state) < layers:
        raise SemwaveError(f"{path} does not fit the sizes that it states; {layers} layers, but {len(state)} weights")

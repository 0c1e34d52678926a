"""Models by name: everything between a photograph and its symbols, and between symbols and a picture.

    photo -> parser, encoder -> corrections [-> descent] -> codes -> flow -> channel encoder -> symbols
    symbols -> channel decoder -> inverse flow -> codes -> generator -> picture, part masks
    a coarse residual goes beside the codes, and is blended with their picture

| model                 | pictures       | k         | generator                    | weights of its own |
| --------------------- | -------------- | --------- | ---------------------------- | ------------------ |
| faces-512             | 256, 512, 1024 | 256, 2560 | compositional MobileStyleGAN | all                |
| semantic-stylegan-128 | 128            | 256, 2560 | Semantic StyleGAN            | generator          |

A folder of weights has a card.md, and a model.json that names the model whose codes it draws if they are not its own.
"""

import functools
import hashlib
import json
import os
from collections.abc import Callable, Collection
from pathlib import Path
from tempfile import NamedTemporaryFile

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from semwave.baselines.checkpoint import SUFFIX, CheckpointModel
from semwave.coding.codec import DESIGN_SNR_DB, USED, WIDTHS, Codec
from semwave.coding.flow import CodeFlow
from semwave.coding.residual import CODES_K, PLANS, Residual, coarse
from semwave.errors import SemwaveError
from semwave.generators.compositional import SIZES, CompositionalGenerator, Faces
from semwave.generators.distilled import DistilledGenerator
from semwave.generators.memory import keep_freed_memory
from semwave.generators.semantic_stylegan import SemanticStyleGAN
from semwave.inversion.correction import PICTURE, Corrections
from semwave.inversion.descent import invert
from semwave.inversion.encoder import Encoder
from semwave.inversion.parser import INPUT, FaceParser
from semwave.latent.masks import part_probabilities
from semwave.latent.space import CodeSpace
from semwave.pictures.images import resized

WEIGHTS = Path(__file__).parent / "weights"
MODELS = {path.parent.name: path.parent for path in sorted(WEIGHTS.glob("*/generator.safetensors"))}
PARTS_OF_MODEL = ("parser", "generator", "space", "encoder", "corrections", "flow")
CORRECTIONS = 4
CLEAN_SNR_DB = 40.0


class Model(nn.Module):
    """A whole model; untrained until :meth:`load` is called. :func:`load_model` gives the shipped ones.

    ``flow`` is None in a model trained without one.
    """

    def __init__(self, name: str, flow: bool = True):
        super().__init__()
        self.name = self.codes_of = name
        self.size, self.sizes = 512, SIZES
        self.parser = FaceParser().to(memory_format=torch.channels_last)
        self.generator = CompositionalGenerator()
        self.teacher: CompositionalGenerator | None = None
        # A copy of the generator in bf16 for small pictures; none while the generator may learn.
        self.sketcher: nn.Module | None = None
        self.space = CodeSpace()
        self.encoder = Encoder().to(memory_format=torch.channels_last)
        self.corrections = Corrections(CORRECTIONS)
        self.flow = CodeFlow() if flow else None
        self.codec = nn.ModuleDict({str(k): Codec(k, width, USED[k]) for k, width in WIDTHS.items()})
        self.residual = nn.ModuleDict()
        self.info: dict[str, str] = {}
        self.eval()

    @property
    def codecs(self) -> dict[int, Codec]:
        """The channel codecs by their number of real symbols k."""
        return {int(k): codec for k, codec in self.codec.items()}

    @property
    def residuals(self) -> dict[int, Residual]:
        """What is sent beside the codes, by k; there are none in a model trained without."""
        return {int(k): residual for k, residual in self.residual.items()}

    @property
    def native(self) -> CompositionalGenerator:
        """The generator whose mapping network and layout coder make the codes, whether or not it draws them."""
        return self.teacher or self.generator

    def draw_with(self, name: str, network: SemanticStyleGAN) -> "Model":
        """Become the model ``name``, in which ``network`` draws the codes; all else, :attr:`codes_of`, stays."""
        self.teacher, self.generator = self.native, DistilledGenerator(network, self.space)
        self.sketcher = None
        self.name, self.sizes, self.size = name, network.sizes, max(network.sizes)
        return self

    def invert(
        self,
        images: Tensor,
        steps: int = 0,
        start: str = "encoder",
        k: int | None = None,
        progress: Callable[[int, float], None] | None = None,
        **options,
    ) -> Tensor:
        """Codes (B, 28, 512) of aligned photographs ``images`` (B, 3, H, H) in [-1, 1].

        ``start`` is "encoder", or "mean" for the mean face under the parser's masks; ``steps`` of gradient descent
        follow (:func:`semwave.inversion.descent.invert`, which takes the other ``options``). With ``k`` they bring closer
        what arrives through the codec for k symbols and its noise, without it the picture of the codes themselves.
        """
        with torch.no_grad():
            if start == "encoder":
                coordinates = self.estimate(images)
            elif start == "mean":
                codes = self.space.mean.expand(len(images), 28, -1).clone()
                codes[:, 1] = self.native.layout.encode(part_probabilities(self.parser.labels(images, INPUT)))
                coordinates = self.space.coordinates(codes)
            else:
                raise SemwaveError(f"inversion cannot start from '{start}'; it starts from encoder or mean")
        if steps:
            through = self._through(k) if k else None
            coordinates = invert(
                self.generator, self.space, images, coordinates, steps, through=through, progress=progress, **options
            )
        return self.space.codes(coordinates)

    def estimate(self, images: Tensor) -> Tensor:
        """Coordinates (B, 28, 256) of ``images`` (B, 3, H, H) in [-1, 1]: the encoder's, corrected."""
        small = resized(images, INPUT)
        with torch.autocast(images.device.type, torch.bfloat16):
            with torch.no_grad():
                logits = self.parser(small)
            coordinates = self.encoder(small, logits, self.native.layout)
        return self.corrections(self._draw_small, images, coordinates.float())

    def _draw_small(self, coordinates: Tensor) -> Tensor:
        return self._sketch(self.space.codes(coordinates))

    def _sketch(self, codes: Tensor) -> Tensor:
        """Pictures (B, 3, 128, 128) in bf16."""
        with torch.autocast(codes.device.type, torch.bfloat16):
            return (self.sketcher or self.generator)(codes, PICTURE).image

    def encode(self, codes: Tensor, k: int) -> Tensor:
        """Symbols (B, k) float32 with mean square 1 in every image, of ``codes`` (B, 28, 512) alone."""
        return self._encode(self.space.coordinates(codes), k)

    def encode_with_residual(self, codes: Tensor, k: int, photo: Tensor, seen: Tensor | None = None) -> Tensor:
        """Symbols (B, k) as above, of ``codes`` (B, 28, 512) and of what they lack of the ``photo`` (B, 3, 256, 256),
        where it is ``seen`` (B, 1, 256, 256) bool; everywhere without it."""
        residual = self.residuals[k]
        symbols = residual.carry(self.encode(codes, CODES_K))
        drawn = self.expected(symbols)
        return residual.join(symbols, residual.difference(photo, drawn, seen))

    def expected(self, symbols: Tensor) -> Tensor:
        """The picture (B, 3, 128, 128) of what arrives of codes' ``symbols`` (B, 256) without noise."""
        return self._sketch(self.decode(symbols, CLEAN_SNR_DB)).float()

    def coarse(self, codes: Tensor) -> Tensor:
        """The coarse picture (B, 3, 64, 64) of ``codes`` (B, 28, 512)."""
        return coarse(self._sketch(codes).float())

    def _encode(self, coordinates: Tensor, k: int) -> Tensor:
        return self._codec(k).encode(self.flow(coordinates) if self.flow else coordinates)

    def decode(self, symbols: Tensor, snr_db: Tensor | float) -> Tensor:
        """Codes (B, 28, 512) of equalised ``symbols`` (B, k) received at ``snr_db``, a number or (B,)."""
        snr_db = torch.as_tensor(snr_db, dtype=torch.float32).expand(len(symbols))
        return self.space.codes(self._decode(symbols, snr_db))

    def decode_with_residual(self, symbols: Tensor, snr_db: Tensor) -> tuple[Tensor, Tensor]:
        """Codes (B, 28, 512) of equalised ``symbols`` (B, k) received at ``snr_db`` (B,), and the coarse difference
        (B, 3, 64, 64) between the photo and their picture."""
        symbols, snr_db, difference = self.residuals[symbols.shape[1]].split(symbols, snr_db)
        return self.decode(symbols, snr_db), difference

    def blend(self, codes: Tensor, k: int, picture: Tensor, difference: Tensor, snr_db: Tensor) -> Tensor:
        """The ``picture`` (B, 3, S, S) of ``codes`` (B, 28, 512) with the coarse ``difference`` (B, 3, 64, 64) that
        arrived in ``k`` symbols at ``snr_db`` (B,)."""
        return self.residuals[k].blend(picture, self.coarse(codes) + difference, snr_db)

    def _decode(self, symbols: Tensor, snr_db: Tensor) -> Tensor:
        n = self._codec(symbols.shape[1]).decode(symbols, snr_db)
        return self.flow.inverse(n) if self.flow else n

    def _through(self, k: int) -> Callable[[Tensor], Tensor]:
        """Coordinates as they arrive over AWGN at the SNR that the codec is made for; the noise is seeded."""
        random = torch.Generator().manual_seed(0)

        def through(coordinates: Tensor) -> Tensor:
            symbols = self._encode(coordinates, k)
            noise = torch.randn(symbols.shape, generator=random) * 10 ** (-DESIGN_SNR_DB / 20)
            return self._decode(symbols + noise, torch.full((len(symbols),), DESIGN_SNR_DB))

        return through

    def generate(self, codes: Tensor, size: int) -> Faces:
        """Pictures (B, 3, size, size) and part masks (B, 13, w, w) of ``codes`` (B, 28, 512)."""
        return self.generator(codes, size)

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Codes (count, 28, 512) of random faces."""
        styles = self.native.body.map(torch.randn(count, 512, generator=generator))
        codes = styles[:, None].repeat(1, 28, 1)
        # One style everywhere gives the same picture under any layout, so the layout is read off the picture.
        labels = self.parser.labels(self.native(codes, INPUT).image.clamp(-1, 1), INPUT)
        codes[:, 1] = self.native.layout.encode(part_probabilities(labels))
        return codes

    def _codec(self, k: int) -> Codec:
        if str(k) not in self.codec:
            raise SemwaveError(f"model {self.name} has no codec for k = {k}; it has k = {', '.join(self.codec)}")
        return self.codec[str(k)]

    def files(self) -> dict[str, nn.Module]:
        """What is kept in a file of its own."""
        parts = {name: getattr(self, name) for name in PARTS_OF_MODEL if getattr(self, name) is not None}
        parts |= {"generator": self.native} | {f"codec-{k}": codec for k, codec in self.codec.items()}
        return parts | {f"residual-{k}": residual for k, residual in self.residual.items()}

    def save(self, folder: Path, only: tuple[str, ...] | None = None) -> None:
        """Write the weights to ``folder`` as safetensors, fp16 but for the code space; ``only`` some files if given."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, module in self.files().items():
            if only is not None and name not in only:
                continue
            state = module.trained_state() if name == "generator" else module.state_dict()
            half = name != "space"
            state = {n: (t.half() if half and t.is_floating_point() else t).contiguous() for n, t in state.items()}
            with NamedTemporaryFile(dir=folder, suffix=".partial", delete=False) as file:
                partial = Path(file.name)
            save_file(state, partial)
            partial.chmod(0o644)
            os.replace(partial, folder / f"{name}.safetensors")

    def load(self, folder: Path, only: tuple[str, ...] | None = None) -> "Model":
        """Read the weights that :meth:`save` wrote; ``only`` some files where given. A model may lack residuals."""
        there = {k for k in PLANS if (folder / f"residual-{k}.safetensors").is_file()}
        wanted = [k for k in there if only is None or f"residual-{k}" in only]
        self.residual = nn.ModuleDict({str(k): Residual(PLANS[k]) for k in sorted(wanted)})
        for name, module in self.files().items():
            if only is not None and name not in only:
                continue
            path = folder / f"{name}.safetensors"
            if not path.is_file():
                raise SemwaveError(f"model {self.name} is incomplete: {path} is missing; install semwave again")
            load = module.load_trained if name == "generator" else module.load_state_dict
            load(load_file(path))
        self.info = read_card(folder)
        return self.eval()


def read_card(folder: Path) -> dict[str, str]:
    """What model.json says of the weights in ``folder``: "licence", "card", and "codes", the model whose codes they
    draw; empty where there is none."""
    card = folder / "model.json"
    return json.loads(card.read_text()) if card.is_file() else {}


def codes_of(name: str) -> str:
    """The model whose codes the shipped model ``name`` draws: itself, or the one that its card names."""
    return read_card(MODELS[name]).get("codes", name) if name in MODELS else name


def models_with_codes() -> list[str]:
    """The shipped models that draw codes of their own: what is about codes alone is the same in the others."""
    return list(dict.fromkeys(map(codes_of, MODELS)))


@functools.cache
def load_model(name: str = "faces-512") -> "Model | CheckpointModel":
    """The shipped model ``name``, for inference on the CPU, or what a checkpoint of the authors, ``name``.pt, makes.

    Raises:
        SemwaveError: an unknown name, or a file that is no such checkpoint.
    """
    if name.endswith(SUFFIX):
        return CheckpointModel(Path(name))
    if name not in MODELS:
        raise SemwaveError(f"unknown model '{name}'; the models are {', '.join(MODELS)}")
    keep_freed_memory()
    source = codes_of(name)
    model = Model(source).load(MODELS[source])
    if source != name:
        model.draw_with(name, SemanticStyleGAN.from_file(MODELS[name] / "generator.safetensors"))
        model.info = read_card(MODELS[name])
    model = model.eval().requires_grad_(False)
    model.encoder.in_bf16()
    if model.native is model.generator:
        model.sketcher = model.generator.in_bf16()
    return model


def weights_digest(name: str, residuals: Collection[int] = tuple(PLANS)) -> str:
    """Names the weights of the shipped model ``name`` and of the one whose codes it draws: twelve hexadecimal digits of
    their SHA-256. Of the residuals only those for k in ``residuals`` count; none do where codes alone are sent."""
    digest, unread = hashlib.sha256(), {f"residual-{k}" for k in PLANS if k not in residuals}
    for file in sorted(file for model in {name, codes_of(name)} for file in MODELS[model].glob("*.safetensors")):
        if file.stem not in unread:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]

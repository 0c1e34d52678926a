"""The model: everything between a photograph and its symbols, and between symbols and a picture.

    invert   photo F -> parser, encoder -> corrections [-> descent] -> codes L
    encode   codes -> whitening, flow -> N -> channel encoder -> X; beside them what they lack of the photo
    decode   Y -> channel decoder -> N^ -> inverse flow -> codes L^, what they lacked
    draw     codes -> generator -> picture, part masks; blended with what they lacked

It is one module, a little longer than others, because it is the paper's Fig. 1 as one object; what each arrow does
stands in a room of its own. :mod:`semwave.zoo` has the configurations of the models that are shipped.
"""

import functools
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from semwave.air.iq import noise_power, signal
from semwave.baselines.checkpoint import SUFFIX, CheckpointModel
from semwave.coding.codec import new_codec
from semwave.coding.flow import CodeFlow, IdentityFlow
from semwave.coding.plan import TRAINING_SNR_DB, Plan
from semwave.coding.residual import FULL, Residual, enlarged
from semwave.errors import SemwaveError
from semwave.generators.compositional import CompositionalGenerator
from semwave.generators.distilled import DistilledGenerator
from semwave.generators.memory import channels_last, keep_casts, keep_freed_memory
from semwave.generators.registry import Generator, load_generator
from semwave.generators.weights import read_weights, state_digest, write_weights
from semwave.inversion.correction import Corrections
from semwave.inversion.descent import descend
from semwave.inversion.encoder import Encoder
from semwave.inversion.parser import FaceParser
from semwave.latent.layout import MASK_CODE
from semwave.latent.masks import part_probabilities
from semwave.latent.space import CodeSpace
from semwave.pictures.files import file_digest
from semwave.pictures.images import INPUT, SKETCH, resized, visible_at
from semwave.plugins import made
from semwave.types import Drawing, Generative, Inversion, Message, Scene, Signal, Soft, new_header
from semwave.zoo import (
    CODES_FOLDER,
    DEFAULT,
    MODELS,
    RESIDUAL,
    ModelConfig,
    config_of,
    read_config,
    weight_files,
)

PARTS_OF_MODEL = ("parser", "generator", "space", "encoder", "corrections", "flow", "codec", "residual")
FULL_PRECISION = ("space", "corrections")
"""Files kept in fp32: the eigenvalues of a correction's matrices span five decades."""
PLANS_KEPT = 64
CLEAN_SNR_DB = 40.0
"""Es/N0 in dB at which the transmitter draws what its own codes will look like."""


class FaceModel(nn.Module):
    """A model of the architecture in the module's drawing: :class:`semwave.types.PartModel`. Untrained until
    :meth:`load` is called; :func:`load_model` gives the shipped ones."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config, layout = config, config.layout
        self.parser = channels_last(FaceParser(layout))
        self.generator: Generator = CompositionalGenerator(layout)
        self.teacher: CompositionalGenerator | None = None
        # A copy of the generator in bf16 for small pictures; none while the generator may learn.
        self.sketcher: nn.Module | None = None
        self.space = CodeSpace(layout)
        self.encoder = channels_last(Encoder(layout))
        self.corrections = Corrections(config.corrections, layout)
        self.flow = CodeFlow(config.flow, layout) if config.flow else IdentityFlow()
        self.codec = new_codec(config.codec, layout)
        self.residual = Residual(config.residual) if config.residual else None
        self.plans: dict[tuple[int, bool], tuple[tuple, Plan]] = {}
        self.folders: tuple[Path, ...] = ()
        self.eval()

    @property
    def native(self) -> CompositionalGenerator:
        """The generator whose mapping network and layout coder make the codes, whether or not it draws them."""
        if self.teacher is not None:
            return self.teacher
        assert isinstance(self.generator, CompositionalGenerator)
        return self.generator

    @property
    def directions(self) -> Tensor:
        """(code_size, coordinates): takes white noise to differences of the codes of random faces."""
        return self.space.directions

    @functools.cached_property
    def digest(self) -> str:
        """Names the weights: 12 digits of the SHA-256 of their files, or of the tensors where there are none."""
        if self.folders:
            return file_digest(*weight_files(self.folders))
        return state_digest(self)

    def plan(self, k: int, residual: bool) -> Plan:
        """What ``k`` real symbols carry: codes and, where ``residual``, what they lack."""
        beside = self.residual if residual else None
        # Versions, because training and loading change what the plan follows from; a graph that is exported has none.
        state = self.codec.deviation._version, beside and beside.deviation._version
        known, plan = self.plans.get((k, residual), (None, None))
        if plan is None or (known != state and not torch.compiler.is_exporting()):
            if len(self.plans) >= PLANS_KEPT:
                self.plans.clear()
            parts = [self.codec.importance, *([beside.importance] if beside else [])]
            plan = Plan(torch.cat(parts), self.codec.symbols, k)
            self.plans[k, residual] = state, plan
        return plan

    def draw_with(self, config: ModelConfig, generator: Generator) -> "FaceModel":
        """Become the model of ``config``, in which ``generator`` draws the codes; all else stays."""
        self.teacher, self.generator = self.native, generator
        self.sketcher, self.config = None, config
        return self

    def invert(self, scene: Scene, inversion: Inversion = Inversion()) -> Tensor:
        """Codes (B, codes, code_size) of the picture of ``scene``, an aligned photograph.

        From the encoder, or from the mean face under the parser's masks; descent then goes on from there
        (:func:`semwave.inversion.descent.descend`), with ``inversion.k`` towards what arrives through the codec and its
        noise.

        Raises:
            SemwaveError: a start, k or layers that are not offered.
        """
        images = scene.picture
        with torch.no_grad():
            if inversion.start == "encoder":
                coordinates = self.estimate(images)
            elif inversion.start == "mean":
                codes = self.space.mean.expand(len(images), self.config.layout.codes, -1).clone()
                codes[:, MASK_CODE] = self.native.layout.encode(part_probabilities(self.labels(images, INPUT)))
                coordinates = self.space.coordinates(codes)
            else:
                raise SemwaveError(f"inversion cannot start from '{inversion.start}'; it starts from encoder or mean")
        if inversion.steps:
            through = self._through(inversion.k, inversion.layers) if inversion.k else None
            coordinates = descend(self.generator, self.space, images, coordinates, inversion, through)
        return self.space.codes(coordinates)

    def estimate(self, images: Tensor) -> Tensor:
        """Coordinates (B, codes, coordinates) of ``images`` (B, 3, H, H) in [-1, 1]: the encoder's, corrected."""
        small = resized(images, INPUT)
        with torch.autocast(images.device.type, torch.bfloat16):
            with torch.no_grad():
                logits = self.parser(small)
            coordinates = self.encoder(small, logits, self.native.layout)
        return self.corrections(self._sketch_coordinates, images, coordinates.float())

    @torch.no_grad()
    def encode(self, scene: Scene, k: int, layers: tuple[str, ...] | None = None) -> Signal:
        """The signal of ``scene``, which has codes, in ``k`` real symbols; all that the model can send without
        ``layers``.

        Raises:
            SemwaveError: a k or layers that are not offered, or a scene without codes.
        """
        header = new_header(self, scene, k, layers)
        assert scene.codes is not None
        residual = self.residual if RESIDUAL in header.layers else None
        plan = self.plan(k, residual is not None)
        symbols = plan.sent(self.symbols(self.space.coordinates(scene.codes)))
        if residual is None:
            return signal(plan.join(symbols), header)
        photo, visible = visible_at(scene.picture, scene.visible, FULL)
        difference = residual.difference(photo, self.expected(symbols), k, visible)
        return signal(plan.join(symbols, residual.coefficients(difference, plan.coefficients)), header)

    @torch.no_grad()
    def decode(self, soft: Soft) -> Message:
        """What arrived in ``soft``, whose header is this model's."""
        header = soft.header
        assert header is not None
        residual = self.residual if RESIDUAL in header.layers else None
        symbols, noise, coefficients = self.plan(header.k, residual is not None).split(soft.symbols, soft.noise)
        difference = residual.restored(coefficients) if residual else None
        return Message(self.codes_of(symbols, noise), header, soft.snr_db, soft.received, difference)

    @torch.no_grad()
    def draw(self, message: Message, size: int | None = None) -> Drawing:
        """The picture of ``message``. Raises :class:`SemwaveError` for a size that is not offered."""
        size = self.config.checked_size(size)
        if message.residual is None:
            return self.generate(message.codes, size)
        assert self.residual is not None
        drawing, sketch = self.drawn(message.codes, size)
        description = enlarged(sketch) + message.residual
        with torch.autocast(description.device.type, torch.bfloat16):
            image = self.residual.blend(drawing.image, description, message.received, message.snr_db)
        heard = (message.received > 0)[:, None, None, None]
        return Drawing(torch.where(heard, image, drawing.image), drawing.masks)

    def drawn(self, codes: Tensor, size: int) -> tuple[Drawing, Tensor]:
        """The picture of ``codes`` at ``size`` px, and the one of 128 px to which the residual is added; in one pass
        where the generator can."""
        if isinstance(self.generator, CompositionalGenerator | DistilledGenerator):
            return self.generator.with_sketch(codes, size)
        return self.generate(codes, size), self.sketch(codes)

    def symbols(self, coordinates: Tensor) -> Tensor:
        """The codec's symbols (B, symbols) of ``coordinates`` (B, codes, coordinates)."""
        return self.codec.encode(self.flow(coordinates))

    def arrived_coordinates(self, symbols: Tensor, noise: Tensor) -> Tensor:
        """Coordinates (B, codes, coordinates) of the codec's ``symbols`` (B, symbols) with ``noise`` power of the same
        shape or (B, 1)."""
        return self.flow.inverse(self.codec.decode(symbols, noise))

    def codes_of(self, symbols: Tensor, noise: Tensor) -> Tensor:
        """Codes (B, codes, code_size) of the codec's ``symbols`` (B, symbols) with ``noise`` power of the same shape or
        (B, 1)."""
        return self.space.codes(self.arrived_coordinates(symbols, noise))

    def expected(self, symbols: Tensor) -> Tensor:
        """The picture (B, 3, 128, 128) of what arrives of the codec's ``symbols`` (B, symbols) without noise."""
        clean = noise_power(torch.full((len(symbols), 1), CLEAN_SNR_DB, dtype=torch.float32))
        return self.sketch(self.codes_of(symbols, clean))

    def sketch(self, codes: Tensor) -> Tensor:
        """Pictures (B, 3, 128, 128) of ``codes`` (B, codes, code_size), in float32."""
        return self._sketch(codes).float()

    def _sketch_coordinates(self, coordinates: Tensor) -> Tensor:
        return self._sketch(self.space.codes(coordinates))

    def _sketch(self, codes: Tensor) -> Tensor:
        """Pictures (B, 3, 128, 128) in bf16."""
        with torch.autocast(codes.device.type, torch.bfloat16):
            return (self.sketcher or self.generator)(codes, SKETCH).image

    def _through(self, k: int, layers: tuple[str, ...] | None) -> Callable[[Tensor], Tensor]:
        """Coordinates as they arrive over AWGN at the SNR that the codec is made for; the noise is seeded."""
        plan = self.plan(k, RESIDUAL in self.config.checked_layers(k, layers))
        random = torch.Generator().manual_seed(0)
        power = noise_power(torch.tensor(TRAINING_SNR_DB, dtype=torch.float32))

        def through(coordinates: Tensor) -> Tensor:
            sent = plan.sent(self.symbols(coordinates))
            return self.arrived_coordinates(*plan.over_noise(sent, power.expand(len(sent), 1), random))

        return through

    def generate(self, codes: Tensor, size: int) -> Drawing:
        """Pictures (B, 3, size, size) and part masks (B, parts, w, w) of ``codes`` (B, codes, code_size)."""
        return self.generator(codes, size)

    def masks(self, codes: Tensor) -> Tensor:
        """Part masks (B, parts, w, w) of ``codes`` (B, codes, code_size)."""
        return self.generator.masks(codes)

    def labels(self, images: Tensor, size: int) -> Tensor:
        """Part of every pixel by the parser, (B, size, size) uint8, of ``images`` (B, 3, H, H) in [-1, 1]."""
        return self.parser.labels(images, size)

    def coordinates(self, codes: Tensor) -> Tensor:
        """Whitened coordinates (B, codes, coordinates) of ``codes`` (B, codes, code_size)."""
        return self.space.coordinates(codes)

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Codes (count, codes, code_size) of random faces."""
        layout = self.config.layout
        styles = self.native.body.map(torch.randn(count, layout.code_size, generator=generator, dtype=torch.float32))
        codes = styles[:, None].repeat(1, layout.codes, 1)
        # One style everywhere gives the same picture under any layout, so the layout is read off the picture.
        labels = self.labels(self.native(codes, INPUT).image.clamp(-1, 1), INPUT)
        codes[:, MASK_CODE] = self.native.layout.encode(part_probabilities(labels))
        return codes

    def files(self) -> dict[str, nn.Module]:
        """What is kept in a file of its own."""
        there_are = {"flow": self.config.flow, "residual": self.config.residual}
        parts = {name: getattr(self, name) for name in PARTS_OF_MODEL if there_are.get(name, True)}
        return parts | {"generator": self.native}

    def save(self, folder: Path, only: tuple[str, ...] | None = None) -> None:
        """Write the weights to ``folder`` as safetensors, fp16 where that costs nothing; ``only`` some files if
        given."""
        for name, module in self.files().items():
            if only is None or name in only:
                write_weights(folder / f"{name}.safetensors", module, half=name not in FULL_PRECISION)

    def load(self, folder: Path, only: tuple[str, ...] | None = None) -> "FaceModel":
        """Read the weights that :meth:`save` wrote; ``only`` some files where given.

        Raises:
            SemwaveError: a file is missing.
        """
        for name, module in self.files().items():
            if only is not None and name not in only:
                continue
            try:
                read_weights(folder / f"{name}.safetensors", module)
            except SemwaveError as error:
                raise SemwaveError(f"model {self.config.name} is incomplete: {error}") from None
        self.folders = (folder,) if only is None else ()
        return self.eval()


@functools.cache
def load_model(name: str = DEFAULT) -> Generative:
    """The shipped model ``name``, for inference on the CPU; or that in the folder ``name``, what a checkpoint of the
    authors, ``name``.pt, makes, or what the function gives that "module:name" names.

    Raises:
        SemwaveError: an unknown name, a file that is no such checkpoint, or a function that fails.
    """
    if name.endswith(SUFFIX):
        with torch.random.fork_rng(devices=[]):
            return CheckpointModel(Path(name))
    if name not in MODELS and Path(name).is_dir():
        return load_folder(Path(name))
    if ":" in name and name not in MODELS:
        return made(name, f"model '{name}'")
    config_of(name)
    found = MODELS[name]
    return made(found, f"model '{name}'") if callable(found) else load_folder(found)


# Untrained layers draw their weights; whoever else draws from torch's generator is not to notice.
@torch.random.fork_rng(devices=[])
def load_folder(folder: Path) -> FaceModel:
    """The model in ``folder``, for inference on the CPU. Where it draws another model's codes, that one is in the
    folder "codes" in it or is shipped. A name that no model has yet is its own from now on.

    Raises:
        SemwaveError: no model's configuration, or weights that are missing, damaged or another's.
    """
    beside = folder / CODES_FOLDER
    for place in (beside, folder) if beside.is_dir() else (folder,):
        config = read_config(place)
        MODELS.setdefault(config.name, place)
    codes = folder if not config.codes else beside if beside.is_dir() else MODELS[config.codes]
    # float(), because torch's default type is whatever the caller has chosen.
    model = FaceModel(read_config(codes)).load(codes).float()
    if config.codes:
        weights = folder / "generator.safetensors"
        model.draw_with(config, load_generator(config.generator, weights, model.space)).float()
        model.folders = (*model.folders, folder)
    model = model.eval().requires_grad_(False)
    model.encoder.in_bf16()
    if model.residual is not None:
        keep_casts(model.residual.blend)
    if isinstance(model.generator, CompositionalGenerator):
        model.sketcher = model.generator.in_bf16()
    keep_freed_memory()
    return model


def load_face_model(name: str = DEFAULT) -> FaceModel:
    """The shipped model ``name``, for those who look inside: at its encoder, flow, code space.

    Raises:
        SemwaveError: an unknown name, or a checkpoint, which has none of these.
    """
    model = load_model(name)
    if not isinstance(model, FaceModel):
        raise SemwaveError(f"{name} has no encoder and no flow; give one of the shipped models: {', '.join(MODELS)}")
    return model

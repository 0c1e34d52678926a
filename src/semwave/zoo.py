"""The models: one typed configuration each, in the model.json of its folder of weights.

| model                 | pictures       | k           | generator                    | weights of its own |
| --------------------- | -------------- | ----------- | ---------------------------- | ------------------ |
| faces-512             | 256, 512, 1024 | 64 to 32768 | compositional MobileStyleGAN | all                |
| semantic-stylegan-512 | 128, 256, 512  | 64 to 32768 | Semantic StyleGAN            | generator          |

k is any even number of the range. A new model is a folder with a model.json and weights;
:func:`semwave.model.load_model` makes networks of it.
"""

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from semwave.errors import SemwaveError
from semwave.latent.layout import FACES, Layout
from semwave.pictures.files import file_digest, read_json, read_text, structured, write_json
from semwave.plugins import Register

WEIGHTS = Path(__file__).parent / "weights"
SUMS = "SHA256SUMS"
"""In :data:`WEIGHTS`: the digest of every file, as sha256sum writes and checks it."""
CONFIG = "model.json"
PRETRAINED_CONFIG, CODES_FOLDER, CARD = "config.json", "codes", "card.md"
"""In a folder of :mod:`semwave.pretrained`: its configuration, which has the name too, and the model whose codes it
draws; beside the weights that are shipped: what is to be known of them."""
VERSION = 1
MODELS: Register[Path] = Register(
    "semwave.models", {path.parent.name: path.parent for path in sorted(WEIGHTS.glob(f"*/{CONFIG}"))}
)
"""Folders of models by name; those that an installed package offers may be functions instead, which give a model."""
DEFAULT = "faces-512"
CODES, RESIDUAL = "codes", "residual"
LAYERS = (CODES, RESIDUAL)
"""What a signal may carry: the codes, and beside them what they lack of the photograph."""
LOWEST_K = 64
"""Real symbols that a picture takes at least."""
LARGEST_K = 2**20
"""The most that a file of symbols may tell of."""


@dataclass(frozen=True)
class FlowConfig:
    """RealNVP: ``layers`` coupling layers of ``depth`` fully connected ones, ``hidden`` units wide; the flow of the
    mask code has ``mask_hidden``."""

    layers: int = 8
    depth: int = 6
    hidden: int = 192
    mask_hidden: int = 64


@dataclass(frozen=True)
class CodecConfig:
    """A channel codec for at most so many real ``symbols``, with ``width`` numbers a code between its two layers.
    ``kind`` is one of :data:`semwave.coding.codec.CODECS`."""

    symbols: int
    width: int
    kind: str = "two-layer"

    def __post_init__(self):
        _check_k(self.symbols)
        if self.width < 1:
            raise ValueError("the width of a codec is at least 1")


@dataclass(frozen=True)
class ResidualConfig:
    """What is sent beside the codes: at most so many ``coefficients``."""

    coefficients: int

    def __post_init__(self):
        _check_k(self.coefficients)


@dataclass(frozen=True)
class ModelConfig:
    """All that there is to know of a model before its weights.

    Args:
        name: of the model.
        sizes: widths and heights of the pictures that it draws, in pixels.
        size: the one that it draws unless asked for another.
        codec: its channel codec; codes alone are sent in any even number of real symbols k up to the codec's.
        layout: parts and codes of its domain.
        generator: "compositional-mobile-stylegan", or one of :data:`semwave.generators.registry.GENERATORS`.
        flow: the flow between codes and codec; None for a model without one.
        corrections: learned steps of descent after the encoder.
        residual: what it sends beside the codes, in any even k up to so many coefficients; None for nothing.
        k: the number of real symbols that it sends unless asked for another.
        codes: the model whose codes it draws, where these are another's; all but the generator is then that model's.
        licence: terms of the weights.
        card: file that describes the model.

    Raises:
        ValueError: values that do not fit each other.
    """

    name: str
    sizes: tuple[int, ...]
    size: int
    codec: CodecConfig
    layout: Layout = FACES
    generator: str = "compositional-mobile-stylegan"
    flow: FlowConfig | None = FlowConfig()
    corrections: int = 6
    residual: ResidualConfig | None = None
    k: int = 256
    codes: str | None = None
    licence: str = "-"
    card: str = "-"

    def __post_init__(self):
        if self.size not in self.sizes or min(self.sizes) < 1:
            raise ValueError("size must be one of sizes, which are positive")
        if not self.offers(self.k):
            raise ValueError(f"k must be one that it offers, not {self.k}")

    @property
    def highest_k(self) -> int:
        """The largest number of real symbols that it offers."""
        return self.residual.coefficients if self.residual else self.codec.symbols

    def offers(self, k: int) -> bool:
        """Whether it sends pictures in ``k`` real symbols: any even number from 64."""
        return LOWEST_K <= k <= self.highest_k and k % 2 == 0

    @property
    def code_model(self) -> str:
        """The model whose codes it draws: another one, or itself."""
        return self.codes or self.name

    def layers(self, k: int) -> tuple[str, ...]:
        """All that it can send in ``k`` real symbols.

        Raises:
            SemwaveError: a k that it does not offer.
        """
        if not self.offers(k):
            raise SemwaveError(f"k = {k} is not offered by {self.name}; k is even, from {LOWEST_K} to {self.highest_k}")
        return LAYERS if self.residual else (CODES,)

    def checked_layers(self, k: int, layers: tuple[str, ...] | None) -> tuple[str, ...]:
        """``layers`` for ``k`` real symbols; all that the model can send where they are None.

        Raises:
            SemwaveError: a k or layers that it does not offer.
        """
        offered = self.layers(k)
        if layers is None or tuple(layers) == offered:
            return offered
        if tuple(layers) != (CODES,):
            raise SemwaveError(f"{self.name} sends {' + '.join(offered)}, not {' + '.join(layers) or 'nothing'}")
        if k > self.codec.symbols:
            raise SemwaveError(f"codes alone take at most {self.codec.symbols} symbols, not {k}; send the residual too")
        return tuple(layers)

    def checked_size(self, size: int | None) -> int:
        """``size``, or the model's own where it is None.

        Raises:
            SemwaveError: a size that it does not offer.
        """
        if size is None:
            return self.size
        if size not in self.sizes:
            offered = ", ".join(map(str, sorted(self.sizes)))
            raise SemwaveError(f"size {size} is not offered by {self.name}; the sizes are {offered}")
        return size


def _check_k(k: int) -> None:
    if not 2 <= k <= LARGEST_K or k % 2:
        raise ValueError(f"k must be even and from 2 to {LARGEST_K}, not {k}")


def read_config(folder: Path) -> ModelConfig:
    """The configuration in the model.json of ``folder``; what it leaves out is that of the model whose codes it draws.

    Raises:
        SemwaveError: no model.json, or one that does not describe a model.
    """
    path = folder / (CONFIG if (folder / CONFIG).is_file() else PRETRAINED_CONFIG)
    value = read_json(path if path.is_file() else folder / CONFIG)
    if not isinstance(value, dict) or value.pop("version", None) != VERSION:
        raise SemwaveError(f"{path}: not a model's configuration of version {VERSION}; get an intact copy of it")
    codes = value.get("codes")
    if codes is None:
        return structured(ModelConfig, {"name": folder.name} | value, str(path))
    if codes not in MODELS or codes == folder.name:
        raise SemwaveError(f"{path}: the codes are those of '{codes}', which is not shipped: {', '.join(MODELS)}")
    shared = read_json(MODELS[codes] / CONFIG)
    shared.pop("version")
    return structured(ModelConfig, shared | {"name": folder.name} | value, str(path))


def write_config(config: ModelConfig, folder: Path) -> None:
    """Write ``config`` as the model.json of ``folder``, after which the model is called from then on."""
    value = {"version": VERSION} | asdict(config)
    del value["name"]
    write_json(folder / CONFIG, value)


def write_pretrained_config(config: ModelConfig, folder: Path) -> None:
    """Write all of ``config`` as the config.json of ``folder``."""
    write_json(folder / PRETRAINED_CONFIG, {"version": VERSION} | asdict(config))


def config_of(name: str) -> ModelConfig:
    """The configuration of the shipped model ``name``. Raises :class:`SemwaveError` for one that is not shipped."""
    if name not in MODELS:
        raise SemwaveError(f"unknown model '{name}'; the models are {', '.join(MODELS.names())}")
    found = MODELS[name]
    return found().config if callable(found) else read_config(found)


def without_flow(config: ModelConfig) -> ModelConfig:
    """The same model without a flow, and so without the residual that was trained with one."""
    return replace(without_residual(config), flow=None)


def without_residual(config: ModelConfig) -> ModelConfig:
    """The same model sending codes alone."""
    return replace(config, residual=None, k=min(config.k, config.codec.symbols))


def models_with_codes() -> list[str]:
    """The shipped models that draw codes of their own: what is about codes alone is the same in the others."""
    return list(dict.fromkeys(config_of(name).code_model for name in MODELS))


def weights_digest(name: str, layers: Collection[str] = LAYERS) -> str:
    """Names the weights of the shipped model ``name`` and of the one whose codes it draws: twelve hexadecimal digits of
    their SHA-256. The residual's do not count where ``layers`` are codes alone."""
    config = config_of(name)
    folders = {MODELS[name]} | ({MODELS[config.codes]} if config.codes else set())
    return file_digest(*(file for file in weight_files(folders) if file.stem != RESIDUAL or RESIDUAL in layers))


def weight_files(folders: Iterable[Path]) -> list[Path]:
    """The files of weights in ``folders``, in the order in which a digest takes them."""
    return sorted(file for folder in folders for file in folder.glob("*.safetensors"))


def verify_weights(folder: Path = WEIGHTS) -> int:
    """Compare every file of weights below ``folder`` with its digest in SHA256SUMS; their number.

    Raises:
        SemwaveError: a file that is missing, not listed or another one than was shipped.
    """
    lines = read_text(folder / SUMS).splitlines()
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    there = {file.relative_to(folder).as_posix() for file in folder.rglob("*.safetensors")}
    for name in sorted(listed.keys() | there):
        if name not in there or name not in listed:
            raise SemwaveError(f"{folder / name}: {'missing' if name in listed else 'not shipped'}; install it again")
        if file_digest(folder / name, digits=64) != listed[name]:
            raise SemwaveError(f"{folder / name}: not as it was shipped; install semwave again")
    return len(listed)

"""Options that several commands take, and what they mean."""

import os
import re
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from semwave.errors import SemwaveError

if TYPE_CHECKING:
    from semwave.work.units import Engine
    from semwave.zoo import ModelConfig

OPTIMISE_STEPS = 80
REPORTED = ("alex", "vgg")
"""Backbones of LPIPS in reports."""


class Start(StrEnum):
    """How a photograph becomes codes."""

    encoder = "encoder"
    optimise = "optimise"


ModelName = Annotated[
    str, typer.Option("--model", help="One of 'semwave models', a FOLDER, CHECKPOINT.pt, module:name.")
]
Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed: the same one gives the same bits.")]
StandInSeed = Annotated[
    int, typer.Option("--seed", min=0, max=2**63 - 1, help="Seed of what stands in for private parts.")
]
LpipsWeights = Annotated[
    Path | None,
    typer.Option(
        envvar="SEMWAVE_LPIPS_WEIGHTS", help="Folder with LPIPS weights (default: what is shipped or fetched)."
    ),
]
Ks = Annotated[
    list[int] | None,
    typer.Option("--k", help="Real symbols an image, any even number that the model offers ('semwave models')."),
]
Ratios = Annotated[
    list[str] | None,
    typer.Option("--ratio", help="k / n with n = 3 size^2 instead, such as 1/3072 (default: the model's own k)."),
]
CodesOnly = Annotated[bool, typer.Option("--codes-only", help="Codes are all that is sent, as in the paper.")]
Size = Annotated[
    int | None,
    typer.Option(help="Width and height of the picture in pixels (default: the model's own)."),
]
NoAlign = Annotated[bool, typer.Option("--no-align", help="The picture is an aligned square face already.")]
Face = Annotated[
    int | None,
    typer.Option("--face", min=1, help="The face to take of several, 1 the largest (default: 1, with a note)."),
]
RefineSteps = Annotated[
    int | None,
    typer.Option(help="Steps of gradient descent (default: none after encoder, 80 with --invert optimise)."),
]
DrawnBy = Annotated[
    str,
    typer.Option(
        metavar="torch|onnxruntime|openvino",
        help="What draws the picture. Others than torch take some seconds to prepare each size once.",
    ),
]
Invert = Annotated[
    Start, typer.Option(help="encoder: the codes in one pass; optimise: gradient descent from the mean face.")
]


BAD_INPUT, PARTIAL_FAILURE = 2, 3
"""Exit codes: nothing was done, for what was given is at fault; some of what was given could not be done."""
PANEL = "Many photographs"
WORKERS, BATCH = 2, 4
"""Two threads keep up with the network on two cores; with more than four pictures at once it gains nothing."""
RAY, NEAREST = "--ray", ""
"""The address that --ray alone means: a new cluster of this machine's cores."""
Workers = Annotated[
    int,
    typer.Option(
        min=0, max=64, rich_help_panel=PANEL, help="Threads that read and write beside the network; 0: one by one."
    ),
]
Batch = Annotated[int, typer.Option(min=1, max=64, rich_help_panel=PANEL, help="What the network takes at once.")]
Ray = Annotated[
    str | None,
    typer.Option(
        metavar="[ADDRESS]",
        rich_help_panel=PANEL,
        help="On a Ray cluster: auto, HOST:PORT; alone: this machine's cores.",
    ),
]
Resume = Annotated[
    bool,
    typer.Option("--resume", rich_help_panel=PANEL, help="Go on with the report: what is in it is not done again."),
]


class RayCommand(TyperCommand):
    """A command with --ray, whose address may be left out."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Typer's, with --ray alone as --ray= followed by :data:`NEAREST`."""
        following = zip(args, [*args[1:], ""], strict=False)
        whole = [f"{RAY}={NEAREST}" if arg == RAY and not ADDRESS.fullmatch(after) else arg for arg, after in following]
        return super().parse_args(ctx, whole)


class ManyCommand(RayCommand):
    """A command that does many things at once, beside the network."""

    def invoke(self, ctx: Any) -> Any:
        """Typer's. Threads of the network that wait for each other leave their core to those beside it; OpenMP reads
        that once, with torch."""
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        return super().invoke(ctx)


ADDRESS = re.compile(r"auto|local|(ray://)?[^/]+:\d+")
"""What Ray takes for the address of a cluster."""


def chosen_engine(workers: int, batch: int, ray: str | None) -> "Engine":
    """What --workers, --batch and --ray ask for.

    Raises:
        SemwaveError: an address of no cluster.
    """
    if ray is None:
        from semwave.work.local import Local

        return Local(workers, batch)
    if ray != NEAREST and not ADDRESS.fullmatch(ray):
        raise SemwaveError(f"'{ray}' is no address of a Ray cluster; give auto or HOST:PORT, or --ray alone")
    from semwave.work.cluster import Cluster

    return Cluster(ray, batch)


def model_file(model: str | None) -> list[Path]:
    """The file that --model names, if it is a checkpoint and no shipped model."""
    return [Path(model)] if model and model.endswith(".pt") else []


def found_anywhere(model: str) -> str:
    """What --model says, as processes in other working folders find it."""
    from semwave.pictures.files import MISSING, kind_of
    from semwave.zoo import MODELS

    return str(Path(model).absolute()) if model not in MODELS and kind_of(model) != MISSING else model


def chosen_ks(
    config: "ModelConfig", ks: Iterable[int] | None, ratios: Iterable[str] | None, size: int
) -> tuple[int, ...]:
    """The numbers of symbols that --k and --ratio ask for, each once; the model's own where they ask for none.

    Raises:
        SemwaveError: one that the model does not offer.
    """
    from semwave.air.ratio import k_of_ratio

    asked = [*(ks or ()), *(k_of_ratio(ratio, size) for ratio in ratios or ())]
    for k in asked:
        config.layers(k)
    return tuple(dict.fromkeys(asked)) or (config.k,)


def chosen_layers(codes_only: bool) -> tuple[str, ...] | None:
    """What --codes-only asks for: codes alone, or all that the model can send."""
    from semwave.zoo import CODES

    return (CODES,) if codes_only else None


def chosen_start(invert: Start, refine_steps: int | None) -> tuple[str, int]:
    """What --invert and --refine-steps mean to a transmitter: where inversion starts, and how many steps follow."""
    if invert is Start.optimise:
        return "mean", OPTIMISE_STEPS if refine_steps is None else refine_steps
    return "encoder", refine_steps or 0


def lpips_backbones(weights: Path | None) -> tuple[str, ...]:
    """The backbones of LPIPS that are at hand on this machine: alex, and vgg once it is fetched."""
    from semwave.pictures.metrics import at_hand

    return tuple(name for name in REPORTED if at_hand(name, weights))


def missing_lpips(there: Iterable[str]) -> str:
    """A warning where LPIPS of a backbone is not among those ``there``, which says how to get it."""
    missing = set(REPORTED) - set(there)
    return "warning: LPIPS(vgg) is left out until it is fetched: semwave setup" if missing else ""

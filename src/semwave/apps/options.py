"""Options that several commands take, and what they mean."""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from semwave.pictures.metrics import LPIPS
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
Engine = Annotated[
    str,
    typer.Option(
        metavar="torch|onnxruntime|openvino",
        help="What draws the picture. Others than torch take some seconds to prepare each size once.",
    ),
]
Invert = Annotated[
    Start, typer.Option(help="encoder: the codes in one pass; optimise: gradient descent from the mean face.")
]


def model_file(model: str | None) -> list[Path]:
    """The file that --model names, if it is a checkpoint and no shipped model."""
    return [Path(model)] if model and model.endswith(".pt") else []


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


def chosen_lpips(weights: Path | None) -> "tuple[dict[str, LPIPS], str]":
    """LPIPS by backbone: alex, and vgg where it is at hand; otherwise a warning that says how to get it.

    Raises:
        SemwaveError: ``weights`` is no folder, or what is in it does not fit.
    """
    from semwave.pictures.metrics import LPIPS, at_hand

    there = [backbone for backbone in REPORTED if at_hand(backbone, weights)]
    warning = "warning: LPIPS(vgg) is left out until it is fetched: semwave setup"
    return {name: LPIPS(name, weights) for name in there}, "" if len(there) == len(REPORTED) else warning

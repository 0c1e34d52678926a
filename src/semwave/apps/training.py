"""What the commands of ``semwave train`` share: their options, and the folder of weights that they read and write."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semwave.apps.options import chosen_engine
from semwave.apps.outputs import check_outputs
from semwave.errors import SemwaveError
from semwave.zoo import (
    CONFIG,
    DEFAULT,
    RESIDUAL,
    ModelConfig,
    config_of,
    read_config,
    without_flow,
    without_residual,
    write_config,
)

if TYPE_CHECKING:
    from torch import Tensor

    from semwave.model import FaceModel
    from semwave.work.units import Engine

Data = Annotated[Path, typer.Option(help="Folder with images/, masks/, train.txt and test.txt.")]


def folder(path: Path) -> Path:
    """``path``, which a training writes to. Raises :class:`SemwaveError` if it is there and is no folder."""
    check_outputs((), folders=[path])
    return path


Weights = Annotated[
    Path, typer.Option(help="Folder of the model's weights and its model.json, read and written.", callback=folder)
]
Runs = Annotated[Path, typer.Option(help="Folder of checkpoints, logs and generated faces.", callback=folder)]
Lpips = Annotated[
    Path | None,
    typer.Option("--lpips-weights", envvar="SEMWAVE_LPIPS_WEIGHTS", help="Folder of the LPIPS weights."),
]
Steps = Annotated[int, typer.Option(min=1, help="Optimiser steps.")]
Batch = Annotated[int, typer.Option(min=1, help="Images a step.")]
Rate = Annotated[float, typer.Option(min=0, help="Highest learning rate.")]
Seed = Annotated[int, typer.Option(help="Seed of all random draws.")]
Precision = Annotated[str, typer.Option(help="no, bf16 or fp16: accelerate's mixed precision.")]
FACES = 800
"""Random faces to learn from; as many are composed of them."""


def config_in(weights: Path) -> ModelConfig:
    """The configuration in the model.json of ``weights``; without one, that of the default model under the folder's
    name.

    Raises:
        SemwaveError: a model.json that does not describe a model, or one that draws another model's codes: all but its
            generator is then trained with that model.
    """
    if not (weights / CONFIG).is_file():
        return replace(config_of(DEFAULT), name=weights.name)
    config = read_config(weights)
    if config.codes:
        raise SemwaveError(f"{weights}: draws the codes of {config.codes}; train the weights of that model")
    return config


def open_model(weights: Path, *needed: str, flow: bool = True, residual: bool = False) -> "FaceModel":
    """The model with what ``weights`` holds; the files in ``needed`` must be there. The folder gets a model.json.

    Args:
        weights: the folder.
        needed: names of files, without suffix.
        flow: whether it has a flow, if its configuration has one.
        residual: whether it has a residual, if its configuration has one, even if its weights are not there yet. What
            has not learnt must not be saved with the rest, so otherwise it has none.

    Raises:
        SemwaveError: a needed file is missing, or as :func:`config_in`.
    """
    import torch

    from semwave.latent.space import SAMPLES
    from semwave.model import FaceModel

    def is_there(name: str) -> bool:
        return (weights / f"{name}.safetensors").is_file()

    config = config_in(weights) if flow else without_flow(config_in(weights))
    if not residual and not is_there(RESIDUAL):
        config = without_residual(config)
    model = FaceModel(config)
    there = {name for name in model.files() if is_there(name)}
    model.load(weights, tuple(there | {*needed}))
    if not (weights / CONFIG).is_file():
        write_config(config_in(weights), weights)
    if "space" not in there:
        z = torch.randn(SAMPLES, config.layout.code_size, generator=torch.Generator().manual_seed(0))
        model.space.measure(model.native.body.map(z))
        model.save(weights, ("space",))
    return model.requires_grad_(False)


def plain_faces(model: "FaceModel", runs: Path, seed: int, engine: "Engine", count: int = FACES) -> "dict[str, Tensor]":
    """``count`` random faces of ``model``, made by ``engine`` and kept in ``runs``."""
    from semwave.training.faces import make_plain

    return make_plain(model.native, model.parser, count, seed, runs / "plain.pt", engine)


def generated_faces(
    model: "FaceModel", runs: Path, seed: int, engine: "Engine", count: int = FACES
) -> "dict[str, Tensor]":
    """What :func:`plain_faces` gives, and as many faces composed of them; kept in ``runs``."""
    from semwave.training.faces import make_faces

    plain = plain_faces(model, runs, seed, engine, count)
    return make_faces(model.native, model.space, plain, seed, runs / "faces.pt", engine)


def chosen_maker(workers: int, ray: str | None) -> "Engine":
    """The engine that --workers and --ray ask for, which makes generated faces: a unit of them is a batch already."""
    return chosen_engine(workers, 1, ray)


def show_scores(title: str, scores: dict[str, float]) -> None:
    """Print a table of ``scores``, in the first of several processes."""
    if int(os.environ.get("RANK", 0)):
        return
    from rich.table import Table

    from semwave.pictures.console import plain_console

    table = Table("", "", title=title)
    for name, score in scores.items():
        table.add_row(name, f"{score:.4f}")
    plain_console().print(table)

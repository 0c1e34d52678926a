"""One training loop for every model: device and precision by accelerate, checkpoints, resume, a JSON-lines log.

:func:`iterate` takes the steps of anything that learns; :func:`fit` is for one model and one loss.
"""

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from semwave.errors import SemwaveError
from semwave.generators.memory import keep_freed_memory
from semwave.pictures.arrays import check_finite as check_finite_weights
from semwave.pictures.arrays import read_torch, write_torch
from semwave.pictures.console import plain_console

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    ``steps`` optimiser steps of ``batch`` images a process; the learning rate rises to ``rate`` over ``warmup``
    steps and falls along a half cosine to a hundredth of it; a checkpoint every ``checkpoint_every`` steps.
    """

    steps: int
    batch: int
    rate: float
    warmup: int = 50
    checkpoint_every: int = 200
    seed: int = 0

    def factor(self, step: int) -> float:
        """Learning rate at ``step`` as a share of ``rate``."""
        rise = min(1.0, (step + 1) / max(1, self.warmup))
        fall = 0.5 + 0.5 * math.cos(math.pi * min(1.0, step / max(1, self.steps)))
        return rise * (0.01 + 0.99 * fall)


class Stateful(Protocol):
    """What a checkpoint keeps: a module, an optimiser."""

    def state_dict(self) -> dict[str, Any]:
        """All that decides how training goes on."""
        ...

    def load_state_dict(self, state: dict[str, Any], /) -> object:
        """Take over what :meth:`state_dict` gave."""
        ...


def accelerated(precision: str) -> Accelerator:
    """Device and number of processes of this run; ``precision`` is accelerate's ``mixed_precision``."""
    keep_freed_memory()
    # accelerate keeps the precision of the first run in a process; two runs may differ.
    AcceleratorState._reset_state(reset_partial_state=True)
    # Processes of torchrun that have no GPU find each other only where accelerate is told so.
    together_on_cpus = "LOCAL_RANK" in os.environ and not torch.accelerator.is_available()
    return Accelerator(mixed_precision=precision, cpu=together_on_cpus)


def iterate(
    take: Callable[[int, torch.Generator], dict[str, Tensor]],
    state: Mapping[str, Stateful],
    schedule: Schedule,
    run: Path,
    accelerator: Accelerator,
) -> None:
    """Take the steps that are left, from the checkpoint in ``run`` or from the first.

    ``take(step, generator)`` takes one and returns what is to be logged. All its random draws must come from
    ``generator``, which is seeded by the step and the process, and everything that it changes must be in ``state``, so
    that a resumed run gives the same state as one without interruption. ``run`` receives ``checkpoint.pt`` and
    ``log.jsonl``.
    """
    checkpoint, first = run / "checkpoint.pt", 0
    if checkpoint.exists():
        saved = read_torch(checkpoint, "delete it to start anew")
        try:
            for name, part in state.items():
                part.load_state_dict(saved[name])
            first = int(saved["step"])
        except (KeyError, TypeError, ValueError, RuntimeError):
            raise SemwaveError(f"{checkpoint}: is of another network; delete it, or choose another --runs") from None
        weights = saved.get("model", {})
        check_finite_weights(checkpoint, {name: each for name, each in weights.items() if isinstance(each, Tensor)})
    generator = torch.Generator()
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=plain_console(), disable=not accelerator.is_main_process) as progress:
        task = progress.add_task(run.name, total=schedule.steps, completed=first, note="")
        started = time.perf_counter()
        for step in range(first, schedule.steps):
            generator.manual_seed((schedule.seed * 1_000_003 + step) * 64 + accelerator.process_index)
            terms = take(step, generator)
            last = step + 1 == schedule.steps
            if accelerator.is_main_process and (step % 10 == 0 or last):
                row = {name: round(float(term.detach()), 6) for name, term in terms.items()}
                note = " ".join(f"{name} {value:.4f}" for name, value in row.items())
                _log(run / "log.jsonl", {"step": step, "seconds": round(time.perf_counter() - started, 1), **row})
                progress.update(task, note=note)
            if accelerator.is_main_process and ((step + 1) % schedule.checkpoint_every == 0 or last):
                write_torch(checkpoint, {name: part.state_dict() for name, part in state.items()} | {"step": step + 1})
            progress.advance(task)


def _log(path: Path, row: dict[str, float]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as log:
            log.write(json.dumps(row) + "\n")
    except OSError as error:
        raise SemwaveError(f"{path}: cannot be written ({error.strerror}); choose another --runs") from None


def check_finite(loss: Tensor, run: Path, step: int) -> None:
    """Raises :class:`SemwaveError` when ``loss`` is no longer finite."""
    if not torch.isfinite(loss):
        raise SemwaveError(f"the loss of {run.name} is not finite at step {step}; resume with a lower rate")


def fit(
    model: Network,
    loss: Callable[[Network, int, torch.Generator, torch.device], dict[str, Tensor]],
    schedule: Schedule,
    run: Path,
    precision: str = "no",
    max_gradient: float = 1.0,
    slow: tuple[str, ...] = (),
) -> Network:
    """Minimise ``loss`` over the trainable parameters of ``model``; returns the model, trained.

    ``loss(model, step, generator, device)`` returns a dict whose ``"loss"`` is minimised; the other entries are
    logged. Random draws, checkpoints and the log are those of :func:`iterate`. Parameters whose name starts with one of
    ``slow`` learn at a tenth of the rate.
    Raises :class:`SemwaveError` when the loss is no longer finite.
    """
    accelerator = accelerated(precision)
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    groups = [
        {
            "params": [p for name, p in trainable.items() if name.startswith(slow) == is_slow],
            "share": 0.1 if is_slow else 1.0,
        }
        for is_slow in (False, True)
    ]
    optimizer = torch.optim.AdamW(groups, lr=schedule.rate, betas=(0.9, 0.99), weight_decay=1e-4, fused=True)
    model, optimizer = accelerator.prepare(model, optimizer)

    def take(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate * schedule.factor(step) * group["share"]
        with accelerator.autocast():
            terms = loss(model, step, generator, accelerator.device)
        check_finite(terms["loss"], run, step)
        optimizer.zero_grad(set_to_none=True)
        accelerator.backward(terms["loss"])
        accelerator.clip_grad_norm_(trainable.values(), max_gradient)
        optimizer.step()
        return terms

    trained = cast(Network, accelerator.unwrap_model(model))
    iterate(take, {"model": trained, "optimizer": optimizer}, schedule, run, accelerator)
    return trained.eval()

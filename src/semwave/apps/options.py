"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

ModelName = Annotated[str, typer.Option("--model", help="Model; 'semwave models' lists them. Or a CHECKPOINT.pt.")]
Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed: the same one gives the same bits.")]
LpipsWeights = Annotated[
    Path | None,
    typer.Option(envvar="SEMWAVE_LPIPS_WEIGHTS", help="Folder with LPIPS weights (default: torchvision's)."),
]

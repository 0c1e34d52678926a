"""``semwave export``: the receiver for other runtimes."""

from pathlib import Path
from typing import Annotated

import typer

from semwave.apps.options import ModelName, Size
from semwave.apps.outputs import check_outputs
from semwave.errors import printable
from semwave.zoo import DEFAULT


def export(
    out: Annotated[Path, typer.Option(help="The file to write: .onnx, or .pt2 of torch.export.")],
    k: Annotated[int | None, typer.Option(help="Real symbols a picture (default: the model's own).")] = None,
    size: Size = None,
    model: ModelName = DEFAULT,
) -> None:
    """Write the receiver as one graph, from symbols and their noise to a picture, and check that it draws the same."""
    from semwave.interop.export import export_receiver
    from semwave.model import load_model

    check_outputs([out])
    loaded = load_model(model)
    k = k or loaded.config.k
    quality = export_receiver(loaded, out, k, size)
    typer.echo(f"{printable(out)}: k = {k}, {quality:.1f} dB from the original's picture")

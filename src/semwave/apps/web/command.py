"""``semwave serve``: what it is asked, and what it prints."""

import secrets
import socket
from pathlib import Path
from typing import Annotated, Any

import typer

from semwave.apps.options import LpipsWeights, ModelName, model_file
from semwave.errors import SemwaveError
from semwave.zoo import DEFAULT, config_of

PORT = 8512
LOCAL = ("127.0.0.1", "::1", "localhost")
CONNECTIONS = 300
KEEP_ALIVE_SECONDS = 5
ENDING_SECONDS = 3


def serve(
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 for any that is free.")] = PORT,
    model: ModelName = DEFAULT,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let other machines in, who know the token that is printed.")
    ] = False,
    token: Annotated[
        str | None, typer.Option(envvar="SEMWAVE_TOKEN", help="The token (default: a new one; none on this machine).")
    ] = None,
    lpips_weights: LpipsWeights = None,
) -> None:
    """Open a page in the browser, live from a camera, and the same as an HTTP API.

    Nothing is loaded from elsewhere, and no photograph is written to the disk. Ends with Ctrl-C.
    """
    try:
        import uvicorn

        from semwave.apps.web.app import create_app
        from semwave.apps.web.guards import LOOPBACK
        from semwave.apps.web.service import Service
    except ImportError as error:
        raise SemwaveError(f"the page needs {error.name}; install it with: pip install 'semwave[web]'") from None
    local = host in LOCAL
    if not local and not allow_remote:
        raise SemwaveError(f"{host} is reached from other machines; add --allow-remote if that is meant")
    if allow_remote and token is None:
        token = secrets.token_urlsafe(24)
    if token is not None and (len(token) < 16 or not all("!" <= c <= "~" and c not in '",;\\' for c in token)):
        raise SemwaveError("the token must have at least 16 characters, letters and digits alone")
    config, load = _loader(model, lpips_weights)
    listening = _listen(host, port)
    address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}/"
    service = Service(config, load, lpips_weights is not None)
    app = create_app(service, None if allow_remote else LOOPBACK, token)
    if allow_remote:
        warning = "other machines are let in, unencrypted: whoever reads along sees photographs and the token"
        typer.echo(f"semwave: warning: {warning}; put a proxy with TLS before it", err=True)
    typer.echo(f"semwave: {address}{f'?token={token}' if token else ''}  (Ctrl-C ends it)")
    settings = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # names of kept photographs are in the addresses
        server_header=False,
        lifespan="on",
        ws_max_size=2**21,
        ws_per_message_deflate=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=ENDING_SECONDS,
    )
    try:
        uvicorn.Server(settings).run(sockets=[listening])
    except KeyboardInterrupt:
        typer.echo("semwave: ended", err=True)


def _loader(model: str, lpips_weights: Path | None) -> tuple[Any, Any]:
    """The configuration of ``model``, and what loads it. Raises :class:`SemwaveError` for one that is not there."""
    from semwave.apps.web.studio import Studio
    from semwave.generators.memory import keep_one_pool
    from semwave.model import load_model
    from semwave.pictures.metrics import LPIPS

    keep_one_pool()
    # Without a folder torchvision would download the weights.
    lpips = LPIPS("alex", lpips_weights) if lpips_weights is not None else None
    config = load_model(model).config if model_file(model) else config_of(model)
    return config, lambda: Studio(load_model(model), lpips)


def _listen(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        raise SemwaveError(f"{host}:{port} cannot be had ({error.strerror}); choose another --host or --port") from None
    return listening

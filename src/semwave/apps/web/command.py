"""``semwave serve``: what it is asked, and what it prints."""

import secrets
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semwave.apps.options import DrawnBy, LpipsWeights, ModelName, model_file
from semwave.errors import SemwaveError
from semwave.zoo import DEFAULT, config_of

if TYPE_CHECKING:
    from semwave.apps.web.service import Service

PORT = 8512
LOCAL = ("127.0.0.1", "::1", "localhost")
CONNECTIONS, BACKLOG = 300, 2048
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
    engine: DrawnBy = "torch",
) -> None:
    """Open a page in the browser, live from a camera, and the same as an HTTP API.

    Nothing is loaded from elsewhere, and no photograph is written to the disk. Ends with Ctrl-C.
    """
    try:
        import uvicorn

        from semwave.apps.web.app import create_app
        from semwave.apps.web.guards import LOOPBACK
    except ImportError as error:
        raise SemwaveError(f"the page needs {error.name}; install it with: pip install 'semwave[web]'") from None
    local = host in LOCAL
    if not local and not allow_remote:
        raise SemwaveError(f"{host} is reached from other machines; add --allow-remote if that is meant")
    if allow_remote and token is None:
        token = secrets.token_urlsafe(24)
    if token is not None and (len(token) < 16 or not all("!" <= c <= "~" and c not in '",;\\' for c in token)):
        raise SemwaveError("the token must have at least 16 characters, letters and digits alone")
    _check_model(model, lpips_weights, engine)
    listening = _listen(host, port)
    address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}/"
    if allow_remote:
        warning = "other machines are let in, unencrypted: whoever reads along sees photographs and the token"
        typer.echo(f"semwave: warning: {warning}; put a proxy with TLS before it", err=True)
    typer.echo(f"semwave: {address}{f'?token={token}' if token else ''}  (Ctrl-C ends it)")
    sys.stdout.flush()

    settings = uvicorn.Config(
        create_app(_service(model, lpips_weights, engine), None if allow_remote else LOOPBACK, token),
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
    # uvicorn ends in order and then raises the signal again.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(settings).run(sockets=[listening])


def _check_model(model: str, lpips_weights: Path | None, engine: str) -> None:
    """Raises :class:`SemwaveError` for a model, LPIPS weights or an engine that are not there."""
    from semwave.interop.engines import check_engine
    from semwave.pictures.metrics import LPIPS

    if not model_file(model):
        config_of(model)
    elif not Path(model).is_file():
        raise SemwaveError(f"{model}: no such file; check the name")
    if lpips_weights is not None:
        LPIPS("alex", lpips_weights)
    check_engine(engine)


def _service(model: str, lpips_weights: Path | None, engine: str) -> "Service":
    from semwave.apps.web.jobs import Loading, LoadingLpips
    from semwave.apps.web.service import Service
    from semwave.model import load_model

    config = load_model(model).config if model_file(model) else config_of(model)
    return Service(config, Loading(model, lpips_weights, engine), LoadingLpips(lpips_weights))


def _listen(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        raise SemwaveError(f"{host}:{port} cannot be had ({error.strerror}); choose another --host or --port") from None
    return listening

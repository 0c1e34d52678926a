"""The HTTP interface: what is asked of the service, and how it answers. ``/openapi.json`` describes it.

programs  POST /transmit, /receive, /send    GET /models, /health
the page  POST /photos, then /photos/ID/view, /transmit, /other    GET /, /static, /examples
live      WebSocket /live
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as StarletteError
from starlette.requests import ClientDisconnect

from semwave import __version__
from semwave.apps.web import jobs, live
from semwave.apps.web.asked import (
    Example,
    Failure,
    Framing,
    Health,
    ModelAnswer,
    OtherAnswer,
    PhotoAnswer,
    Receiving,
    SendAnswer,
    Sending,
    ViewAnswer,
    Viewing,
    Whole,
)
from semwave.apps.web.guards import LOOPBACK, Guards
from semwave.apps.web.others import Other, by_other
from semwave.apps.web.places import Refused
from semwave.apps.web.service import Gone, Service
from semwave.apps.web.studio import Photograph, base64_of
from semwave.apps.web.worker import TRIES, Crashed
from semwave.errors import SemwaveError, printable

STATIC = Path(__file__).parent / "static"
SYMBOLS_TYPE = "application/octet-stream"
GONE_STATUS = 499
FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": Failure, "description": text}
    for status, text in {
        400: "Foreign Host, or a body that cannot be read",
        401: "Without the token",
        403: "Foreign Origin",
        408: "The body did not come in time",
        411: "A body without its length",
        413: "A body that is too long",
        422: "What is not offered, or cannot be read",
        429: "Too many requests of this client; try again",
        500: "An error of the service",
        503: "Too many requests wait; try again",
    }.items()
}
NOT_KEPT: dict[int | str, dict[str, Any]] = {404: {"model": Failure, "description": "No such photograph"}}


def create_app(
    service: Service, hosts: frozenset[str] | None = LOOPBACK, token: str | None = None
) -> Callable[..., Any]:
    """The guarded ASGI application of ``service``; ``hosts`` and ``token`` are those of :class:`.guards.Guards`."""
    app = FastAPI(
        title="semwave",
        version=__version__,
        description="Photographs of faces as a few hundred real numbers over a noisy channel.",
        docs_url=None,  # these pages would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # a redirection decodes the query as UTF-8, which it need not be
        lifespan=service.running,
        responses=FAILURES,
    )
    app.state.service = service
    _answer_failures(app)
    _add_programs(app)
    _add_page(app)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return Guards(app, hosts, token)


def _service(request: Request) -> Service:
    return request.app.state.service


Serving = Annotated[Service, Depends(_service)]


def _body(media: str, what: str) -> dict[str, Any]:
    """The OpenAPI description of a body that is the bytes of a file."""
    content = {media: {"schema": {"type": "string", "format": "binary", "description": what}}}
    return {"requestBody": {"required": True, "content": content}}


def _file(media: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {media: {"schema": {"type": "string", "format": "binary"}}}}}


PICTURE_BODY = _body("application/octet-stream", "A JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF, JPEG 2000 or PPM file")


@asynccontextmanager
async def _place(request: Request, service: Service, others: bool = False) -> AsyncIterator[None]:
    """A place for the request until it is answered, taken before its body is read."""
    client = request.client.host if request.client else ""
    service.rates.take(client)
    async with (service.others if others else service.worker).place(client):
        yield


def _add_programs(app: FastAPI) -> None:
    @app.get("/health")
    async def health(service: Serving) -> Health:
        """Whether the service is ready, and how much it has to do."""
        return service.health()

    @app.get("/models")
    async def models(service: Serving) -> list[ModelAnswer]:
        """The model that is served."""
        return [service.described()]

    @app.post("/transmit", openapi_extra=PICTURE_BODY, response_class=Response, responses=_file(SYMBOLS_TYPE))
    async def transmit(request: Request, service: Serving, asked: Annotated[Whole, Query()]) -> Response:
        """A picture as symbols with their header: the file that ``semwave transmit`` writes."""
        async with _place(request, service):
            data = await service.work(request, jobs.transmit, await request.body(), asked)
        return Response(data, media_type=SYMBOLS_TYPE)

    @app.post(
        "/receive",
        openapi_extra=_body(SYMBOLS_TYPE, "Received symbols with their header, .safetensors"),
        response_class=Response,
        responses=_file("image/png"),
    )
    async def receive(request: Request, service: Serving, asked: Annotated[Receiving, Query()]) -> Response:
        """The picture that received symbols describe, as PNG."""
        async with _place(request, service):
            data = await service.work(request, jobs.receive, await request.body(), asked)
        return Response(data, media_type="image/png")

    @app.post("/send", openapi_extra=PICTURE_BODY)
    async def send(request: Request, service: Serving, asked: Annotated[Whole, Query()]) -> SendAnswer:
        """A picture through the whole chain: the report's row and the received picture, a PNG in base64."""
        async with _place(request, service):
            return await service.work(request, jobs.send, await request.body(), asked)


def _photo(service: Serving, name: str) -> Photograph:
    photo = service.photographs.get(name)
    if photo is None:
        raise HTTPException(404, "this photograph is no longer kept; give it again")
    return photo


Kept = Annotated[Photograph, Depends(_photo)]


def _add_page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    @app.get("/examples")
    async def examples(request: Request, service: Serving) -> list[Example]:
        """Pictures to try: faces that the model made up, and the astronaut."""
        return await service.tried(request)

    @app.get("/examples/{number}", response_class=Response, responses=_file("image/jpeg") | NOT_KEPT)
    async def example(number: int, request: Request, service: Serving) -> Response:
        """The picture of an example."""
        await service.tried(request)
        if number not in service.examples:
            raise HTTPException(404, "there is no such example; /examples lists them")
        return Response(service.examples[number], media_type="image/jpeg")

    @app.post("/photos", openapi_extra=PICTURE_BODY)
    async def photos(request: Request, service: Serving, asked: Annotated[Framing, Query()]) -> PhotoAnswer:
        """Keep a picture, in the frame, for a while and in memory."""

        async with _place(request, service):
            photo, sent = await service.work(request, jobs.photograph, await request.body(), asked)
        labels = None if photo.labels is None else base64_of(photo.labels.tobytes())
        name = service.photographs.put(photo)
        return PhotoAnswer(id=name, size=photo.size, sent=sent, note=photo.note, labels=labels, seconds=photo.seconds)

    @app.delete("/photos/{name}", status_code=204, responses=NOT_KEPT)
    async def forget(name: str, service: Serving) -> None:
        """Forget a kept picture."""
        if service.photographs.get(name) is None:
            raise HTTPException(404, "this photograph is no longer kept")
        service.photographs.drop(name)

    @app.post("/photos/{name}/view", responses=NOT_KEPT)
    async def view(name: str, request: Request, photo: Kept, service: Serving, asked: Viewing) -> ViewAnswer:
        """A kept picture over the channel. Its codes are found once for each privacy."""
        async with _place(request, service):
            return await service.work(request, jobs.view, name, photo, asked)

    @app.post("/photos/{name}/transmit", response_class=Response, responses=_file(SYMBOLS_TYPE) | NOT_KEPT)
    async def symbols(name: str, request: Request, photo: Kept, service: Serving, asked: Sending) -> Response:
        """The symbols of a kept picture with their header."""
        async with _place(request, service):
            data = await service.work(request, jobs.symbols, name, photo, asked)
        return Response(data, media_type=SYMBOLS_TYPE)

    @app.post("/photos/{name}/other", responses=NOT_KEPT)
    async def other(
        request: Request, photo: Kept, service: Serving, scheme: Annotated[Other, Query()], asked: Sending
    ) -> OtherAnswer:
        """A kept picture by another scheme at the same k: separation, or Deep JSCC."""
        k = asked.k or service.config.k
        async with _place(request, service, others=True):
            return await service.work(request, by_other, photo, scheme, k, asked, others=True)

    @app.websocket("/live")
    async def stream(socket: WebSocket) -> None:
        await live.serve(socket, socket.app.state.service)


def _answer_failures(app: FastAPI) -> None:
    def failed(status: int, error: str, **headers: str) -> JSONResponse:
        return JSONResponse({"error": printable(error)}, status, headers=headers)

    @app.exception_handler(SemwaveError)
    async def wrong(_: Request, error: Exception) -> JSONResponse:
        return failed(422, str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"][1:]) or "the body"
        return failed(422, f"{where}: {first['msg']}")

    @app.exception_handler(StarletteError)
    async def refused(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, StarletteError)
        return JSONResponse({"error": printable(error.detail)}, error.status_code, headers=error.headers)

    @app.exception_handler(Refused)
    async def later(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Refused)
        return failed(error.status, str(error), **{"retry-after": str(error.seconds)})

    @app.exception_handler(Crashed)
    async def crashed(_: Request, error: Exception) -> JSONResponse:
        return failed(500, f"this ended the process that worked on it, {TRIES} times; it is not tried again")

    @app.exception_handler(MemoryError)
    async def full(_: Request, error: Exception) -> JSONResponse:
        return failed(503, "there is not enough memory for this now; try again, or a smaller picture")

    @app.exception_handler(Gone)
    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, error: Exception) -> JSONResponse:
        return failed(GONE_STATUS, "nobody waits for this")

    @app.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> JSONResponse:
        return failed(500, "this failed inside the service; try again")

"""What all requests share: the model's worker and the one for other schemes, and the photographs of the page."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from starlette.requests import Request

from semwave import __version__
from semwave.air.channels import CHANNELS
from semwave.air.transports import ECHOES
from semwave.apps.web.asked import Example, Health, ModelAnswer, offered_ks
from semwave.apps.web.shelf import Shelf
from semwave.apps.web.studio import EXAMPLES, Photograph, Studio
from semwave.apps.web.worker import Places, Worker
from semwave.errors import SemwaveError
from semwave.pictures import images
from semwave.zoo import ModelConfig

Result = TypeVar("Result")
OTHER_PLACES, CAMERAS = 4, 2
TIDYING_SECONDS = 60
log = logging.getLogger(__name__)


class Gone(Exception):
    """Who asked has hung up."""


class Service:
    """A model that ``load`` gives, of configuration ``config``. Requests wait until it is loaded."""

    def __init__(self, config: ModelConfig, load: Callable[[], Studio], lpips: bool = False):
        self.config, self.load, self.lpips = config, load, lpips
        self.worker, self.others = Worker("model"), Worker("others", OTHER_PLACES)
        self.cameras = Places(CAMERAS)
        self.photographs: Shelf[Photograph] = Shelf()
        self.examples: dict[int, bytes] = {}
        self._studio: Studio | None = None
        self._failure = ""

    @asynccontextmanager
    async def running(self, *_: object) -> AsyncIterator[None]:
        """Load the model in its thread while requests are answered already; end with the threads."""
        tasks = [asyncio.create_task(self.worker.run(self._start)), asyncio.create_task(self._tidy())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*tasks, return_exceptions=True)
            self.worker.stop()
            self.others.stop()

    async def work(
        self, job: Callable[[Studio], Result], request: Request | None = None, worker: Worker | None = None
    ) -> Result:
        """What ``job`` gives in the thread of ``worker``, the model's without one. Given up when ``request`` hangs up
        before its turn.

        Raises:
            Gone: it has.
        """
        running = asyncio.ensure_future((worker or self.worker).run(lambda: job(self.studio())))
        if request is None:
            return await running
        watching = asyncio.ensure_future(_hung_up(request))
        try:
            await asyncio.wait({running, watching}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                raise Gone
            return running.result()
        finally:
            watching.cancel()
            running.cancel()

    def studio(self) -> Studio:
        """The loaded model. Raises :class:`SemwaveError` where it could not be loaded."""
        if self._studio is None:
            raise SemwaveError(self._failure or "the model is still being loaded; try again in a moment")
        return self._studio

    async def tried(self, request: Request) -> list[Example]:
        """The examples that the model has, once it is loaded."""
        await self.work(lambda studio: studio, request)
        return [example for example in EXAMPLES if example.number in self.examples]

    def health(self) -> Health:
        """How the service is."""
        status = "ready" if self._studio else "broken" if self._failure else "loading"
        return Health(
            status=status,
            version=__version__,
            waiting=self.worker.waiting,
            places=self.worker.places,
            photographs=len(self.photographs),
        )

    def described(self) -> ModelAnswer:
        """What the model offers."""
        return ModelAnswer(
            name=self.config.name,
            sizes=sorted(self.config.sizes),
            size=self.config.size,
            ks=list(offered_ks(self.config)),
            k=self.config.k,
            parts=list(self.config.layout.parts),
            channels=[*CHANNELS, *ECHOES],
            licence=self.config.licence,
            lpips=self.lpips,
        )

    def _start(self) -> None:
        try:
            studio = self.load()
            for example in EXAMPLES:
                with suppress(SemwaveError):  # a checkpoint's model may not make up faces
                    picture = studio.example(example.number)
                    self.examples[example.number] = images.encode_image(picture, ".jpg")
            self._studio = studio
        except SemwaveError as error:
            self._failure = str(error)
            log.error("the model cannot be loaded: %s", error)
        except Exception as error:
            self._failure = f"the model cannot be loaded ({type(error).__name__})"
            log.exception("the model cannot be loaded")

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDYING_SECONDS)
            self.photographs.tidy()


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass

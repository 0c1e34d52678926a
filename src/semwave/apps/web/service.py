"""What all requests share: the model's worker and the one for other schemes, and the photographs of the page."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager, suppress
from typing import Any

from starlette.requests import Request

from semwave import __version__
from semwave.air.channels import CHANNELS
from semwave.air.transports import ECHOES
from semwave.apps.web import jobs
from semwave.apps.web.asked import Example, Health, ModelAnswer, offered_ks
from semwave.apps.web.places import Places, Rates
from semwave.apps.web.shelf import Shelf
from semwave.apps.web.studio import EXAMPLES, Photograph, Studio
from semwave.apps.web.worker import Worker, process
from semwave.errors import SemwaveError
from semwave.pictures.metrics import LPIPS
from semwave.zoo import ModelConfig

OTHER_PLACES, CAMERAS = 4, 2
TIDYING_SECONDS = 60
log = logging.getLogger(__name__)


class Gone(Exception):
    """Who asked has hung up."""


class Service:
    """A model of configuration ``config``, which ``load`` loads, and LPIPS(alex), if any, which ``judge`` does, each in
    an executor that ``pool`` makes. Requests wait until it is loaded."""

    def __init__(
        self,
        config: ModelConfig,
        load: Callable[[], Studio],
        judge: Callable[[], LPIPS | None] | None = None,
        pool: Callable[[], Executor] = process,
    ):
        self.config, self.lpips = config, judge is not None
        self.worker = Worker(load, pool)
        self.others = Worker(judge or _nothing, pool, OTHER_PLACES, OTHER_PLACES)
        self.cameras, self.rates = Places(CAMERAS, CAMERAS), Rates()
        self.photographs: Shelf[Photograph] = Shelf()
        self.examples: dict[int, bytes] = {}
        self.status = "loading"

    @asynccontextmanager
    async def running(self, *_: object) -> AsyncIterator[None]:
        """Load the model in its process while requests are answered already; end with the processes."""
        self.worker.start()
        self.others.start()
        loading = self.worker.submit(jobs.examples)
        tasks = [asyncio.create_task(self._wait_for(loading)), asyncio.create_task(self._tidy())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(self.worker.stop(), self.others.stop())

    async def work(self, request: Request, function: Callable[..., Any], *given: Any, others: bool = False) -> Any:
        """What ``function`` of the studio and ``given`` gives in the model's process, or of LPIPS in that of the
        ``others``. Given up when ``request`` hangs up before its turn.

        Raises:
            Gone: it has.
        """
        answer = (self.others if others else self.worker).submit(function, *given)
        watching = asyncio.ensure_future(_hung_up(request))
        try:
            await asyncio.wait({answer, watching}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise Gone
            return answer.result()
        finally:
            watching.cancel()
            answer.cancel()

    async def tried(self, request: Request) -> list[Example]:
        """The examples that the model has, once it is loaded."""
        if not self.examples:
            self.examples = await self.work(request, jobs.examples)
        return [example for example in EXAMPLES if example.number in self.examples]

    def health(self) -> Health:
        """How the service is."""
        return Health(
            status=self.status,
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

    async def _wait_for(self, loading: asyncio.Future) -> None:
        try:
            self.examples = await loading
            self.status = "ready"
        except SemwaveError as error:
            self.status = "broken"
            log.error("the model cannot be loaded: %s", error)
        except Exception:
            self.status = "broken"
            log.exception("the model cannot be loaded")

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDYING_SECONDS)
            self.photographs.tidy()
            await self.worker.submit(Studio.forget, self.photographs.names)


def _nothing() -> None:
    """Other schemes are compared without LPIPS."""


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass

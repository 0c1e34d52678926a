"""Many at once, some of whom hang up: the queue has an end, the thread is one, and nothing is left over."""

import asyncio
import threading

import httpx
import pytest

from semwave.apps.web.service import Service
from semwave.apps.web.shelf import Shelf
from semwave.apps.web.studio import Studio
from semwave.apps.web.worker import PLACES, Busy, Worker
from semwave.errors import SemwaveError


def asking(app):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


def held_up(model, monkeypatch):
    """Has inversion wait until the returned event is set."""
    invert, go = model.invert, threading.Event()
    monkeypatch.setattr(model, "invert", lambda *given: (go.wait(20), invert(*given))[1])
    return go


def test_more_than_may_wait_are_told_so_at_once(app, service, model, picture, monkeypatch):
    go = held_up(model, monkeypatch)

    async def ask():
        async with service.running(), asking(app) as client:
            posts = [asyncio.create_task(client.post("/send?aligned=true", content=picture)) for _ in range(30)]
            refused = []
            while len(refused) < 30 - PLACES:
                await asyncio.sleep(0.01)
                refused = [post.result() for post in posts if post.done()]
            assert (await client.get("/health")).json()["waiting"] == PLACES
            go.set()
            answers = await asyncio.gather(*posts)
            assert (await client.post("/send?aligned=true", content=picture)).status_code == 200
        return refused, answers

    refused, answers = asyncio.run(asyncio.wait_for(ask(), 60))
    assert {answer.status_code for answer in refused} == {503}
    assert all("try again" in answer.json()["error"] and answer.headers["retry-after"] for answer in refused)
    assert sorted(answer.status_code for answer in answers) == [200] * PLACES + [503] * (30 - PLACES)
    assert len({answer.content for answer in answers if answer.status_code == 503}) == 1
    assert service.worker.waiting == 0


def test_who_hangs_up_is_not_worked_on(app, service, model, picture, monkeypatch):
    go = held_up(model, monkeypatch)

    async def ask():
        async with service.running(), asking(app) as client:
            posts = [asyncio.create_task(client.post("/send?aligned=true", content=picture))]
            await asyncio.sleep(0.5)  # it is being worked on
            posts += [asyncio.create_task(client.post("/send?aligned=true", content=picture)) for _ in range(4)]
            while service.worker.waiting < 5:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)
            for post in posts[1:]:
                post.cancel()
            await asyncio.gather(*posts[1:], return_exceptions=True)
            assert service.worker.waiting == 1
            await asyncio.sleep(0.2)
            go.set()
            assert (await posts[0]).status_code == 200
            assert (await client.get("/health")).json()["waiting"] == 0

    asyncio.run(asyncio.wait_for(ask(), 60))
    assert model.inversions == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [(MemoryError(), 503), (ValueError("secret"), 500), (SystemExit(3), 500), (SemwaveError("so"), 422)],
)
def test_a_job_that_ends_badly_leaves_the_service_well(client, model, picture, monkeypatch, error, status):
    def fail(*_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(model, "invert", fail)
        answer = client.post("/send?aligned=true", content=picture)
    assert answer.status_code == status and "secret" not in answer.text
    assert client.post("/send?aligned=true", content=picture).status_code == 200


def test_a_model_that_cannot_be_loaded_says_why(model, picture):
    def load() -> Studio:
        raise SemwaveError("weights are missing")

    service = Service(model.config, load)

    async def ask():
        async with service.running():
            with pytest.raises(SemwaveError, match="weights are missing"):
                await service.work(lambda studio: studio)
            return service.health()

    assert asyncio.run(ask()).status == "broken"


def test_a_worker_has_one_thread():
    async def ask():
        worker = Worker("test")
        found = await asyncio.gather(*(worker.run(threading.get_ident) for _ in range(20)))
        worker.stop()
        return set(found)

    assert len(asyncio.run(ask())) == 1


def test_places_are_given_back():
    async def ask():
        worker = Worker("test", places=1)
        with pytest.raises(RuntimeError):
            async with worker.place():
                with pytest.raises(Busy):
                    async with worker.place():
                        pass
                raise RuntimeError
        async with worker.place():
            return worker.waiting

    assert asyncio.run(ask()) == 1


def test_a_shelf_forgets_the_longest_unused():
    now = [0.0]
    shelf: Shelf[str] = Shelf(most=2, seconds=10, clock=lambda: now[0])
    a, b = shelf.put("a"), shelf.put("b")
    assert shelf.get(a) == "a"
    c = shelf.put("c")
    assert [shelf.get(name) for name in (a, b, c)] == ["a", None, "c"]
    now[0] = 9
    assert shelf.get(a) == "a"
    now[0] = 11
    assert [shelf.get(name) for name in (a, c)] == ["a", None] and len(shelf) == 1
    shelf.drop(a)
    shelf.drop("never there")
    assert len(shelf) == 0

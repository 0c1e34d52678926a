"""Many at once, some of whom hang up: the queue has an end, the process is one, and nothing is left over."""

import asyncio
import os
import threading
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from contextlib import AsyncExitStack

import httpx
import pytest
import worker_jobs

from semwave.apps.web import places
from semwave.apps.web.places import Places, Rates, Refused
from semwave.apps.web.service import Service
from semwave.apps.web.shelf import Shelf
from semwave.apps.web.studio import Studio
from semwave.apps.web.worker import OWN, PLACES, TRIES, Crashed, Worker
from semwave.errors import SemwaveError


def asking(app, address="127.0.0.1"):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(address, 1)), base_url="http://localhost")


def held_up(model, monkeypatch):
    """Has inversion wait until the returned event is set."""
    invert, go = model.invert, threading.Event()
    monkeypatch.setattr(model, "invert", lambda *given: (go.wait(20), invert(*given))[1])
    return go


def test_more_than_may_wait_are_told_so_at_once(app, service, model, picture, monkeypatch):
    go = held_up(model, monkeypatch)

    async def ask():
        async with service.running(), AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(asking(app, f"127.0.0.{n}")) for n in range(1, 31)]
            posts = [asyncio.create_task(client.post("/send?aligned=true", content=picture)) for client in clients]
            refused = []
            while len(refused) < 30 - PLACES:
                await asyncio.sleep(0.01)
                refused = [post.result() for post in posts if post.done()]
            assert (await clients[0].get("/health")).json()["waiting"] == PLACES
            go.set()
            answers = await asyncio.gather(*posts)
            assert (await clients[0].post("/send?aligned=true", content=picture)).status_code == 200
        return refused, answers

    refused, answers = asyncio.run(asyncio.wait_for(ask(), 60))
    assert {answer.status_code for answer in refused} == {503}
    assert all("try again" in answer.json()["error"] and answer.headers["retry-after"] for answer in refused)
    assert sorted(answer.status_code for answer in answers) == [200] * PLACES + [503] * (30 - PLACES)
    assert len({answer.content for answer in answers if answer.status_code == 503}) == 1
    assert service.worker.waiting == 0


def test_a_client_leaves_places_for_others(app, service, model, picture, monkeypatch):
    go = held_up(model, monkeypatch)

    async def ask():
        async with service.running(), asking(app) as client, asking(app, "127.0.0.2") as other:
            posts = [asyncio.create_task(client.post("/send?aligned=true", content=picture)) for _ in range(OWN + 3)]
            while sum(post.done() for post in posts) < 3:
                await asyncio.sleep(0.01)
            posts.append(asyncio.create_task(other.post("/send?aligned=true", content=picture)))
            await asyncio.sleep(0.1)
            go.set()
            return await asyncio.gather(*posts)

    *own, others = asyncio.run(asyncio.wait_for(ask(), 60))
    refused = [answer for answer in own if answer.status_code == 429]
    assert others.status_code == 200 and len(refused) == 3
    assert all("of your requests" in answer.json()["error"] and answer.headers["retry-after"] for answer in refused)


def test_who_asks_too_often_is_told_so(client, service, picture, monkeypatch):
    monkeypatch.setattr(places, "PER_SECOND", 0.001)
    monkeypatch.setattr(places, "AT_ONCE", 3.0)
    answers = [client.post("/send?aligned=true", content=picture) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 2
    assert "too often" in answers[-1].json()["error"] and answers[-1].headers["retry-after"]
    assert client.get("/health").status_code == 200


def test_tokens_come_back_and_clients_are_forgotten(monkeypatch):
    monkeypatch.setattr(places, "MOST_CLIENTS", 10)
    now = [0.0]
    rates = Rates(clock=lambda: now[0])
    for _ in range(int(places.AT_ONCE)):
        rates.take("a")
    with pytest.raises(Refused, match="too often"):
        rates.take("a")
    rates.take("b")
    now[0] += 1 / places.PER_SECOND
    rates.take("a")
    for name in range(1000):
        now[0] += 1
        rates.take(str(name))
    assert len(rates._tokens) <= places.AT_ONCE / places.PER_SECOND + 10


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

    service = Service(model.config, load, pool=lambda: ThreadPoolExecutor(1))

    async def ask():
        async with service.running():
            with pytest.raises(SemwaveError, match="weights are missing"):
                await service.worker.submit(Studio.transmit)
            return service.health()

    assert asyncio.run(ask()).status == "broken"


async def worked(load, *given):
    """What jobs give in a process of their own, exceptions included, and the worker."""
    worker = Worker(load)
    worker.start()
    answers = await asyncio.gather(*(worker.submit(*job) for job in given), return_exceptions=True)
    await worker.stop()
    return answers, worker


def test_a_worker_is_one_process():
    answers, _ = asyncio.run(worked(worker_jobs.load, *[(worker_jobs.process_of,)] * 5))
    assert len(set(answers)) == 1 and os.getpid() not in answers


def test_a_job_whose_process_dies_is_done_again_and_who_waits_does_not_notice(tmp_path):
    died = tmp_path / "died"
    answers, worker = asyncio.run(
        worked(worker_jobs.load, (worker_jobs.die_once, died), (worker_jobs.add, 1), (worker_jobs.add, 2))
    )
    assert answers == ["alive", worker_jobs.LOADED + 1, worker_jobs.LOADED + 2] and worker.deaths == 1


def test_a_job_that_always_ends_its_process_is_given_up():
    answers, worker = asyncio.run(worked(worker_jobs.load, (worker_jobs.die,), (worker_jobs.add, 1)))
    assert isinstance(answers[0], Crashed) and answers[1] == worker_jobs.LOADED + 1 and worker.deaths == TRIES


def test_what_ends_a_process_every_time_is_said(client, model, picture, monkeypatch):
    def die(*_):
        raise BrokenExecutor

    monkeypatch.setattr(model, "invert", die)
    answer = client.post("/send?aligned=true", content=picture)
    assert answer.status_code == 500 and "not tried again" in answer.json()["error"]


def test_places_are_given_back():
    async def ask():
        places = Places(1, 1)
        with pytest.raises(RuntimeError):
            async with places.place("a"):
                with pytest.raises(Refused):
                    async with places.place("b"):
                        pass
                raise RuntimeError
        async with places.place("b"):
            return places.waiting

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

"""One contract for whatever does work: every unit once, failures told, the same as one after the other."""

import os
import threading
from functools import partial
from pathlib import Path

import pytest

from semwave.errors import SemwaveError
from semwave.work.cluster import Cluster, _join
from semwave.work.local import Local

TESTS = Path(__file__).parents[1]


ENGINES = {
    "one by one": lambda: Local(0, 1),
    "in batches": lambda: Local(0, 4),
    "beside": lambda: Local(2, 1),
    "beside, in batches": lambda: Local(3, 4),
    "Ray": lambda: Cluster("", 4),
}


@pytest.fixture(params=ENGINES)
def engine(request):
    if request.param == "Ray":
        request.getfixturevalue("ray")
    return ENGINES[request.param]()


class Squares:
    """Squares numbers, each into a file of its own; what is in ``bad``, by the step, cannot be done."""

    def __init__(self, folder, bad=()):
        self.folder, self.bad = folder, dict(bad)

    def refuse(self, step, number):
        if self.bad.get(number) == step:
            raise SemwaveError(f"{number} cannot be {step}")

    def prepare(self, unit):
        self.refuse("prepared", unit)
        return unit

    def process(self, batch):
        for number in batch:
            self.refuse("processed", number)
        return [(number, number * number) for number in batch]

    def finish(self, made):
        self.refuse("written", made[0])
        with (self.folder / f"{made[0]}.txt").open("x") as file:  # a second time is an error
            file.write(str(made[1]))
        return made[1]


COUNT = 23
"""No multiple of a batch."""


def test_every_unit_is_done_once_and_failures_stop_no_other(engine, tmp_path):
    bad = {3: "prepared", 4: "processed", 5: "processed", 22: "prepared"}
    outcomes = list(engine(partial(Squares, tmp_path, bad), range(COUNT)))
    assert sorted(outcome.unit for outcome in outcomes) == list(range(COUNT))
    assert {o.unit: o.failure for o in outcomes if o.failure} == {n: f"{n} cannot be {step}" for n, step in bad.items()}
    done = {o.unit: o.result for o in outcomes if not o.failure}
    assert done == {number: number * number for number in range(COUNT) if number not in bad}
    assert {int(path.stem): int(path.read_text()) for path in tmp_path.iterdir()} == done


def test_nothing_to_do_is_done_at_once(engine, tmp_path):
    assert list(engine(partial(Squares, tmp_path), [])) == []


def test_what_cannot_be_written_ends_the_run(engine, tmp_path):
    with pytest.raises(SemwaveError, match="2 cannot be written"):
        list(engine(partial(Squares, tmp_path, {2: "written"}), range(COUNT)))


def test_few_units_are_in_memory(engine, tmp_path):
    """A run of a million photographs must not read their names, or worse, ahead."""
    taken = 0

    def units():
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield number

    outcomes = engine(partial(Squares, tmp_path), units())
    next(outcomes)
    assert taken <= 40
    outcomes.close()


@pytest.mark.parametrize("name", ["beside", "beside, in batches"])
def test_outcomes_come_in_the_order_of_the_units(name, tmp_path):
    outcomes = ENGINES[name]()(partial(Squares, tmp_path), range(COUNT))
    assert [outcome.unit for outcome in outcomes] == list(range(COUNT))


@pytest.mark.parametrize("batch", [1, 4])
def test_reading_writing_and_the_network_go_on_at_the_same_time(batch, tmp_path):
    """Each of three steps waits for the others: without threads beside the network this would not end."""
    together = threading.Barrier(3, timeout=20)
    met = set()

    class Meeting(Squares):
        def meet(self, step, number):
            # The first batch is written, the second one processed, the third one read.
            place = number // batch
            if number % batch == 0 and {"finish": 0, "process": 1, "prepare": 2}[step] == place:
                together.wait()
                met.add(step)

        def prepare(self, unit):
            self.meet("prepare", unit)
            return unit

        def process(self, units):
            self.meet("process", units[0])
            return super().process(units)

        def finish(self, made):
            self.meet("finish", made[0])
            return super().finish(made)

    list(Local(2, batch)(lambda: Meeting(tmp_path), range(3 * batch)))
    assert met == {"prepare", "process", "finish"}


class Dying(Squares):
    """Ends its process the first time that it meets 7, and every time that it meets 9."""

    def prepare(self, unit):
        mark = self.folder.parent / f"met-{unit}"
        if unit == 9 or (unit == 7 and not mark.exists()):
            mark.touch()
            os._exit(1)
        return unit

    def finish(self, made):
        (self.folder / f"{made[0]}.txt").write_text(str(made[1]))
        return made[1]


def test_a_process_that_dies_costs_nothing_but_time(ray, tmp_path):
    (tmp_path / "out").mkdir()
    outcomes = list(Cluster("", 4)(partial(Dying, tmp_path / "out"), range(12)))
    assert sorted(outcome.unit for outcome in outcomes) == list(range(12))
    (lost,) = [outcome for outcome in outcomes if outcome.failure]
    assert lost.unit == 9 and "died 6 times" in lost.failure
    assert len(list((tmp_path / "out").iterdir())) == 11


def test_a_cluster_that_does_not_answer_is_one_error_at_once():
    ray = pytest.importorskip("ray")
    with pytest.raises(SemwaveError, match=r"no Ray cluster at 127\.0\.0\.1:1 \(.*refused"):
        _join(ray, "127.0.0.1:1")

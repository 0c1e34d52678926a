"""Pieces of something large: made once, whatever ends a run; those of other settings are others."""

from functools import partial

import pytest
import torch

from semwave.errors import SemwaveError
from semwave.work.local import Local
from semwave.work.pieces import Pieces

COUNT = 9


class Halves:
    """Halves numbers; counts, and stops where it is told to."""

    def __init__(self, done, stop=None):
        self.done, self.stop = done, stop

    def prepare(self, unit):
        if unit == 4:
            raise SemwaveError("4 cannot be halved")
        return unit

    def process(self, batch):
        if self.stop in batch:
            raise KeyboardInterrupt
        self.done += batch
        return [torch.tensor(unit / 2) for unit in batch]

    def finish(self, made):
        return made


def results(tmp_path, done, stop=None, about=("a", 1), engine=None):
    pieces = Pieces(tmp_path / "whole.pt", about, str)
    outcomes = list(pieces(engine or Local(0, 1), partial(Halves, done, stop), range(COUNT)))
    assert sorted(outcome.unit for outcome in outcomes) == list(range(COUNT))
    assert [outcome.unit for outcome in outcomes if outcome.result is None] == [4]
    return {outcome.unit: outcome.result.item() for outcome in outcomes if outcome.result is not None}


@pytest.mark.parametrize("engine", [Local(0, 1), Local(2, 3)])
def test_a_stopped_run_goes_on(engine, tmp_path):
    first, rest, none = [], [], []
    with pytest.raises(KeyboardInterrupt):
        results(tmp_path, first, stop=7, engine=engine)
    # With threads beside the network, how far it came is chance; what is there is not made again, and nothing else is.
    saved = {int(path.stem) for path in tmp_path.rglob("*.pt")}
    assert saved == {0, 1, 2, 3, 5, 6} if engine.workers == 0 else saved <= set(first)
    whole = results(tmp_path, rest, engine=engine)
    assert whole == {unit: unit / 2 for unit in range(COUNT) if unit != 4}
    assert sorted(rest) == sorted({*whole} - saved) and len(list(tmp_path.rglob("*.pt"))) == len(whole)
    assert results(tmp_path, none) == whole and none == []


def test_other_settings_have_pieces_of_their_own(tmp_path):
    done = []
    results(tmp_path, done)
    results(tmp_path, done, about=("a", 2))
    assert len(done) == 2 * (COUNT - 1)


def test_nothing_stays_once_all_is_made(tmp_path):
    results(tmp_path, [])
    results(tmp_path, [], about=("b",))
    Pieces(tmp_path / "whole.pt", ("a", 1), str).remove()
    (other,) = tmp_path.iterdir()
    assert other == Pieces(tmp_path / "whole.pt", ("b",), str).folder
    Pieces(tmp_path / "none.pt", (), str).remove()

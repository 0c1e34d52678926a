"""A short fuzz of every reader, and the inputs that were taken badly once."""

import importlib.util
import random
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
found = importlib.util.spec_from_file_location("fuzz", ROOT / "scripts" / "fuzz.py")
fuzz = importlib.util.module_from_spec(found)
found.loader.exec_module(fuzz)
READERS, SEEDS = fuzz.readers(), fuzz.seeds()
INPUTS = 60
KEPT = sorted(fuzz.CRASHES.iterdir()) if fuzz.CRASHES.is_dir() else []


def test_every_reader_has_a_whole_file_to_begin_with():
    assert set(READERS) == set(SEEDS)


@pytest.mark.parametrize("name", sorted(READERS))
def test_changed_files_are_read_or_refused_in_one_line(name, tmp_path):
    path, draw = fuzz.name_in(tmp_path, name), random.Random(name)
    for _ in range(INPUTS):
        path.write_bytes(fuzz.mutated(SEEDS[name], draw))
        assert fuzz.complaint(READERS[name], path) is None, path.read_bytes()


@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.name)
def test_what_was_taken_badly_once_is_not_again(kept, tmp_path):
    name = kept.name.partition("-")[2]
    path = fuzz.name_in(tmp_path, name)
    path.write_bytes(kept.read_bytes())
    assert fuzz.complaint(READERS[name], path) is None


def test_a_reader_that_fails_hangs_or_says_too_much_is_noticed(tmp_path, monkeypatch):
    from semwave.errors import SemwaveError

    def fail(_):
        raise ValueError("no")

    class Long(SemwaveError):
        def __str__(self):
            return "one\ntwo"

    def say(_):
        raise Long

    def hang(_):
        while True:
            pass

    monkeypatch.setattr(fuzz, "LONGEST", 0.05)
    assert fuzz.complaint(fail, tmp_path) == "ValueError: no"
    assert "several lines" in fuzz.complaint(say, tmp_path)
    assert "took more" in fuzz.complaint(hang, tmp_path)

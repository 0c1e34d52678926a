"""A short run of what scripts/air_fuzz.py does at length: hostile samples, metadata and packets."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "air_fuzz.py"
found = importlib.util.spec_from_file_location("air_fuzz", SCRIPT)
air_fuzz = importlib.util.module_from_spec(found)
found.loader.exec_module(air_fuzz)


def test_hostile_samples_reach_the_decoders_and_break_nothing(monkeypatch):
    monkeypatch.setattr(air_fuzz, "WHOLE", 50)
    row = air_fuzz.of_samples(150, np.random.default_rng(1))
    assert row["found"] and row["refused"]["broken header"] and row["refused"]["another version"]


def test_hostile_metadata_is_read_or_refused_in_one_line():
    assert 0 < air_fuzz.of_metadata(500, 1)["metadata_refused"] <= 500


def test_good_packets_come_through_after_hostile_ones():
    pytest.importorskip("zmq", reason="ZMQ is the extra semwave[air]")
    row = air_fuzz.of_packets(60, np.random.default_rng(1))
    assert row["udp_samples"] and row["zmq_samples"] and row["strangers"]

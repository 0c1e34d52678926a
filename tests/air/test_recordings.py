"""Recordings: what is written is read, by others too, and what is hostile is refused in one line."""

import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semwave import SemwaveError
from semwave.air.recordings import raw_pieces, read_recording, write_recording

SAMPLES = (np.arange(300_000) * (1 + 2j) / 1e6).astype(np.complex64)


def test_a_recording_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "x.sigmf-meta"
    write_recording(path, SAMPLES, 2e6, 433e6, "a test")
    recording = read_recording(path)
    assert (recording.sample_rate, recording.frequency) == (2e6, 433e6)
    assert np.array_equal(recording.samples(), SAMPLES) and len(list(recording.pieces())) > 1


def test_the_sigmf_package_takes_it_for_valid(tmp_path):
    import sigmf

    path = tmp_path / "x.sigmf-meta"
    write_recording(path, SAMPLES[:100], 1e6, None, "a test")
    file = sigmf.sigmffile.fromfile(str(path))
    file.validate()
    np.testing.assert_array_equal(file.read_samples(), SAMPLES[:100])


def test_half_a_sample_at_the_end_is_left_out():
    pieces = list(raw_pieces(io.BytesIO(SAMPLES[:10].tobytes()[:-3])))
    assert np.array_equal(np.concatenate(pieces), SAMPLES[:9])


GOOD = {"global": {"core:datatype": "cf32_le", "core:sample_rate": 1e6, "core:version": "1.0.0"}, "captures": []}
BAD = {
    "no JSON": ("{", "not metadata"),
    "a list": ("[]", "not metadata"),
    "deep": ("[" * 100_000, "not metadata"),
    "no type": ('{"global": {}}', "not metadata"),
    "another type": ('{"global": {"core:datatype": "ci16_le"}}', "must be cf32_le"),
    "a type that breaks lines": ('{"global": {"core:datatype": "a\\nb"}}', "must be cf32_le"),
    "two channels": ('{"global": {"core:datatype": "cf32_le", "core:num_channels": 2}}', "one channel"),
    "somewhere else": ('{"global": {"core:datatype": "cf32_le", "core:dataset": "/etc/passwd"}}', "one channel"),
    "no samples": (json.dumps(GOOD), "is not there"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_metadata_is_refused(kind, tmp_path):
    text, message = BAD[kind]
    (tmp_path / "x.sigmf-meta").write_text(text)
    with pytest.raises(SemwaveError, match=message) as caught:
        read_recording(tmp_path / "x.sigmf-meta")
    assert len(str(caught.value).splitlines()) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from(["core:datatype", "core:sample_rate", "core:num_channels", "core:dataset"]),
        st.just("cf32_le") | JSON,
    ),
    JSON | st.lists(st.dictionaries(st.just("core:frequency"), JSON)),
    st.binary(max_size=40),
)
def test_hostile_metadata_gives_samples_or_one_error(tmp_path_factory, general, captures, data):
    path = tmp_path_factory.mktemp("hostile") / "x.sigmf-meta"
    path.write_text(json.dumps({"global": general, "captures": captures}))
    path.with_suffix(".sigmf-data").write_bytes(data)
    try:
        recording = read_recording(path)
    except SemwaveError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert len(recording.samples()) == len(data) // 8


def test_names_that_no_recording_has_are_refused(tmp_path):
    with pytest.raises(SemwaveError, match=r"sigmf-meta"):
        write_recording(tmp_path / "x.wav", SAMPLES, 1e6, None, "")
    for name in ("x.wav", "nowhere.sigmf-meta"):
        with pytest.raises(SemwaveError, match=name):
            read_recording(tmp_path / name)

"""What libraries write to descriptor 2 by themselves stays out, and Python's stderr comes back."""

import subprocess
import sys

import pytest

from semwave.pictures import quiet
from semwave.pictures.quiet import quiet_libraries

SCRIPT = """
import os, threading
from semwave.pictures.quiet import quiet_libraries

def inside():
    with quiet_libraries():
        os.write(2, b"library ")

os.write(2, b"before ")
with quiet_libraries():
    os.write(2, b"library ")
    other = threading.Thread(target=inside)
    other.start()
    other.join()
    os.write(2, b"library ")
os.write(2, b"after")
"""


@pytest.mark.parametrize("verbose, said", [("", "before after"), ("1", "before library library library after")])
def test_descriptor_2_leads_nowhere_meanwhile(verbose, said, monkeypatch):
    monkeypatch.setenv("SEMWAVE_VERBOSE", verbose)
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stderr == said


@pytest.mark.parametrize("call", ["dup", "open"])
def test_where_no_descriptor_is_left_work_goes_on(call, monkeypatch, capfd):
    def none(*_):
        raise OSError("too many open files")

    monkeypatch.delenv("SEMWAVE_VERBOSE", raising=False)
    with monkeypatch.context() as patch:
        patch.setattr(quiet.os, call, none)
        with quiet_libraries():
            sys.stderr.write("heard")
    sys.stderr.flush()
    assert capfd.readouterr().err == "heard"

"""Keeps what C libraries write to stderr by themselves, such as libtiff's lines on a broken file, out of the output."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_lock = threading.RLock()
_inside = 0
_kept = -1


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Send the process's file descriptor 2 to nowhere; Python's own stderr, where it has another one, goes on.

    Threads may be inside at the same time; the last to leave restores the descriptor. With ``SEMWAVE_VERBOSE`` set in
    the environment nothing is kept out.
    """
    global _inside, _kept
    if os.environ.get("SEMWAVE_VERBOSE"):
        yield
        return
    with _lock:
        _inside += 1
        if _inside == 1:
            with suppress(OSError, ValueError, AttributeError):
                sys.stderr.flush()
            _kept = _redirected()
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0 and _kept >= 0:
                os.dup2(_kept, 2)
                os.close(_kept)
                _kept = -1


def _redirected() -> int:
    """A copy of descriptor 2, which leads nowhere from now on; -1 where there is none or no descriptor is left."""
    try:
        kept = os.dup(2)
    except OSError:
        return -1
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
    except OSError:
        os.close(kept)
        return -1
    os.dup2(nowhere, 2)
    os.close(nowhere)
    return kept

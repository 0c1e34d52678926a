"""A process that holds the listening socket, and starts the service again when it dies of a crash.

    keeper: socket ---- fork ----> service: uvicorn, the model's thread
            waits; passes SIGINT and SIGTERM on; after a crash starts another one

While there is none, connections wait in the socket's backlog; the next service answers them.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable

import typer

MOST_CRASHES, SECONDS = 5, 60.0
"""So many within so long, and it is given up."""
FAILED = 1


def keep(serve: Callable[[], None]) -> int:
    """Run ``serve`` in processes of its own until it ends by itself or is asked to; returns the exit code. Where
    processes cannot be forked it runs here, once."""
    if not hasattr(os, "fork"):
        serve()
        return 0
    asked: list[int] = []
    child = 0

    def pass_on(number: int, _: object) -> None:
        asked.append(number)
        if child:
            os.kill(child, number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    crashes: list[float] = []
    try:
        while True:
            reading, writing = os.pipe()
            child = os.fork()
            if not child:
                os.close(writing)
                _serve(serve, reading)
            os.close(reading)
            if asked:  # while it was forked
                os.kill(child, asked[-1])
            status = os.waitpid(child, 0)[1]
            child = 0
            os.close(writing)
            code = os.waitstatus_to_exitcode(status)
            if asked or code >= 0:
                return max(code, 0)
            crashes = [when for when in crashes if time.monotonic() - when < SECONDS] + [time.monotonic()]
            again = len(crashes) < MOST_CRASHES
            typer.echo(
                f"semwave: the service died of signal {-code}; {'it is started again' if again else 'ended'}", err=True
            )
            if not again:
                return FAILED
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _serve(serve: Callable[[], None], reading: int) -> None:
    """Run ``serve`` in the forked process, which ends here; in a group of its own, so that Ctrl-C reaches it once."""
    code = FAILED
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        threading.Thread(target=_end_with_keeper, args=(reading,), daemon=True).start()
        serve()
        code = 0
    except KeyboardInterrupt:
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else FAILED
    except BaseException as error:
        typer.echo(f"semwave: {error}", err=True)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _end_with_keeper(reading: int) -> None:
    """End this process when the keeper is gone: its end of the pipe is closed then."""
    os.read(reading, 1)
    os.kill(os.getpid(), signal.SIGTERM)

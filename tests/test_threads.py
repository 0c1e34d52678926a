"""Beside other code: one transmitter and one receiver serve many threads, and torch's state stays as it is."""

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from semwave import Receiver, Transmitter, air
from semwave.pictures.cache import PerPicture

THREADS = 8


@pytest.fixture(scope="module")
def ends():
    return Transmitter("faces-512", k=2560), Receiver("faces-512", size=256)


def photo(number):
    small = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(number)) * 2 - 1
    return torch.nn.functional.interpolate(small, size=(512, 512), mode="bicubic").clamp(-1, 1)


def test_eight_threads_get_the_bits_that_one_gets(ends):
    transmitter, receiver = ends

    def sent(number):
        signal = transmitter(photo(number))
        return signal.iq, receiver(air.AWGN(10.0, random=number)(signal))

    alone = [sent(number) for number in range(2)]
    with ThreadPoolExecutor(THREADS) as pool:
        together = list(pool.map(sent, [0, 1] * (THREADS // 2)))
    for number, (symbols, picture) in enumerate(together):
        assert torch.equal(symbols, alone[number % 2][0]) and torch.equal(picture, alone[number % 2][1])


FINDING = """
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from skimage import data
from semwave.pictures.align import find_frame
pictures = [np.roll(data.astronaut(), shift, 1).copy() for shift in range(0, 60, 10)]
find = lambda picture: repr(find_frame(picture))
alone = [find(picture) for picture in pictures]
with ThreadPoolExecutor(4) as pool:
    assert list(pool.map(find, 8 * pictures)) == 8 * alone
"""


def test_faces_are_found_by_many_threads_at_once():
    # In a process of its own: what is not made for threads ends it.
    done = subprocess.run([sys.executable, "-c", FINDING], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_is_made_once_a_picture_is_never_another_pictures():
    start = threading.Barrier(THREADS)
    made = PerPicture(lambda picture: picture.sum().item())
    pictures = [torch.full((2,), float(number)) for number in range(THREADS)]
    wrong = []

    def ask(number):
        start.wait()
        for _ in range(3000):
            if made(pictures[number]) != 2.0 * number:
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


BESIDE = """
import json, sys, warnings
import torch
torch.set_default_dtype(torch.float64)
torch.set_grad_enabled(False)
torch.use_deterministic_algorithms(True)
torch.set_num_threads(2)
torch.set_float32_matmul_precision("high")
torch.manual_seed(7)
filters = list(warnings.filters)
def state():
    return [str(torch.get_default_dtype()), torch.is_grad_enabled(), torch.are_deterministic_algorithms_enabled(),
            torch.get_num_threads(), torch.get_float32_matmul_precision(), torch.initial_seed(),
            torch.random.get_rng_state().sum().item(), torch.compile.__module__, torch.is_autocast_enabled("cpu"),
            str(torch.get_default_device()), warnings.filters == filters]

before = state()
from semwave import Receiver, Transmitter, air
from semwave.pictures import images, align
import semwave.apps.send
imported = state()
transmitter, receiver = Transmitter("faces-512", k=256), Receiver("faces-512", size=256)
loaded = state()
photo = torch.zeros(1, 3, 512, 512, dtype=torch.float32)
picture = receiver(air.AWGN(10.0, random=0)(transmitter(photo)))
print(json.dumps([before, imported, loaded, state(), str(picture.dtype), bool(picture.isfinite().all())]))
"""
COMPILING = """
import json, threading
import torch
ended, failures, compiled = threading.Event(), [], 0

def compile_on():
    # Other code, in a thread of its own all the while.
    global compiled
    with torch.enable_grad():
        while not ended.is_set():
            try:
                torch.compiler.reset()
                x = torch.ones(3 + compiled % 5, requires_grad=True)
                y = torch.compile(lambda x: (x.sin() * 2).sum(), backend="eager")(x)
                y.backward()
                assert torch.allclose(x.grad, 2 * x.detach().cos()) and torch.is_grad_enabled()
                compiled += 1
            except Exception as error:
                failures.append(repr(error))
                return

other = threading.Thread(target=compile_on)
other.start()

from semwave import Receiver, Transmitter, air
transmitter, receiver = Transmitter("faces-512", k=256), Receiver("faces-512", size=256)
photo = torch.zeros(1, 3, 512, 512)
beside = receiver(air.AWGN(10.0, random=0)(transmitter(photo)))
ended.set()
other.join()
alone = receiver(air.AWGN(10.0, random=0)(transmitter(photo)))
print(json.dumps([torch.equal(beside, alone), compiled, failures]))
"""


def test_importing_and_using_it_leaves_the_state_of_torch_alone():
    done = subprocess.run([sys.executable, "-c", BESIDE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    before, imported, loaded, used, dtype, finite = json.loads(done.stdout)
    assert before == imported == loaded == used
    assert dtype == "torch.float32" and finite


def test_what_another_thread_compiles_meanwhile_is_its_own_affair():
    done = subprocess.run([sys.executable, "-c", COMPILING], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    same, compiled, failures = json.loads(done.stdout)
    assert same and compiled > 0 and failures == []

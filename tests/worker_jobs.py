"""Jobs for a worker's process, which has to import them."""

import os
import signal

LOADED = 40


def load():
    return LOADED


def add(loaded, number):
    return loaded + number


def process_of(loaded):
    return os.getpid()


def die(loaded):
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(loaded, file):
    if file.exists():
        return "alive"
    file.touch()
    return die(loaded)

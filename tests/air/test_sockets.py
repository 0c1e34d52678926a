"""Samples over ZMQ and UDP: they arrive, what is too much is dropped and counted, and nothing hangs."""

import socket
import threading
import time

import numpy as np
import pytest
import zmq

from semwave import SemwaveError
from semwave.air.sockets import LARGEST_PACKET, Source, packet_samples, send_udp, send_zmq

SAMPLES = (np.arange(50_000) * (1 - 1j) / 1e5).astype(np.complex64)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def taken(source, count, seconds=10.0):
    pieces, end = [], time.monotonic() + seconds
    for piece in source.pieces(idle_seconds=2.0):
        pieces.append(piece)
        if sum(map(len, pieces)) >= count or time.monotonic() > end:
            break
    return np.concatenate(pieces)


def test_zmq_brings_every_sample_and_survives_a_sender_that_comes_back(tmp_path):
    address = f"ipc://{tmp_path}/air"
    with Source(zmq=address) as source:
        for _ in range(2):
            sender = threading.Thread(target=send_zmq, args=(address, SAMPLES))
            sender.start()
            assert np.array_equal(taken(source, len(SAMPLES)), SAMPLES)
            sender.join()


def test_udp_brings_samples_in_packets():
    address = f"127.0.0.1:{free_port()}"
    with Source(udp=address) as source:
        threading.Thread(target=send_udp, args=(address, SAMPLES[:5000], 1e5)).start()
        assert np.array_equal(taken(source, 5000), SAMPLES[:5000])


def test_a_slow_receiver_drops_and_counts():
    address = f"127.0.0.1:{free_port()}"
    with Source(udp=address, waiting=4) as source:
        send_udp(address, SAMPLES[:20_480], 1e6)
        time.sleep(0.5)
        left = taken(source, 4 * 1024, seconds=1)
        assert source.dropped > 0 and len(left) <= 4 * 1024
        assert np.array_equal(left[-1024:], SAMPLES[19_456:20_480])


def test_hostile_packets_give_whole_samples():
    address = f"127.0.0.1:{free_port()}"
    random = np.random.default_rng(0)
    with Source(udp=address) as source, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        host, port = address.split(":")
        for size in (0, 1, 7, 8, 9, 1000):
            sender.sendto(random.bytes(size), (host, int(port)))
        assert len(taken(source, 127, seconds=3)) == 0 + 0 + 0 + 1 + 1 + 125
    assert len(packet_samples(b"1234567")) == 0


def test_a_packet_that_is_too_long_does_not_end_the_link(tmp_path):
    address, good = f"ipc://{tmp_path}/air", np.full(100, 0.5, np.complex64)
    with zmq.Context() as context, context.socket(zmq.PUSH) as push, Source(zmq=address) as source:
        push.setsockopt(zmq.LINGER, 0)
        push.setsockopt(zmq.SNDTIMEO, 10_000)
        push.bind(address)
        for _ in range(3):
            push.send(good.tobytes())
            push.send(bytes(LARGEST_PACKET + 1))
        push.send(good.tobytes())
        # What the sender had handed on when the connection went is lost with it; what comes after is not.
        heard = 0
        for piece in source.pieces(10.0):
            heard += len(piece)
            if len(piece) == 0 and heard:
                push.send(good.tobytes())
            if heard >= 5 * len(good):
                break
        assert heard >= 5 * len(good)


def test_silence_ends_when_it_was_asked_to():
    with Source(udp=f"127.0.0.1:{free_port()}") as source:
        assert sum(map(len, source.pieces(idle_seconds=0.3))) == 0


@pytest.mark.parametrize("address", ["", "host", "host:", ":5", "host:99999", "host:x"])
def test_addresses_that_are_none_are_refused(address):
    with pytest.raises(SemwaveError):
        Source(udp=address)
    with pytest.raises(SemwaveError):
        send_udp(address, SAMPLES, 1e6)
    with pytest.raises(SemwaveError):
        Source(zmq=address)


def test_nobody_there_is_said(tmp_path):
    with pytest.raises(SemwaveError, match="nobody took the samples"):
        send_zmq(f"ipc://{tmp_path}/air", SAMPLES, seconds=0.3)
    with pytest.raises(SemwaveError, match="one address"):
        Source()

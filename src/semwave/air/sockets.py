"""Samples over sockets: ZMQ as GNU Radio's PUSH and PULL blocks have it, and UDP. Packets of complex64, nothing else.

A thread reads; a receiver that is too slow loses packets, oldest first, and counts them. A sender that goes away and
comes back is waited for.
"""

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

from semwave.errors import SemwaveError

PACKET, UDP_PACKET = 8192, 1024
"""Samples in one packet."""
WAITING_PACKETS = 256
LARGEST_PACKET = 2**22
"""Bytes; what is longer is no packet of ours."""
SAMPLE_BYTES = 8
ZMQ_PREFIXES = ("tcp://", "ipc://")


def packet_samples(packet: bytes) -> np.ndarray:
    """The whole complex64 samples at the beginning of ``packet``."""
    return np.frombuffer(packet, np.complex64, len(packet) // SAMPLE_BYTES)


class Source:
    """Samples of a ZMQ PUSH socket at ``zmq`` or of UDP packets to ``udp`` (HOST:PORT), as they come.

    ``dropped`` counts the packets lost because nobody took them in time. To be closed after use.

    Raises:
        SemwaveError: not one address, one that cannot be listened at, or pyzmq is not installed.
    """

    def __init__(self, zmq: str | None = None, udp: str | None = None, waiting: int = WAITING_PACKETS):
        if (zmq is None) == (udp is None):
            raise SemwaveError("give one address, of ZMQ or of UDP")
        self.dropped = 0
        self._packets: queue.Queue[bytes] = queue.Queue(waiting)
        self._closed = threading.Event()
        self._address, self._socket, self._lost = zmq, *_listening(zmq, udp)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._closed.is_set():
            packet = self._packet()
            if packet is None or len(packet) > LARGEST_PACKET:
                continue
            while True:
                try:
                    self._packets.put_nowait(packet)
                    break
                except queue.Full:
                    try:
                        self._packets.get_nowait()
                        self.dropped += 1
                    except queue.Empty:
                        continue

    def _packet(self) -> bytes | None:
        if self._lost is not None:
            if self._socket.poll(100):
                return self._socket.recv()
            self._connect_again()
            return None
        try:
            return self._socket.recvfrom(65536)[0]
        except (TimeoutError, OSError):
            return None

    def _connect_again(self) -> None:
        """Where the sender was lost. ZMQ does so by itself, but not after a packet that is too long."""
        if not self._lost.poll(0):
            return
        while self._lost.poll(0):
            self._lost.recv_multipart()
        with contextlib.suppress(_zmq().ZMQError):  # nothing is connected any more
            self._socket.disconnect(self._address)
        self._socket.connect(self._address)

    def pieces(self, idle_seconds: float | None = None) -> Iterator[np.ndarray]:
        """Pieces of samples; an empty one once all were taken, and every tenth of a second after that. Ends after
        ``idle_seconds`` without samples, never without it."""
        last, told = time.monotonic(), True
        while idle_seconds is None or time.monotonic() - last < idle_seconds:
            try:
                packets = [self._packets.get(timeout=0.1 if told else 0)]
            except queue.Empty:
                told = True
                yield np.zeros(0, np.complex64)
                continue
            while len(packets) < WAITING_PACKETS:
                try:
                    packets.append(self._packets.get_nowait())
                except queue.Empty:
                    break
            last, told = time.monotonic(), False
            yield np.concatenate([packet_samples(packet) for packet in packets])

    def close(self) -> None:
        """Stop listening."""
        self._closed.set()
        self._thread.join(2)
        if self._lost is not None:
            self._socket.disable_monitor()
        self._socket.close()

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def send_zmq(address: str, samples: np.ndarray, seconds: float = 10.0) -> None:
    """Push ``samples`` (n,) complex to whoever pulls at ``address``, which is bound.

    Raises:
        SemwaveError: an address that cannot be bound, nobody who pulls within ``seconds``, or pyzmq is not installed.
    """
    zmq = _zmq()
    pusher = _zmq_socket(address, "PUSH")
    pusher.setsockopt(zmq.LINGER, int(1000 * seconds))
    pusher.setsockopt(zmq.SNDTIMEO, int(1000 * seconds))
    try:
        for begin in range(0, len(samples), PACKET):
            pusher.send(np.ascontiguousarray(samples[begin : begin + PACKET], np.complex64).tobytes())
    except zmq.Again:
        raise SemwaveError(f"{address}: nobody took the samples within {seconds:g} s; start the receiver") from None
    finally:
        pusher.close()


def send_udp(address: str, samples: np.ndarray, sample_rate: float) -> None:
    """Send ``samples`` (n,) complex to ``address`` (HOST:PORT) at ``sample_rate``, which UDP itself does not hold.

    Raises:
        SemwaveError: not an address, or nothing leads there.
    """
    place, start = _host_and_port(address), time.monotonic()
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for begin in range(0, len(samples), UDP_PACKET):
                time.sleep(max(0.0, start + begin / sample_rate - time.monotonic()))
                piece = samples[begin : begin + UDP_PACKET]
                sender.sendto(np.ascontiguousarray(piece, np.complex64).tobytes(), place)
    except OSError as error:
        raise SemwaveError(f"{address}: cannot be sent to ({error.strerror or error})") from None


def _zmq() -> ModuleType:
    try:
        import zmq
    except ImportError:
        raise SemwaveError("ZMQ needs pyzmq; install it with pip install 'semwave[air]'") from None
    return zmq


def _zmq_socket(address: str, kind: str):
    zmq = _zmq()
    if not address.startswith(ZMQ_PREFIXES):
        raise SemwaveError(f"'{address}': a ZMQ address begins with tcp:// or ipc://")
    made = zmq.Context.instance().socket(getattr(zmq, kind))
    made.setsockopt(zmq.MAXMSGSIZE, LARGEST_PACKET)
    made.setsockopt(zmq.LINGER, 0)
    try:
        # GNU Radio's PUSH sink binds and its PULL source connects; ours are the other ends.
        made.connect(address) if kind == "PULL" else made.bind(address)
    except zmq.ZMQError as error:
        made.close()
        raise SemwaveError(f"{address}: cannot be used ({error.strerror})") from None
    return made


def _listening(zmq: str | None, udp: str | None) -> tuple[Any, Any]:
    """A socket that listens, and for ZMQ one that tells of lost connections."""
    if zmq is None:
        return _udp_socket(udp or ""), None
    pull = _zmq_socket(zmq, "PULL")
    return pull, pull.get_monitor_socket(_zmq().EVENT_DISCONNECTED)


def _udp_socket(address: str) -> socket.socket:
    place = _host_and_port(address)
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.bind(place)
    except OSError as error:
        made.close()
        raise SemwaveError(f"{address}: cannot be listened at ({error.strerror or error})") from None
    made.settimeout(0.1)
    return made


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise SemwaveError(f"'{address}': give an address as HOST:PORT")
    return host, int(port)

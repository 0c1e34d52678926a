"""Frames of a camera: answered, dropped when there are too many, and in a frame that does not jitter."""

import json

import numpy as np
import pytest
import torch
from skimage.data import astronaut
from web_answers import decoded, encoded

from semwave.apps.web import live
from semwave.apps.web.asked import Sending
from semwave.apps.web.chain import Chain, end, step
from semwave.apps.web.studio import Studio
from semwave.apps.web.tracking import SLOWEST, Tracker, smoothed
from semwave.errors import SemwaveError
from semwave.pictures import align
from semwave.pictures.frame import Frame, between

LIVE = "ws://localhost:8512/live"
FRAME = encoded(astronaut()[:320, 60:380], "JPEG")


def packed(number, data=FRAME):
    return number.to_bytes(4, "big") + data


def answer(socket):
    data = socket.receive_bytes()
    length = int.from_bytes(data[:4], "big")
    figures = json.loads(data[4 : 4 + length])
    pictures = data[4 + length :]
    return figures, pictures[: figures["sent_bytes"]], pictures[figures["sent_bytes"] :]


def test_a_frame_comes_back_with_the_face_and_its_figures(client):
    with client.websocket_connect(LIVE) as socket:
        socket.send_text(json.dumps({"k": 256, "snr_db": 60}))
        socket.send_bytes(packed(7))
        figures, sent, received = answer(socket)
        assert (figures["number"], figures["k"], figures["snr_db"]) == (7, 256, 60)
        assert decoded(sent).shape == decoded(received).shape == (256, 256, 3)
        socket.send_text(json.dumps({"k": 2560, "snr_db": -5}))
        socket.send_bytes(packed(8))
        assert answer(socket)[0]["k"] == 2560
    assert client.get("/health").json()["waiting"] == 0


def test_frames_that_come_too_fast_are_dropped(client, model):
    with client.websocket_connect(LIVE) as socket:
        for number in range(1, 41):
            socket.send_bytes(packed(number))
        last = 0
        while last < 40:
            number = answer(socket)[0]["number"]
            assert number > last
            last = number
    assert model.inversions < 40


def test_of_three_frames_under_way_none_is_lost_once_the_first_is_answered(client):
    with client.websocket_connect(LIVE) as socket:
        sent, numbers = 0, []
        while len(numbers) < 12:
            while sent < (numbers[-1] if numbers else 0) + 3:
                sent += 1
                socket.send_bytes(packed(sent))
            numbers.append(answer(socket)[0]["number"])
        assert numbers == list(range(numbers[0], numbers[0] + 12)) and numbers[0] < 3


def test_a_frame_is_received_while_the_next_is_sent(model):
    chain, studio, asked = Chain(), Studio(model), Sending(k=256)
    threads = torch.get_num_threads()
    assert chain.step(studio, FRAME, asked) is None
    figures, sent, received = chain.step(studio, FRAME, asked)
    _, again, other = chain.step(studio, None, asked)
    assert chain.step(studio, None, asked) is None and torch.get_num_threads() == threads
    assert set(figures["stages"]) == {"align", "invert", "encode", "channel", "decode", "generate"}
    assert decoded(sent).shape == decoded(again).shape and sent != b"" != again
    assert received != other  # the noise is another one
    assert not np.array_equal(decoded(received), decoded(sent))


def test_a_broken_frame_is_answered_in_its_turn(model):
    chain, studio, asked = Chain(), Studio(model), Sending(k=256)
    assert chain.step(studio, b"no picture", asked) is None
    assert "JPEG" in chain.step(studio, FRAME, asked)[0]["error"]
    assert "error" not in chain.step(studio, None, asked)[0]


def test_chains_of_cameras_that_are_gone_are_forgotten(model):
    studio, asked = Studio(model), Sending(k=256)
    for camera in "abc":
        step(studio, camera, FRAME, asked)
    assert list(studio.chains) == ["b", "c"]
    end(studio, "b")
    end(studio, "never there")
    assert list(studio.chains) == ["c"]


def test_what_is_wrong_with_a_frame_is_said_and_the_next_one_is_answered(client):
    with client.websocket_connect(LIVE) as socket:
        socket.send_bytes(packed(1, encoded(np.zeros((240, 320, 3), np.uint8), "JPEG")))
        assert "no face" in answer(socket)[0]["error"]
        socket.send_bytes(packed(2, b"no picture"))
        assert "JPEG" in answer(socket)[0]["error"]
        socket.send_text('{"k": "many"}')
        assert "k:" in answer(socket)[0]["error"]
        socket.send_bytes(packed(3))
        assert "error" not in answer(socket)[0]


def test_so_many_cameras_and_no_more(client):
    connect = client.websocket_connect
    with connect(LIVE), connect(LIVE), connect(LIVE) as third:
        assert third.receive()["code"] == 1013
        assert client.get("/health").json()["waiting"] == 0


def test_a_frame_that_is_too_long_ends_it(client):
    with client.websocket_connect(LIVE) as socket:
        socket.send_bytes(b"\0" * (live.MOST_FRAME_BYTES + 1))
        assert socket.receive()["code"] == 1009


def test_a_tracked_face_is_the_one_that_the_detector_finds():
    tracker, photo = Tracker(), astronaut()
    for _ in range(4):
        tracker.face(photo, 128)
    assert between(tracker.frame, align.find_frame(photo)) < 0.03
    with pytest.raises(SemwaveError, match="no face"):
        for _ in range(40):
            tracker.face(np.zeros((240, 320, 3), np.uint8), 128)


def test_noise_moves_the_frame_little_and_a_movement_all_the_way():
    before = Frame(np.array([100.0, 100]), np.array([50.0, 0]))
    noise, movement = (Frame(np.array([100.0 + far, 100]), before.half) for far in (1.0, 20.0))
    assert smoothed(before, noise).centre[0] == pytest.approx(100 + SLOWEST)
    assert smoothed(before, movement).centre[0] == pytest.approx(120)

"""The HTTP interface: what programs get, and what they are told."""

import base64
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from web_answers import decoded, encoded, error_of

from semwave import air
from semwave.air.files import SUFFIX, read_soft
from semwave.apps.send import Sender
from semwave.apps.web.asked import offered_ks
from semwave.pictures.photos import Photo

NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)


def bits(text):
    return decoded(base64.b64decode(text))


def test_send_gives_the_bits_and_the_row_of_the_command(client, model, picture, tmp_path):
    (tmp_path / "photo.png").write_bytes(picture)
    sender = Sender(model, (256,), (5.0,), channel="rayleigh", align_faces=False, seed=3)
    [sent] = sender(Photo(tmp_path / "photo.png", "photo"))
    answer = client.post("/send?aligned=true&k=256&snr_db=5&channel=rayleigh&seed=3", content=picture).json()
    assert np.array_equal(bits(answer["received"]), sent.received)
    timeless = {key: value for key, value in sent.row.items() if key not in ("seconds", "photo", "lpips_vgg")}
    assert {key: answer["report"][key] for key in timeless} == timeless
    assert set(answer["report"]["seconds"]) == set(sent.row["seconds"])


def test_symbols_go_out_with_a_header_and_come_back_as_the_picture(client, picture, squares, tmp_path):
    file = client.post("/transmit?aligned=true&size=256&k=256", content=picture)
    assert file.headers["content-type"] == "application/octet-stream"
    (tmp_path / f"s{SUFFIX}").write_bytes(file.content)
    assert read_soft(tmp_path / f"s{SUFFIX}", 10.0).header.k == 256
    received = client.post("/receive?snr_db=60", content=file.content)
    assert received.headers["content-type"] == "image/png"
    assert np.abs(decoded(received.content).astype(int) - squares(0)).max() <= 1


def test_a_picture_that_is_kept_is_inverted_once(client, model, picture, squares):
    photo = client.post("/photos?aligned=true&size=512", content=picture).json()
    assert np.array_equal(bits(photo["sent"])[32::64, 32::64], squares(0)[16::32, 16::32])
    for snr_db in (0, 10, 20):
        for k in (256, 2560):
            seen = client.post(f"/photos/{photo['id']}/view", json={"k": k, "snr_db": snr_db}).json()
            assert len(seen["symbols"]) == min(k, 4096)
    assert model.inversions == 1 and seen["received_snr_db"] == 20
    draft = client.post(f"/photos/{photo['id']}/view", json={"draft": True}).json()
    assert draft["media_type"] == "image/jpeg" and bits(draft["received"]).shape == (256, 256, 3)
    symbols = client.post(f"/photos/{photo['id']}/transmit", json={"k": 256}).content
    assert client.post("/receive", content=symbols).status_code == 200


def test_symbols_that_have_not_arrived_are_noise_without_end(client, picture):
    photo = client.post("/photos?aligned=true", content=picture).json()
    seen = client.post(f"/photos/{photo['id']}/view", json={"k": 256, "snr_db": 10, "first": 64}).json()
    assert len(seen["symbols"]) == 64 and seen["received_snr_db"] == 10


def test_a_picture_is_forgotten_when_told_and_nobody_can_guess_its_name(client, picture):
    first, second = (client.post("/photos?aligned=true", content=picture).json()["id"] for _ in range(2))
    assert len({first, second}) == 2 and len(first) >= 43
    assert client.delete(f"/photos/{first}").status_code == 204
    for path in (f"/photos/{first}/view", "/photos/x/view", "/photos/..%2f..%2fetc%2fpasswd/view"):
        assert client.post(path, json={}).status_code == 404
    assert client.post(f"/photos/{second}/view", json={}).status_code == 200


def test_other_schemes_at_the_same_k(client, picture):
    photo = client.post("/photos?aligned=true", content=picture).json()
    asked = {"k": 2560, "snr_db": 10}
    found = client.post(f"/photos/{photo['id']}/other?scheme=deep-jscc", json=asked).json()
    assert bits(found["received"]).shape == (512, 512, 3) and found["psnr_db"] > 8
    answer = client.post(f"/photos/{photo['id']}/other?scheme=deep-jscc", json={"k": 256})
    assert answer.status_code == 422 and "2560" in error_of(answer)
    answer = client.post(f"/photos/{photo['id']}/other?scheme=separation", json=asked | {"channel": "tdl-a"})
    assert answer.status_code == 422 and "tdl-a" in error_of(answer)


@pytest.mark.parametrize(
    ("body", "query", "word"),
    [
        (b"", "", "empty"),
        (b"no picture", "", "JPEG"),
        (encoded(NOISE)[:2000], "", "damaged"),
        (encoded(np.zeros((64, 96, 3), np.uint8)), "aligned=true", "square"),
        (encoded(NOISE), "", "no face found"),
        (encoded(NOISE), "aligned=true&k=257", "k = 257"),
        (encoded(NOISE), "aligned=true&size=300", "sizes"),
        (encoded(NOISE), "aligned=true&channel=smoke", "awgn"),
        (encoded(NOISE), "aligned=true&hide=eyes", "hide"),
        (encoded(NOISE), "aligned=true&hide=eyes&keep=nose", "exclude"),
        (encoded(NOISE), "snr_db=nan", "snr_db"),
        (encoded(NOISE), "snr=1", "snr"),
        (encoded(np.zeros((20000, 6000), np.uint8)), "", "megapixels"),
    ],
)
def test_what_is_wrong_is_said_in_words(client, body, query, word):
    answer = client.post(f"/send?{query}", content=body)
    assert answer.status_code == 422 and word in error_of(answer)


@pytest.mark.parametrize("body", [b"", b"\0" * 64, b"\xff" * 4096])
def test_symbols_that_are_none_are_refused(client, body):
    answer = client.post("/receive", content=body)
    assert answer.status_code == 422 and "/" not in error_of(answer)


def test_nothing_stays_on_the_disk(client, picture, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    symbols = client.post("/transmit?aligned=true", content=picture).content
    client.post("/receive", content=symbols)
    client.post("/receive", content=b"none")
    client.post("/photos?aligned=true", content=picture)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_of_a_camera_reaches_the_reader_upright(client, squares):
    photo = Image.fromarray(squares(0).transpose(1, 0, 2))
    exif = photo.getexif()
    exif[0x0112] = 5
    with tempfile.TemporaryDirectory() as folder:
        photo.save(Path(folder, "p.png"), exif=exif)
        data = Path(folder, "p.png").read_bytes()
    answer = client.post("/photos?aligned=true&size=256", content=data).json()
    assert np.array_equal(bits(answer["sent"]), squares(0))


def test_models_say_what_is_offered(client, model):
    [answer] = client.get("/models").json()
    assert answer["ks"] == list(offered_ks(model.config)) and answer["k"] == 2560
    assert set(air.CHANNELS) < set(answer["channels"])
    client.get("/examples/0")  # waits until the model is loaded
    assert client.get("/health").json()["status"] == "ready"


def test_the_page_and_its_examples_are_there(client):
    assert "before-after" in client.get("/").text
    for example in client.get("/examples").json():
        assert decoded(client.get(f"/examples/{example['number']}").content).shape == (512, 512, 3)
    assert client.get("/examples/6").status_code == 404
    assert client.get("/static/main.js").status_code == 200
    assert client.get("/static/..%2fapp.py").status_code == 404
    for path in ("/docs", "/redoc"):  # FastAPI's own, which load scripts from elsewhere
        assert client.get(path).status_code == 404

"""The chain from a photo to the report, with a linear model in place of a trained one."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

import semwave
from semwave.air.channels import make_channel
from semwave.air.seeds import noise_generator
from semwave.apps.send import Sender, send_photos, summary
from semwave.errors import SemwaveError
from semwave.pictures.grid import side_by_side
from semwave.pictures.images import to_tensor, to_uint8
from semwave.pictures.photos import Photo, find_photos
from semwave.receiver import Receiver
from semwave.transmitter import Transmitter, k_of_ratio, ratio_text

KEYS = [
    "photo",
    "size",
    "n",
    "k",
    "complex_symbols",
    "ratio",
    "snr_db",
    "channel",
    "residual",
    "hidden",
    "privacy",
    "psnr_db",
    "lpips_alex",
    "seconds",
]


def sender(model, ks=(2560,), snrs_db=(10.0,), **options):
    return Sender(model, ks, snrs_db, size=256, align_faces=False, **options)


def test_the_front_door_sends_a_picture(linear_model, squares):
    picture = squares(0)
    transmission = semwave.Transmitter(k=256)(to_tensor(picture))
    assert transmission.symbols.shape == (1, 256)
    assert transmission.symbols.square().mean().item() == pytest.approx(1)
    assert set(transmission.seconds) == {"invert", "encode"}
    received = semwave.Receiver(size=256)(transmission.symbols, snr_db=60.0)
    np.testing.assert_array_equal(to_uint8(received[0]), picture)


def test_a_batch_gives_what_its_images_give_alone(linear_model, squares):
    batch = torch.cat([to_tensor(squares(i)) for i in range(3)])
    symbols = Transmitter(linear_model)(batch).symbols
    torch.testing.assert_close(symbols[1:2], Transmitter(linear_model)(batch[1:2]).symbols)


def test_the_receiver_takes_fading_out(linear_model, squares):
    picture = squares(1)
    symbols = Transmitter(linear_model)(to_tensor(picture)).symbols
    arrived = make_channel("rayleigh")(symbols, 60.0, torch.Generator().manual_seed(0))
    received = Receiver(linear_model, 256)(arrived.symbols, arrived.snr_db, arrived.fading)
    assert np.abs(to_uint8(received[0]).astype(int) - picture).max() <= 2


@pytest.mark.parametrize(
    "symbols, message",
    [
        (torch.zeros(256), "must be"),
        (torch.zeros(1, 100), "256 or 2560"),
        (torch.full((1, 256), torch.nan), "finite"),
        (torch.full((1, 256), torch.inf), "finite"),
        (torch.ones(1, 256, dtype=torch.int64), "floating-point"),
    ],
)
def test_the_receiver_refuses_bad_symbols(linear_model, symbols, message):
    with pytest.raises(SemwaveError, match=message):
        Receiver(linear_model)(symbols, 10.0)


def test_the_receiver_refuses_bad_channel_figures(linear_model):
    receiver, symbols = Receiver(linear_model), torch.ones(2, 256)
    for fading in (torch.zeros(2), torch.ones(3), torch.full((2,), torch.nan)):
        with pytest.raises(SemwaveError, match="fading"):
            receiver(symbols, 10.0, fading.to(torch.complex64))
    with pytest.raises(SemwaveError, match="SNR"):
        receiver(symbols, float("nan"))


def test_the_transmitter_refuses_what_is_not_offered(linear_model):
    with pytest.raises(SemwaveError, match="256, 2560"):
        Transmitter(k=100)
    with pytest.raises(SemwaveError, match="faces-512"):
        Transmitter("no-such-model")
    with pytest.raises(SemwaveError, match="refine steps"):
        Transmitter(refine_steps=-1)
    with pytest.raises(SemwaveError, match="square"):
        Transmitter()(torch.zeros(1, 3, 256, 128))
    with pytest.raises(SemwaveError, match="finite"):
        Transmitter()(torch.full((1, 3, 64, 64), torch.nan))
    with pytest.raises(SemwaveError, match="256, 512, 1024"):
        Receiver(size=300)


@pytest.mark.parametrize(
    "k, size, text",
    [
        (256, 512, "1/3072"),
        (2560, 512, "10/3072"),
        (256, 256, "4/3072"),
        (2560, 256, "40/3072"),
        (256, 1024, "1/12288"),
        (2560, 1024, "5/6144"),
    ],
)
def test_ratio_is_real_symbols_over_numbers_of_the_picture(k, size, text):
    numerator, denominator = map(int, text.split("/"))
    assert numerator * size * size * 3 == k * denominator
    assert ratio_text(k, size) == text
    assert k_of_ratio(text, size, (256, 2560)) == k


@pytest.mark.parametrize("ratio", ["2/3072", "1/0", "-1/3072", "nan", "", "1e999999999", "a/b", "0.1"])
def test_a_ratio_that_is_not_offered_is_an_error_that_lists_those_that_are(ratio):
    with pytest.raises(SemwaveError, match=r"1/3072 \(k = 256\), 10/3072 \(k = 2560\)"):
        k_of_ratio(ratio, 512, (2560, 256))


def test_a_row_says_what_was_sent_and_how_well_it_arrived(linear_model, photo):
    lpips = lambda a, b: (a - b).abs().mean((1, 2, 3))  # noqa: E731
    (sent,) = sender(linear_model, lpips=lpips)(Photo(photo, "photo"))
    assert list(sent.row) == KEYS
    assert list(sent.row["seconds"]) == ["align", "invert", "encode", "channel", "decode", "generate"]
    assert all(seconds >= 0 for seconds in sent.row["seconds"].values())
    fixed = {key: sent.row[key] for key in KEYS[:8]}
    assert fixed == {
        "photo": "photo.png",
        "size": 256,
        "n": 196608,
        "k": 2560,
        "complex_symbols": 1280,
        "ratio": "40/3072",
        "snr_db": 10.0,
        "channel": "awgn",
    }
    error = (sent.sent.astype(float) - sent.received) ** 2
    assert sent.row["psnr_db"] == pytest.approx(10 * np.log10(255**2 / error.mean()), abs=0.01)
    assert sent.row["lpips_alex"] == pytest.approx(np.sqrt(error).mean() / 127.5, abs=1e-3)


def test_the_same_seed_gives_the_same_bits_whatever_else_is_sent(linear_model, photo):
    alone = next(sender(linear_model, seed=1)(Photo(photo, "photo")))
    among = list(sender(linear_model, (256, 2560), (0.0, 10.0), seed=1)(Photo(photo, "photo")))
    np.testing.assert_array_equal(alone.received, among[3].received)
    other = next(sender(linear_model, seed=2)(Photo(photo, "photo")))
    assert (alone.received != other.received).any()


def test_a_picture_that_arrives_unchanged_has_no_psnr(linear_model, photo, tmp_path):
    chain = sender(linear_model, snrs_db=(60.0,))
    (row,), _ = send_photos(chain, find_photos([photo]), tmp_path, tmp_path / "r.json", True, Console(quiet=True))
    assert row["psnr_db"] is None and "-" in list(summary([row]).columns[5].cells)


def test_noise_depends_on_the_seed_and_on_the_name():
    draws = {torch.rand(1, generator=noise_generator(*key)).item() for key in [(0, "a"), (0, "b"), (1, "a"), (0, "a")]}
    assert len(draws) == 3


def test_a_photo_is_inverted_once_for_all_k_and_snrs(linear_model, photo):
    results = list(sender(linear_model, (256, 2560), (0.0, 10.0, 20.0))(Photo(photo, "photo")))
    assert [(r.row["k"], r.row["snr_db"]) for r in results] == [(k, s) for k in (256, 2560) for s in (0, 10, 20)]
    assert linear_model.inversions == 1
    psnrs = [r.row["psnr_db"] for r in results[:3]]
    assert psnrs == sorted(psnrs) and psnrs[0] < psnrs[2]


def test_a_folder_is_sent_photo_by_photo_and_bad_ones_do_not_stop_it(linear_model, photo, squares, tmp_path):
    Image.fromarray(squares(5)).save(photo.with_name("z.png"))
    photo.with_name("broken.jpg").write_bytes(b"no picture")
    photo.with_name("notes.md").write_text("no picture either")
    photo.with_name("old.received.png").write_bytes(photo.read_bytes())
    out = tmp_path / "out"
    photos = find_photos([photo.parent])
    assert [p.name for p in photos] == ["broken", "photo", "z"]
    rows, failures = send_photos(sender(linear_model), photos, out, out / "r.json", True, Console(quiet=True))
    assert len(failures) == 1 and "broken.jpg" in failures[0]
    assert (
        [row["photo"] for row in rows]
        == ["photo.png", "z.png"]
        == [r["photo"] for r in json.loads((out / "r.json").read_text())]
    )
    assert sorted(path.name for path in out.iterdir()) == [
        "photo.comparison.png",
        "photo.received.png",
        "r.json",
        "z.comparison.png",
        "z.received.png",
    ]


def test_pictures_of_several_k_and_snrs_are_told_apart(linear_model, photo, tmp_path):
    chain = sender(linear_model, (256, 2560), (0.0, 2.5))
    send_photos(chain, find_photos([photo]), tmp_path, tmp_path / "r.json", True, Console(quiet=True))
    names = {path.name for path in tmp_path.glob("*.received.png")}
    assert names == {f"photo.k{k}.{snr}.received.png" for k in (256, 2560) for snr in ("0dB", "2.5dB")}


def test_without_pictures_only_the_report_is_written(linear_model, photo, tmp_path):
    out = tmp_path / "out"
    send_photos(sender(linear_model), find_photos([photo]), out, out / "r.json", False, Console(quiet=True))
    assert [path.name for path in out.iterdir()] == ["r.json"]


def test_progress_is_told_of_every_step_of_refinement(linear_model, photo):
    steps = []
    next(sender(linear_model, refine_steps=3)(Photo(photo, "photo"), lambda step, mse: steps.append(step)))
    assert steps == [1, 2, 3]


def test_a_list_names_photos_beside_it_or_in_its_images_folder(tmp_path, photo):
    (tmp_path / "images").mkdir()
    for path in (tmp_path / "images" / "a.jpg", tmp_path / "b.png"):
        path.write_bytes(b"")
    listing = tmp_path / "test.txt"
    listing.write_text("a\nb.png\n\n")
    assert [p.path for p in find_photos([listing])] == [tmp_path / "images" / "a.jpg", tmp_path / "b.png"]
    listing.write_text("a\nmissing\n")
    with pytest.raises(SemwaveError, match="'missing'"):
        find_photos([listing])
    for content in (b"", b"\xff\xfe\x00"):
        listing.write_bytes(content)
        with pytest.raises(SemwaveError, match="list"):
            find_photos([listing])


def test_photos_of_one_name_get_names_of_their_own(tmp_path):
    paths = [tmp_path / name for name in ("x.png", "x.jpg", "x-2.png")]
    for path in paths:
        path.write_bytes(b"")
    names = [photo.name for photo in find_photos(paths)]
    assert names[0] == "x" and len(set(names)) == 3


def test_no_photo_at_all_is_an_error(tmp_path):
    with pytest.raises(SemwaveError, match="no pictures"):
        find_photos([tmp_path])
    with pytest.raises(SemwaveError, match="no such file"):
        find_photos([tmp_path / "nowhere.png"])


def test_the_comparison_shows_sent_and_received_with_white_between(squares):
    left, right = squares(0), squares(1)
    both = side_by_side(left, right)
    np.testing.assert_array_equal(both[:, :256], left)
    np.testing.assert_array_equal(both[:, -256:], right)
    assert (both[:, 256:-256] == 255).all() and 2 <= both.shape[1] - 512 <= 8


def test_the_summary_averages_over_photos(linear_model):
    rows = [
        {"ratio": "4/3072", "k": 256, "snr_db": snr, "psnr_db": psnr, "lpips_alex": lpips}
        for snr, psnr, lpips in [(0.0, 10.0, 0.5), (0.0, 12.0, 0.3), (10.0, 20.0, None)]
    ]
    table = summary(rows)
    cells = list(zip(*(column.cells for column in table.columns), strict=True))
    assert cells == [
        ("4/3072", "256", "128", "0", "2", "11.00", "0.400"),
        ("4/3072", "256", "128", "10", "1", "20.00", "-"),
    ]

"""Image codecs find the best file that fits, and count only what the receiver cannot know."""

import io
import math
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from semwave.baselines import image_codecs
from semwave.baselines.image_codecs import CODECS, SIDE_INFORMATION, SIDES, Encodings, encode
from semwave.pictures.images import to_tensor


def picture_of_squares():
    return np.random.default_rng(3).integers(0, 256, (8, 8, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def encoded():
    return Encodings(to_tensor(picture_of_squares().repeat(8, 0).repeat(8, 1)))


@settings(deadline=None, max_examples=15)
@given(st.integers(4, 3000))
def test_the_best_encoding_fits_and_is_what_its_frame_holds(encoded, budget):
    best = encoded.best(budget)
    if best is not None:
        assert len(best.frame) <= budget
        assert best.frame.endswith(best.payload) and len(best.frame) == len(best.payload) + SIDE_INFORMATION
        assert best.mse == pytest.approx(np.square(best.picture.astype(float) - encoded.original).mean(), rel=1e-5)


def test_the_search_finds_what_trying_every_quality_finds(monkeypatch):
    """It bisects, though now and then a finer quality is smaller, or worse: what that costs must stay small."""
    monkeypatch.setattr(image_codecs, "SIDES", (64, 32))
    picture = Image.fromarray(picture_of_squares()).resize((64, 64))
    tried = []
    for codec, side, quality in product(CODECS, image_codecs.SIDES, range(101)):
        file = encode(picture.resize((side, side), Image.Resampling.LANCZOS), codec, quality)
        with Image.open(io.BytesIO(file)) as decoded:
            large = np.array(decoded.convert("RGB").resize((64, 64), Image.Resampling.LANCZOS), float)
        size = len(file) - CODECS[codec].header(file) + SIDE_INFORMATION
        tried.append((size, np.square(large - np.array(picture)).mean()))
    found = Encodings(to_tensor(np.array(picture)))
    budgets = range(100, 1000, 20)
    lost_db = [10 * math.log10(found.best(b).mse / min(mse for size, mse in tried if size <= b)) for b in budgets]
    assert min(lost_db) >= -1e-4
    assert np.mean(lost_db) < 0.05


@pytest.mark.parametrize("codec", CODECS)
def test_threads_that_share_a_picture_encode_it_each_at_its_own_quality(codec):
    picture = Image.fromarray(np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    qualities = list(range(5, 95)) * 3
    with ThreadPoolExecutor(8) as pool:
        at_once = list(pool.map(lambda quality: encode(picture, codec, quality), qualities))
    assert at_once == [encode(picture.copy(), codec, quality) for quality in qualities]


def test_nothing_fits_into_nothing(encoded):
    assert encoded.best(10) is None


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("side", SIDES[2:])
def test_what_is_not_sent_of_a_file_the_receiver_knows(codec, side):
    """Header and payload of two pictures, put together with the lengths of the second, are the second file."""
    source = np.random.default_rng(side)
    plain, noisy = Image.new("RGB", (side, side), (9, 80, 70)), source.integers(0, 256, (side, side, 3), dtype=np.uint8)
    files = encode(plain, codec, 10), encode(Image.fromarray(noisy), codec, 60)
    sizes = [CODECS[codec].header(file) for file in files]
    assert sizes[0] == sizes[1] < 300
    differ = [i for i in range(sizes[0]) if files[0][i] != files[1][i]]
    # Two numbers of four bytes at most: lengths, which follow from how much arrives.
    assert len({i // 4 for i in differ}) <= 4 and len(differ) <= 8
    with Image.open(io.BytesIO(files[1])) as decoded:
        assert decoded.size == (side, side)

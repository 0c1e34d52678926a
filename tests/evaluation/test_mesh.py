"""A mesh is found where it is, noise and smooth errors have none, and what the shipped model sends should have none."""

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from semwave.evaluation.mesh import MOST, highest_peak
from semwave.evaluation.ours import shipped
from semwave.evaluation.run import link_for
from semwave.model import load_model
from semwave.pictures.images import resized, to_tensor, to_uint8
from semwave.privacy.faces import drawn

SIZE, FACES = 512, 8


def smooth_error(seed):
    """Noise whose power falls with the square of the frequency, as that of what is wrong in a picture."""
    noise = np.fft.rfft2(np.random.default_rng(seed).normal(size=(SIZE, SIZE)))
    radius = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE))
    return np.fft.irfft2(noise / np.maximum(radius, 1 / SIZE), s=(SIZE, SIZE))


@pytest.fixture(scope="module")
def errors():
    return np.stack([smooth_error(seed) for seed in range(FACES)])


def test_noise_and_smooth_errors_have_no_peak(errors):
    assert highest_peak(errors)[0] < 1.5
    assert highest_peak(np.random.default_rng(0).normal(size=(FACES, SIZE, SIZE)))[0] < 1.5
    assert highest_peak(np.zeros((1, SIZE, SIZE)))[0] == 0


@pytest.mark.parametrize("period", [2, 4, 16 / 3, 8, 16])
@pytest.mark.parametrize("direction", ["along x", "along y", "both"])
def test_a_mesh_is_found_by_its_period(errors, period, direction):
    wave = np.cos(2 * np.pi * np.arange(SIZE) / period)
    across, down = np.tile(wave, (SIZE, 1)), np.tile(wave[:, None], (1, SIZE))
    mesh = {"along x": across, "along y": down, "both": across + down}[direction]
    # The amplitude grows with the period as that of the errors does; at 2 px it is a sixtieth of their deviation.
    times, found = highest_peak(errors + errors.std() * period / 120 * mesh)
    assert times > 2 * MOST and found == pytest.approx(period, rel=0.1)


def test_periods_beyond_those_that_are_looked_at_are_no_mesh(errors):
    wave = np.cos(2 * np.pi * np.arange(SIZE) / 25.6)
    assert highest_peak(errors + errors.std() * wave)[0] < 1.5


@pytest.fixture(scope="module")
def generated():
    """Generated faces (1, 3, 512, 512), and the same without the generator's own mesh, made smooth."""
    model, random = load_model("faces-512"), torch.Generator().manual_seed(3)
    with torch.no_grad():
        faces = [to_tensor(to_uint8(drawn(model, random, SIZE)[0])) for _ in range(FACES)]
    smooth = [interpolate(resized(face, SIZE // 4), size=(SIZE, SIZE), mode="bicubic").clamp(-1, 1) for face in faces]
    return {"as drawn": faces, "smooth": smooth}


# What a generator draws has its mesh already, and a received picture without it would differ by it: so smooth ones too.
@pytest.mark.slow
@pytest.mark.xfail(reason="7.0 and 6.7 times at 2.7 px as drawn, 7.0 and 6.4 at 4 px smooth", strict=True)
@pytest.mark.parametrize("sent", ["as drawn", "smooth"])
@pytest.mark.parametrize("k", [256, 2560])
def test_received_faces_have_no_mesh(generated, sent, k):
    scheme, faces = shipped("faces-512", k), generated[sent]
    received = [scheme.send(face, link_for("awgn", 10.0, 0, str(i))).image for i, face in enumerate(faces)]
    times, period = highest_peak(np.stack([(a - b).mean(1)[0].numpy() for a, b in zip(received, faces, strict=True)]))
    assert times <= MOST, f"{times:.2f} times its neighbourhood, at {period:.2f} px"

"""Fitted codecs withstand the noise that they are fitted through."""

from dataclasses import replace

import torch

from semwave.air.channels import AWGN
from semwave.air.iq import signal
from semwave.coding.codec import Codec
from semwave.evaluation import fitted
from semwave.evaluation.fitted import Source, fit_codec
from semwave.generators.weights import read_weights
from semwave.latent.layout import FACES
from semwave.latent.space import used_coordinates


def test_a_codec_fitted_through_noise_withstands_it(tmp_path):
    random, used = torch.Generator().manual_seed(0), used_coordinates(FACES)
    metric = torch.diag_embed(used.float())
    source = Source(torch.randn(200, 28, 256, generator=random) * used, 0, torch.randn(40, 28, 256) * used, metric)
    schedule = replace(fitted.SCHEDULE, steps=3, batch=8, checkpoint_every=3)
    errors = {}
    for through_noise in (True, False):
        path = tmp_path / f"{through_noise}.safetensors"
        fit_codec(source, 16, through_noise, path, seed=0, width=4, schedule=schedule)
        codec = Codec(16, 4)
        read_weights(path, codec)
        with torch.no_grad():
            soft = AWGN(5.0, 0)(signal(codec.encode(source.held_out)))
            arrived = codec.decode(soft.symbols, soft.noise)
        errors[through_noise] = source.errors(source.held_out, arrived).mean()
    assert errors[True] < source.held_out.square().sum((1, 2)).mean() * 1.02
    assert sorted(path.name for path in tmp_path.iterdir()) == ["False.safetensors", "True.safetensors"]


def test_a_source_of_generated_faces_alone_is_all_of_photos():
    n = torch.arange(6.0).reshape(3, 1, 2)
    assert torch.equal(Source(n, 2, n, n).of_photos, n[:2])
    assert torch.equal(Source(n, 0, n, n).of_photos, n)

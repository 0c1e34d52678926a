"""Distillation: a Semantic StyleGAN learns to draw what another generator draws of the same codes."""

import json

import torch
from tiny import TINY

from semwave.latent.layout import FACES
from semwave.model import load_face_model
from semwave.training.data import Photos
from semwave.training.distillation import train_distilled
from semwave.training.loop import Schedule


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_it_learns_what_the_codes_look_like(tmp_path):
    faces = {
        "images": torch.randint(256, (6, 3, 256, 256), generator=seeded(), dtype=torch.uint8),
        "coordinates": torch.randn(6, FACES.codes, FACES.coordinates, generator=seeded()).half(),
    }
    photos = Photos(faces["images"][:2], torch.zeros(2, 256, 256, dtype=torch.uint8))

    def distance(a, b):
        return (a - b).abs().mean((1, 2, 3))

    schedule = Schedule(16, 4, 0.05, warmup=2)
    arguments = (load_face_model("faces-512"), TINY, photos, faces, distance, tmp_path / "run", schedule, "no")
    network = train_distilled(*arguments)
    rows = [json.loads(row) for row in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["masks"] < 0.8 * rows[0]["masks"] and rows[-1]["loss"] < 0.8 * rows[0]["loss"]
    # Codes of photographs and a finished run are not computed again.
    (tmp_path / "run-photos.pt").touch()
    again = train_distilled(*arguments[:5], tmp_path / "run", schedule, "no")
    for name, tensor in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name

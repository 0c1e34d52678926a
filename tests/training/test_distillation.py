"""Distillation: a Semantic StyleGAN learns to draw what another generator draws of the same codes."""

import json

import torch
from tiny import TINY

from semwave.generators.semantic_stylegan import SemanticStyleGAN
from semwave.latent.layout import FACES
from semwave.model import load_face_model
from semwave.training.data import Photos
from semwave.training.distillation import train_distilled, train_enlarged
from semwave.training.loop import Schedule


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def distance(a, b):
    return (a - b).abs().mean((1, 2, 3))


def test_it_learns_what_the_codes_look_like(tmp_path):
    faces = {
        "images": torch.randint(256, (6, 3, 256, 256), generator=seeded(), dtype=torch.uint8),
        "coordinates": torch.randn(6, FACES.codes, FACES.coordinates, generator=seeded()).half(),
    }
    photos = Photos(faces["images"][:2], torch.zeros(2, 256, 256, dtype=torch.uint8))

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


def test_what_is_enlarged_learns_at_every_size(tmp_path):
    torch.manual_seed(0)
    images = torch.randint(256, (1, 3, 1, 1), generator=seeded(), dtype=torch.uint8).repeat(1, 1, 64, 64)
    coordinates = torch.randn(1, FACES.codes, FACES.coordinates, generator=seeded())
    network, teacher = SemanticStyleGAN(TINY).enlarged(64), load_face_model("faces-512")
    noises = [each.clone() for each in network.render_net.noises.buffers()]
    schedule = Schedule(16, 2, 0.05, warmup=2)
    network = train_enlarged(teacher, network, images, coordinates, distance, tmp_path / "run", schedule, "no")
    first, *_, last = (json.loads(row) for row in (tmp_path / "run" / "log.jsonl").read_text().splitlines())
    assert last["masks"] < first["masks"] and last["loss"] < first["loss"]
    for size in (32, 64):
        assert last[f"lpips_{size}"] < first[f"lpips_{size}"] and last[f"psnr_{size}"] > first[f"psnr_{size}"]
    assert all(map(torch.equal, noises, network.render_net.noises.buffers()))

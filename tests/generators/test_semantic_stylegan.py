"""Semantic StyleGAN against what the authors' code gives for the same weights, and the reading of their checkpoints.

``data/semantic_stylegan_128.npz`` holds outputs of the authors' code at 128 px, thinned out, for weights that
:func:`rebuilt` draws again; ``data/semantic_stylegan_512_shapes.json`` names and shapes of their 512 px checkpoint.
"""

import json
import os
import pickle
from argparse import Namespace
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from semwave.apps.bench import inversion_step
from semwave.errors import SemwaveError
from semwave.generators.discriminator import DualBranchDiscriminator
from semwave.generators.distilled import DistilledGenerator
from semwave.generators.official import SIZES
from semwave.generators.semantic_stylegan import Architecture, SemanticStyleGAN
from semwave.latent.layout import FACES
from semwave.model import load_face_model

CODES = FACES.codes
DATA = Path(__file__).parents[1] / "data"
SMALL = Architecture(
    size=32, coarse_size=16, smallest_size=4, mapping_layers=2, local_channels=8, coarse_channels=16, max_channels=16
)
# A checkpoint of the authors states no limit to the channels: there are 512 of them at 16 px.
WIDE = replace(SMALL, size=16, smallest_size=8, max_channels=512)
ARGS = {theirs: getattr(WIDE, ours) for theirs, ours in SIZES.items()}


def rebuilt(module: nn.Module, seed: int, stored: dict[str, np.ndarray] | None = None) -> nn.Module:
    """``module`` with the fixture's weights: the i-th name in order draws from seed 10000 * ``seed`` + i."""
    state = module.state_dict()
    for i, name in enumerate(sorted(state)):
        if name.endswith("kernel"):
            continue
        draw = np.random.RandomState(10000 * seed + i).standard_normal(tuple(state[name].shape)).astype(np.float32)
        if name.endswith(("modulation.bias", "modulation")):
            draw = 1 + 0.2 * draw
        elif name.endswith(("bias", "noise.weight")):
            draw = 0.1 * draw
        state[name] = torch.from_numpy(np.asarray((stored or {}).get(name, draw)))
    module.load_state_dict(state)
    return module.eval().requires_grad_(False)


def shapes(module: nn.Module) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in module.state_dict().items()}


def assert_equal(found: torch.Tensor, expected: np.ndarray) -> None:
    error = np.abs(found.numpy() - expected).max()
    assert found.shape == expected.shape and error <= 1e-4 * np.abs(expected).max(), error


@pytest.fixture(scope="module")
def golden():
    with np.load(DATA / "semantic_stylegan_128.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def authors(golden):
    """The generator with the weights and sizes of the golden file."""
    config = json.loads(str(golden["config"]))
    config["transparent_dims"] = tuple(config["transparent_dims"])
    generator = SemanticStyleGAN(Architecture(**{ours: config[theirs] for theirs, ours in SIZES.items()}))
    return rebuilt(generator, int(golden["seed"]), {"pos_embed.weights": golden["pos_embed_weights"]})


@pytest.fixture(scope="module")
def small():
    """A small generator that was never trained, with noise and biases that are not zero."""
    return rebuilt(SemanticStyleGAN(SMALL), 3)


def codes_for(generator: nn.Module, count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, CODES, 512, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("segment", [True, False])
def test_the_generator_is_the_authors(authors, golden, segment):
    rendering = authors.render(torch.from_numpy(golden["w_plus"]), segment=segment)
    assert_equal(rendering.image[:, :, ::4, ::4], golden["rgb"])
    assert_equal(rendering.coarse_segmentation[:, :, ::2, 1::2], golden["coarse_segmentation"])
    if segment:
        assert_equal(rendering.segmentation[:, :, 2::8, ::8], golden["segmentation"])
    else:
        assert rendering.segmentation is None


def test_the_mapping_is_the_authors(authors, golden):
    assert_equal(authors.map(torch.from_numpy(golden["z"])), golden["w"])


def test_the_discriminator_is_the_authors(golden):
    seed, size = int(golden["seed"]), json.loads(str(golden["config"]))["size"]
    discriminator = rebuilt(DualBranchDiscriminator(size, channel_multiplier=1), seed + 1)
    assert shapes(discriminator) == json.loads(str(golden["discriminator_state_dict_shapes"]))
    source = np.random.RandomState(seed)
    source.standard_normal(2 * 512 + 2 * CODES * 512)
    image, segmentation = (
        torch.from_numpy(source.standard_normal((4, count, size, size)).clip(-1, 1).astype(np.float32))
        for count in (3, 13)
    )
    assert_equal(discriminator(image, segmentation), golden["discriminator_with_segmentation"])
    assert_equal(discriminator(image), golden["discriminator_image_only"])


def test_names_and_shapes_are_those_of_the_published_checkpoint(authors, golden):
    with torch.device("meta"):
        published = SemanticStyleGAN()
    assert shapes(published) == json.loads((DATA / "semantic_stylegan_512_shapes.json").read_text())
    assert shapes(authors) == json.loads(str(golden["state_dict_shapes"]))


def distilled():
    """A generator that was never trained, for the codes of the shipped model."""
    network = SemanticStyleGAN(replace(SMALL, code_size=256, mapping_layers=0))
    return DistilledGenerator(rebuilt(network, 5), load_face_model("faces-512").space)


@pytest.mark.parametrize("kind", ["semantic", "distilled", "compositional"])
def test_the_contract_of_generators(kind, small):
    """What the rest of the chain relies on, whichever generator it has."""
    generator, size = {
        "semantic": lambda: (small, SMALL.size),
        "distilled": lambda: (distilled(), SMALL.size),
        "compositional": lambda: (load_face_model("faces-512").generator, 256),
    }[kind]()
    codes = codes_for(generator, 2)
    faces, again = generator(codes, size), generator(codes, size)
    assert faces.image.shape == (2, 3, size, size) and faces.image.isfinite().all()
    assert faces.masks.shape[:2] == (2, 13) and faces.masks.shape[2] == faces.masks.shape[3]
    assert torch.allclose(faces.masks.sum(1), torch.ones_like(faces.masks[:, 0]), atol=1e-5)
    assert torch.equal(faces.image, again.image) and torch.equal(faces.masks, again.masks)
    assert torch.allclose(generator.masks(codes), faces.masks, atol=1e-6)
    assert torch.allclose(generator(codes[1:], size).image, faces.image[1:], atol=1e-4)
    codes = codes[:1].requires_grad_()
    generator(codes, size).image.square().sum().backward()
    assert (codes.grad.square().sum(2) > 0).all()
    with pytest.raises(SemwaveError, match="sizes are"):
        generator(codes, 300)
    with pytest.raises(SemwaveError, match="codes"):
        generator(codes[:, :20], size)


def test_shape_codes_move_the_masks_and_texture_codes_do_not(small):
    codes = codes_for(small, 1)
    masks = small(codes).masks
    for index, moves in (
        (FACES.shape_index("hair"), True),
        (FACES.shape_index("hair") + 1, False),
        (FACES.shape_index("background"), False),
    ):
        changed = codes.clone()
        changed[:, index] = 3 * codes_for(small, 1, seed=1)[:, index]
        face = small(changed)
        assert torch.equal(face.masks, masks) != moves
        assert not torch.equal(face.image, small(codes).image)


def test_a_transparent_part_hides_nothing(small):
    """Composed features stay whole below glasses: the shares of the opaque parts add up to one without them."""
    shares = small.local_nets._shares(torch.randn(2, 13, 9, generator=torch.Generator().manual_seed(0)))
    opaque = [part for part in range(13) if part not in SMALL.transparent]
    assert torch.allclose(shares[:, opaque].sum(1), torch.ones(2, 9))
    assert (shares[:, list(SMALL.transparent)] > 0).all()


def test_random_noise_changes_the_picture_and_is_seeded(small):
    codes = codes_for(small, 2)
    stored = small.render(codes).image
    first, same, other = (
        small.render(codes, small.random_noise(2, torch.Generator().manual_seed(seed))).image for seed in (0, 0, 1)
    )
    assert torch.equal(first, same)
    assert not torch.equal(first, other) and not torch.equal(first, stored)


def test_the_segmentation_adds_to_the_masks_only_where_it_refines(small):
    codes = codes_for(small, 1)
    alone = SemanticStyleGAN(replace(SMALL, refine=False))
    alone.load_state_dict(small.state_dict())
    with torch.no_grad():
        difference = small.render(codes).segmentation - alone.render(codes).segmentation
    # Away from the border, where zeros come in, doubling keeps the sum over the parts: 2 - 13.
    assert torch.allclose(difference.sum(1)[:, 2:-2, 2:-2], torch.tensor(-11.0), atol=1e-3)


def test_an_enlarged_one_draws_what_it_did_and_larger(small, tmp_path):
    for name, network in (("small", small), ("enlarged", small.enlarged(4 * SMALL.size))):
        network.save(tmp_path / name)
    read, enlarged = (SemanticStyleGAN.from_file(tmp_path / name) for name in ("small", "enlarged"))
    assert enlarged.sizes == (SMALL.size, 2 * SMALL.size, 4 * SMALL.size)
    codes = codes_for(small, 2)
    picture = read(codes).image
    assert torch.equal(enlarged(codes, SMALL.size).image, picture)
    rendering = enlarged.render(codes, segment=False)
    assert [each.shape[-1] for each in rendering.smaller] == [SMALL.size, 2 * SMALL.size]
    for drawn, head in zip(
        (*rendering.smaller, rendering.image), (None, *enlarged.render_net.to_rgbs[-2:]), strict=True
    ):
        picture = head.upsample(picture) if head else picture
        assert torch.allclose(drawn, picture, atol=1e-6)
        assert torch.equal(enlarged(codes, drawn.shape[-1]).image, drawn)
    with pytest.raises(SemwaveError, match="size 16 is not offered"):
        enlarged(codes, 16)


def test_it_runs_in_bf16(small):
    codes = codes_for(small, 1).requires_grad_()
    exact = small(codes)
    with torch.autocast("cpu", torch.bfloat16):
        faces = small(codes)
    assert faces.image.dtype == faces.masks.dtype == torch.float32
    assert (faces.image - exact.image).std() < 0.05 * exact.image.std()
    faces.image.square().sum().backward()
    assert codes.grad.isfinite().all()


def test_every_weight_learns():
    """A weight without a gradient stops training on several GPUs."""
    torch.manual_seed(0)
    generator, discriminator = SemanticStyleGAN(SMALL), DualBranchDiscriminator(SMALL.size, max_channels=16)
    codes = generator.map(torch.randn(2, 512))[:, None].expand(-1, CODES, -1)
    rendering = generator.render(codes)
    discriminator(rendering.image, rendering.segmentation).sum().backward()
    for module in (generator, discriminator):
        assert [name for name, weight in module.named_parameters() if weight.grad is None] == []


def test_what_training_needs_has_second_derivatives():
    """R1 takes the gradient of the scores' gradient, path length that of the picture's."""
    torch.manual_seed(0)
    generator, discriminator = SemanticStyleGAN(SMALL), DualBranchDiscriminator(SMALL.size, max_channels=16)
    codes = codes_for(generator, 4).requires_grad_()
    rendering = generator.render(codes, generator.random_noise(4, torch.Generator().manual_seed(0)))
    (slope,) = torch.autograd.grad((rendering.image * torch.randn(4, 3, 32, 32)).sum(), codes, create_graph=True)
    slope.square().sum().backward()
    read = {name for name, weight in generator.named_parameters() if weight.grad is not None}
    assert any(name.startswith("render_net.convs.0") for name in read) and "local_nets.5.linears.2.conv.weight" in read

    image, segmentation = rendering.image.detach().requires_grad_(), rendering.segmentation.detach().requires_grad_()
    slopes = torch.autograd.grad(discriminator(image, segmentation).sum(), (image, segmentation), create_graph=True)
    sum(slope.square().sum() for slope in slopes).backward()
    assert all(weight.grad.isfinite().all() for weight in discriminator.parameters() if weight.grad is not None)


@pytest.mark.parametrize(
    "sizes, rule",
    [
        ({"size": 100}, "powers of two"),
        ({"coarse_size": 16, "smallest_size": 16}, "smallest_size < coarse_size"),
        ({"depth_layers": 2}, "base_layers < depth_layers"),
        ({"transparent": (0,)}, "transparent"),
        ({"transparent": [10]}, "tuple"),
        ({"size": "512"}, "whole numbers"),
        ({"channel_multiplier": float("nan")}, "multiplier"),
        ({"local_channels": 10**9}, "4096"),
        ({"refine": 1}, "refine"),
        ({"mapping_layers": -1}, "mapping layers"),
        ({"octaves": 17}, "octaves"),
        ({"drawn_sizes": (512, 256)}, "drawn sizes"),
        ({"drawn_sizes": (256, 300, 512)}, "drawn sizes"),
        ({"drawn_sizes": [512]}, "tuples"),
    ],
)
def test_impossible_sizes_are_refused(sizes, rule):
    with pytest.raises(SemwaveError, match=rule):
        Architecture(**sizes)


def test_the_discriminator_refuses_another_size():
    with pytest.raises(SemwaveError, match="power of two"):
        DualBranchDiscriminator(48)
    with pytest.raises(SemwaveError, match="16 x 16"):
        DualBranchDiscriminator(32, max_channels=8)(torch.zeros(1, 3, 16, 16))


def checkpoint(path: Path, generator: SemanticStyleGAN, **changes) -> Path:
    """A checkpoint as the authors' training writes it, but for ``changes``."""
    args = Namespace(**ARGS, batch=16, ckpt=None, dataset="data")
    torch.save({"iter": 7, "g_ema": generator.state_dict(), "g": generator.state_dict(), "args": args} | changes, path)
    return path


@pytest.fixture(scope="module")
def wide():
    return rebuilt(SemanticStyleGAN(WIDE), 4)


def test_a_checkpoint_is_read_back(tmp_path, wide):
    read = SemanticStyleGAN.from_official(checkpoint(tmp_path / "model.pt", wide))
    codes = codes_for(wide, 1)
    assert read.architecture == WIDE and not read.training
    with torch.no_grad():
        assert torch.equal(read(codes).image, wide(codes).image)


def test_a_size_that_args_leave_out_is_the_published_one(tmp_path, wide):
    args = {name: value for name, value in ARGS.items() if name not in ("local_layers", "base_layers")}
    path = checkpoint(tmp_path / "model.pt", wide, args=Namespace(**args | {"transparent_dims": [10, 12]}))
    assert SemanticStyleGAN.from_official(path).architecture == WIDE


class Evil:
    """Runs a command where it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("place", ["args", "g_ema", "optimiser", "whole", "old pickle", "in args"])
def test_no_code_of_a_checkpoint_is_run(tmp_path, wide, place):
    trace, path = tmp_path / "trace", tmp_path / "model.pt"
    evil = Evil(trace)
    if place == "whole":
        torch.save(evil, path)
    elif place == "old pickle":
        path.write_bytes(pickle.dumps({"g_ema": evil}, protocol=2))
    elif place == "in args":
        checkpoint(path, wide, args=Namespace(**ARGS, more=evil))
    else:
        checkpoint(path, wide, **{place: evil})
    with pytest.raises(SemwaveError, match="was refused: it holds more than"):
        SemanticStyleGAN.from_official(path)
    assert not trace.exists()


def test_what_others_allow_in_pickles_is_refused_here_and_stays_allowed_there(tmp_path, wide):
    path = checkpoint(tmp_path / "model.pt", wide, ratio=Fraction(1, 3))
    with torch.serialization.safe_globals([Fraction]):
        with pytest.raises(SemwaveError, match="was refused"):
            SemanticStyleGAN.from_official(path)
        assert Fraction in torch.serialization.get_safe_globals()
    assert Namespace not in torch.serialization.get_safe_globals()


def test_weights_that_do_not_fit_are_listed(tmp_path, wide):
    state = wide.state_dict()
    del state["style.1.bias"]
    state["style.9.bias"] = torch.zeros(512)
    state["render_net.to_rgbs.0.bias"] = torch.zeros(3)
    with pytest.raises(SemwaveError) as refusal:
        SemanticStyleGAN.from_official(checkpoint(tmp_path / "model.pt", wide, g_ema=state))
    assert "1 missing: style.1.bias" in str(refusal.value) and "1 too many: style.9.bias" in str(refusal.value)
    assert "render_net.to_rgbs.0.bias (3,) instead of (1, 3, 1, 1)" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_sizes_that_do_not_fit_the_weights_are_refused(tmp_path, wide):
    path = checkpoint(tmp_path / "model.pt", wide, args=Namespace(**ARGS | {"size": 64}))
    with pytest.raises(SemwaveError, match=r"missing: .* and \d+ more|of another shape: pos_embed"):
        SemanticStyleGAN.from_official(path)
    path = checkpoint(path, wide, args=Namespace(**ARGS | {"size": "16"}))
    with pytest.raises(SemwaveError, match="whole numbers"):
        SemanticStyleGAN.from_official(path)


def test_what_is_no_checkpoint_is_refused(tmp_path, wide):
    path = tmp_path / "model.pt"
    with pytest.raises(SemwaveError, match="there is no checkpoint"):
        SemanticStyleGAN.from_official(path)
    whole = checkpoint(path, wide).read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"no checkpoint", np.random.RandomState(0).bytes(1000)):
        path.write_bytes(damaged)
        with pytest.raises(SemwaveError, match=r"is damaged or|is no checkpoint at all"):
            SemanticStyleGAN.from_official(path)
    for other in (wide.state_dict(), torch.zeros(3), {"g_ema": wide.state_dict()}, {"g_ema": 3, "args": Namespace()}):
        torch.save(other, path)
        with pytest.raises(SemwaveError, match="no checkpoint of Semantic StyleGAN"):
            SemanticStyleGAN.from_official(path)
    with pytest.raises(SemwaveError, match="more than named tensors"):
        SemanticStyleGAN.from_official(checkpoint(path, wide, g_ema={"style.1.bias": "zeros"}))


def test_a_generator_survives_the_disk(tmp_path):
    torch.manual_seed(0)
    generator = SemanticStyleGAN(SMALL).eval()
    generator.save(tmp_path / "generator.safetensors")
    again = SemanticStyleGAN.from_file(tmp_path / "generator.safetensors")
    assert again.architecture == SMALL and not again.training
    # Half precision: 11 bits.
    for name, tensor in generator.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], tensor, atol=1e-6, rtol=2**-11, msg=name)


@pytest.mark.parametrize("content", [None, b"", b"no tensors", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_what_holds_no_generator_is_refused(tmp_path, content):
    path = tmp_path / "generator.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SemwaveError, match="holds no Semantic StyleGAN"):
        SemanticStyleGAN.from_file(path)


@pytest.mark.parametrize("bf16", [False, True])
def test_a_step_of_inversion_is_timed(small, bf16):
    timing = inversion_step(small, SMALL.size, runs=2, bf16=bf16)
    assert timing.median > 0 and timing.runs == 2 and f"{SMALL.size} px" in timing.stage

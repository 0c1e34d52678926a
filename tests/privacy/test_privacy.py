"""What private parts are kept from: eqs. 4 and 5, the knowledge base, and the symbols of strict mode."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from semwave import Receiver, SemwaveError, Transmitter
from semwave.apps.cli import app
from semwave.coding.residual import PLANS
from semwave.evaluation.privacy import probe
from semwave.evaluation.privacy.figures import present
from semwave.latent.layout import CODES, PARTS, part_index, shape_index, texture_index
from semwave.model import load_model
from semwave.pictures import align
from semwave.pictures.images import read_image, to_uint8
from semwave.privacy import knowledge as knowledge_base
from semwave.privacy.faces import drawn, read_codes
from semwave.privacy.filter import filtered
from semwave.privacy.knowledge import CELLS, FILE, VERSION, build, corrected, load_knowledge
from semwave.privacy.photo import framed
from semwave.privacy.protection import Protection
from semwave.privacy.settings import FACE_PARTS, Mode, Privacy
from semwave.privacy.strict import (
    COMPACT,
    LABELS,
    choose_prototypes,
    fill,
    private_region,
    varied,
    without_region,
)

SIZE = 256
parts = st.sampled_from(PARTS)
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def model():
    return load_model("faces-512")


@pytest.fixture(scope="module")
def knowledge():
    return load_knowledge("faces-512")


@pytest.fixture(scope="module")
def faces(model):
    random = torch.Generator().manual_seed(5)
    return [drawn(model, random, SIZE) for _ in range(2)]


def distance(a, b):
    return (a.double() - b.double()).square().sum((1, 2)).sqrt()


# Eqs. 4 and 5


@st.composite
def codes_of_parts(draw):
    """Codes (2, 2, 512) as a part may have them, from nearly none to far beyond any face."""
    scale = 10 ** draw(st.floats(-3, 3))
    return torch.randn(2, 2, 512, generator=torch.Generator().manual_seed(draw(seeds))) * scale


@settings(deadline=None, max_examples=60)
@given(codes_of_parts(), st.floats(0.01, 20), seeds)
def test_the_filter_moves_just_far_enough(codes, lambda1, seed):
    directions = torch.randn(512, 256, generator=torch.Generator().manual_seed(1))
    moved = filtered(codes, lambda1, directions, torch.Generator().manual_seed(seed))
    least = lambda1 * distance(codes, torch.zeros(()))
    assert (distance(moved, codes) > least).all()
    assert (distance(moved, codes) < least * (1 + 1e-2) + 1e-4).all()
    assert torch.equal(moved, filtered(codes, lambda1, directions, torch.Generator().manual_seed(seed)))


def test_the_filter_moves_even_codes_of_zero():
    moved = filtered(torch.zeros(1, 2, 512), 1.0, torch.eye(512)[:, :256], torch.Generator().manual_seed(0))
    assert (distance(moved, torch.zeros(())) > 0).all()


@settings(deadline=None, max_examples=60)
@given(codes_of_parts(), st.floats(0.01, 0.99), seeds)
def test_the_correction_goes_as_far_as_eq_5_allows(codes, lambda2, seed):
    average = torch.randn(2, 512, generator=torch.Generator().manual_seed(seed)) + 0.1
    natural = corrected(codes, average, lambda2)
    left, moved = distance(natural, average), distance(natural, codes)
    assert (moved < lambda2 * left).all()
    assert (moved > 0.99 * lambda2 * left).all()
    # Nothing is gained by a detour: the way is straight.
    torch.testing.assert_close(left + moved, distance(codes, average), rtol=1e-4, atol=0)


@pytest.mark.parametrize("part", PARTS)
def test_eqs_4_and_5_hold_for_the_codes_of_every_part_and_others_stay(part, model, knowledge, faces):
    whole = torch.randn(2, CODES, 512, generator=torch.Generator().manual_seed(part_index(part)))
    strict = torch.randn(2, CODES, 512, generator=torch.Generator().manual_seed(99))
    codes = [shape_index(part), texture_index(part)]
    ways = [
        Protection(model, Privacy((part,), mode=mode, lambda1=0.7, lambda2=0.4)) for mode in Mode if mode != "strict"
    ]
    far, natural = (way.moved(whole, strict, torch.Generator().manual_seed(3)) for way in ways)
    truth, average = whole[:, codes], knowledge.mean[codes]
    assert (distance(far[:, codes], truth) > 0.7 * distance(truth, torch.zeros(()))).all()
    assert (distance(natural[:, codes], far[:, codes]) < 0.4 * distance(natural[:, codes], average)).all()
    others = [i for i in range(2, CODES) if i not in codes]
    for protected in (far, natural):
        assert torch.equal(protected[:, others], whole[:, others])
        # What an encoder writes of a part into the base codes must not pass.
        assert torch.equal(protected[:, :2], strict[:, :2])


# Strict mode


@pytest.mark.parametrize("part", PARTS)
def test_the_region_and_nothing_else_is_replaced(part, knowledge, faces):
    """All that reads a photo in strict mode reads it through this: equal visible pixels give equal bits."""
    labels = torch.full((1, LABELS, LABELS), PARTS.index("hair" if part == "skin" else "skin"), dtype=torch.uint8)
    labels[:, 50:70, 40:60] = part_index(part)
    region = private_region(labels, (part,), False, knowledge)
    assert region[labels == part_index(part)].all() and not region.all()
    photo = faces[0].repeat_interleave(2, 2).repeat_interleave(2, 3)
    private = region.repeat_interleave(4, 1).repeat_interleave(4, 2)[:, None]
    fills = []
    for content in (photo, photo.flip(2), torch.full_like(photo, -1), torch.full_like(photo, torch.nan)):
        visible, seen = without_region(torch.where(private, content, photo), region)
        chosen = choose_prototypes(visible, seen, knowledge, torch.Generator().manual_seed(0))
        fills.append((visible, chosen, fill(visible, seen, faces[1])))
        assert torch.equal(fills[-1][2][:, :, seen[0, 0]], visible[:, :, seen[0, 0]])
    for other in fills[1:]:
        assert all(torch.equal(a, b) for a, b in zip(fills[0], other, strict=True))


def test_a_region_finer_than_the_photo_hides_every_pixel_that_it_touches():
    region = torch.zeros(1, 4 * SIZE, 4 * SIZE, dtype=torch.bool)
    region[0, 401, 402] = True
    visible, seen = without_region(torch.ones(1, 3, SIZE, SIZE), region)
    assert (~seen).nonzero().tolist() == [[0, 0, 100, 100]] and not visible[0, :, 100, 100].any()


CONTENTS = ("another face", "noise", "black")


@pytest.mark.parametrize("part", PARTS)
def test_symbols_are_the_same_bits_whatever_the_private_part_shows(part, model, faces, knowledge):
    photo, other = faces
    places = (knowledge.places[part_index(part)] >= 0.3).repeat_interleave(4, 0).repeat_interleave(4, 1)
    region = places[None] if places.any() else torch.zeros(1, LABELS, LABELS, dtype=torch.bool)
    region = region | (torch.arange(LABELS) < 8)
    private = region.repeat_interleave(2, 1).repeat_interleave(2, 2)[:, None]
    content = CONTENTS[part_index(part) % len(CONTENTS)]
    noise = torch.rand(photo.shape, generator=torch.Generator().manual_seed(1)) * 2 - 1
    inside = {"another face": other, "noise": noise, "black": torch.full_like(photo, -1)}[content]
    changed = torch.where(private, inside, photo)
    assert not torch.equal(changed, photo)
    privacy = Privacy((part,), seed=7)
    transmitter = Transmitter(model, 256, privacy=privacy)
    codes = [transmitter.invert(picture, region=region) for picture in (photo, changed)]
    assert torch.equal(*codes)
    for k in model.codecs:
        for residual in (True, False):
            sending = Transmitter(model, k, privacy=privacy, residual=residual)
            pairs = zip(codes, (photo, changed), strict=True)
            symbols = [sending.encode(these, picture, region) for these, picture in pairs]
            assert torch.equal(*symbols) and symbols[0].shape == (1, k)


def test_what_is_sent_beside_the_codes_needs_the_region_and_is_nothing_there(model, faces):
    photo, region = faces[0], torch.zeros(1, LABELS, LABELS, dtype=torch.bool)
    region[:, 40:60, 30:90] = True
    transmitter = Transmitter(model, max(PLANS), privacy=Privacy(("eyes",)))
    with torch.no_grad():
        codes = model.invert(photo)
    with pytest.raises(SemwaveError, match="private"):
        transmitter.encode(codes, photo)
    decoded = Receiver(model, SIZE).decode(transmitter.encode(codes, photo, region), 60.0)
    inside = torch.nn.functional.avg_pool2d(region.float(), 2)[0] == 1
    # What frequencies above the fortieth would have to cancel is little.
    assert decoded.difference[0, :, inside].abs().mean() < 0.2 * decoded.difference[0, :, ~inside].abs().mean()


@pytest.mark.parametrize("options", [{"refine_steps": 2}, {"start": "mean"}])
def test_refinement_sees_no_private_pixel_either(options, model, faces):
    photo = faces[0].clone()
    region = torch.zeros(1, SIZE, SIZE, dtype=torch.bool)
    region[:, 100:140, 60:200] = True
    transmitter = Transmitter(model, 256, privacy=Privacy(("eyes",)), **options)
    symbols = [transmitter(torch.where(region[:, None], content, photo), region).symbols for content in (photo, -1.0)]
    assert torch.equal(*symbols)


def test_hidden_eyes_change_and_what_is_not_hidden_stays(model, faces):
    privacy = Privacy(("eyes",))
    region = Protection(model, privacy).region(faces[0])
    with torch.no_grad():
        plain, hidden, again = (
            model.generate(Transmitter(model, 256, privacy=way).invert(faces[0]), SIZE).image
            for way in (None, privacy, dataclasses.replace(privacy, seed=1))
        )
    changes = (hidden - plain).abs().mean(1)
    inside = region.repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert changes[inside].mean() > 2 * changes[~inside].mean()
    assert not torch.equal(hidden, again)


def test_the_region_of_a_compact_part_is_the_same_for_small_changes(knowledge):
    regions = []
    for shift in (0, 1, 2):
        labels = torch.full((1, LABELS, LABELS), PARTS.index("skin"), dtype=torch.uint8)
        labels[:, 59 + shift : 62, 42 + shift : 54] = labels[:, 59 : 62 - shift, 74:85] = PARTS.index("eyes")
        regions.append(private_region(labels, ("eyes",), False, knowledge))
    assert torch.equal(regions[0], regions[1]) and torch.equal(regions[0], regions[2])
    assert torch.equal(
        regions[0],
        regions[0].reshape(1, CELLS, 4, CELLS, 4)[:, :, :1, :, :1].expand(-1, -1, 4, -1, 4).reshape(1, LABELS, LABELS),
    )


def test_parts_to_keep_are_all_that_is_seen(knowledge):
    labels = torch.zeros(1, LABELS, LABELS, dtype=torch.uint8)
    labels[:, 50:60, 30:90] = PARTS.index("eyes")
    hidden = Privacy(keep=("eyes",)).hidden
    assert set(hidden) == set(PARTS) - {"eyes"}
    assert torch.equal(private_region(labels, hidden, True, knowledge), labels != PARTS.index("eyes"))


def test_a_photo_without_the_part_is_refused(knowledge):
    labels = torch.ones(1, LABELS, LABELS, dtype=torch.uint8)
    for hidden, keep in ((("hat",), False), (tuple(part for part in PARTS if part != "hat"), True)):
        with pytest.raises(SemwaveError, match="no hat can be seen in the photo; it has skin"):
            private_region(labels, hidden, keep, knowledge)


def test_replacements_vary_by_seed_and_are_natural(model, knowledge, faces):
    visible, seen = without_region(faces[0], torch.arange(LABELS).expand(1, LABELS, LABELS) > 90)
    found = [
        varied(knowledge, choose_prototypes(visible, seen, knowledge, random), random)
        for random in map(torch.Generator().manual_seed, range(4))
    ]
    for a, b in itertools.combinations(found, 2):
        assert not torch.equal(a, b)
    likelihood = model.flow.log_likelihood(model.space.coordinates(torch.cat(found)))[:, 2:].mean()
    unnatural = model.flow.log_likelihood(model.space.coordinates(torch.cat(found) * 3))[:, 2:].mean()
    assert likelihood > unnatural


# The knowledge base


def test_the_shipped_knowledge_base_is_made_of_generated_faces(knowledge):
    assert "generated faces" in knowledge.made_from and knowledge.made_for == "faces-512"
    assert len(knowledge.prototypes) >= 16 and knowledge.total >= 100
    for part in FACE_PARTS[:5]:
        assert knowledge.faces[part_index(part)] > 0.9 * knowledge.total
    for part in set(COMPACT) - {"ears", "glasses", "earrings"}:
        share = (knowledge.places[part_index(part)] >= 0.05).float().mean()
        assert 0.01 < share < 0.2


def test_build_gives_averages_spread_and_prototypes_of_the_data(model, knowledge, tmp_path):
    codes = knowledge.prototypes[:20]
    built = build(model, codes.split(6), "a test", prototypes=5)
    torch.testing.assert_close(built.mean[:2], codes.mean(0)[:2], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(built.spread[shape_index("skin")], codes[:, shape_index("skin")].std(0, correction=0))
    assert all(any(torch.equal(one, code) for code in codes) for one in built.prototypes)
    built.save(tmp_path / "k.safetensors")
    loaded = load_knowledge("faces-512", tmp_path / "k.safetensors")
    torch.testing.assert_close(loaded.prototypes, built.prototypes, rtol=1e-3, atol=1e-3)
    assert (loaded.made_from, loaded.total, loaded.made_for) == ("a test", 20, "faces-512")


def rewritten(path, tensors=None, **metadata):
    """The shipped knowledge base with other ``tensors`` or ``metadata``, at ``path``."""
    shipped = load_model("faces-512") and load_file(_shipped())
    about = {"made_for": "faces-512", "made_from": "x", "total": 1}
    known = {"semwave_knowledge": str(VERSION), "about": json.dumps(about)}
    metadata = {name: value for name, value in (known | metadata).items() if value is not None}
    save_file((tensors or (lambda t: t))(shipped), path, metadata)


def _shipped():
    from semwave.model import MODELS

    return MODELS["faces-512"] / FILE


other_model = json.dumps({"made_for": "cats-512", "made_from": "x", "total": 1})
BAD_BASES = {
    "missing": (lambda path: None, "no such knowledge base"),
    "text": (lambda path: path.write_text("faces"), "not a readable safetensors file"),
    "other tensors": (lambda path: save_file({"a": torch.ones(1)}, path), "not a knowledge base"),
    "old": (lambda path: rewritten(path, semwave_knowledge="0"), "version 0"),
    "another model": (lambda path: rewritten(path, about=other_model), "made for model cats-512"),
    "no facts": (lambda path: rewritten(path, about="{}"), "damaged"),
    "lacks a tensor": (lambda path: rewritten(path, lambda t: {n: t[n] for n in t if n != "mean"}), "damaged"),
    "wrong shape": (lambda path: rewritten(path, lambda t: t | {"mean": torch.ones(3)}), "damaged"),
    "NaN": (lambda path: rewritten(path, lambda t: t | {"mean": t["mean"] * torch.nan}), "damaged"),
}


@pytest.mark.parametrize("kind", BAD_BASES)
def test_a_bad_knowledge_base_is_refused(kind, tmp_path):
    path = tmp_path / "base.safetensors"
    make, message = BAD_BASES[kind]
    make(path)
    with pytest.raises(SemwaveError, match=message):
        load_knowledge("faces-512", path)


# Masks that the user draws


def test_a_mask_removes_its_pixels_before_the_face_is_looked_for(monkeypatch):
    random = np.random.default_rng(0)
    photo = random.integers(0, 256, (90, 120, 3), dtype=np.uint8)
    mask = np.zeros((90, 120), bool)
    mask[20:50, 30:70] = True
    seen = []
    monkeypatch.setattr(
        align,
        "find_frame",
        lambda picture: seen.append(picture) or align.Frame(np.array([60.0, 45]), np.array([50.0, 5])),
    )
    pictures = [
        photo,
        np.where(mask[..., None], 0, photo).astype(np.uint8),
        np.where(mask[..., None], 255, photo).astype(np.uint8),
    ]
    results = [framed(picture, 64, True, mask) for picture in pictures]
    for result, found in zip(results, seen, strict=True):
        np.testing.assert_array_equal(result.read, results[0].read)
        np.testing.assert_array_equal(found, seen[0])
        np.testing.assert_array_equal(found[~mask], photo[~mask])
        assert torch.equal(result.region, results[0].region) and result.region.any() and not result.region.all()
    assert (results[0].sent != results[0].read).any()


# An attacker


def test_the_probe_picks_what_it_can_know_and_nothing_else():
    random = np.random.default_rng(0)
    mixing = random.standard_normal((20, 60))

    def photos(count):
        made = []
        for _ in range(count):
            eyes, rest = random.standard_normal(20), random.standard_normal(30)
            known = eyes @ mixing + 0.1 * random.standard_normal(60)
            made.append({probe.TRUTH: eyes, "all of it": known, "nothing of it": rest})
        return made

    rates = probe.pick_rates(photos(200), photos(100))
    assert rates["all of it"][0] > 0.9
    assert rates["nothing of it"][0] < 0.1 and rates["nothing of it"][1] < 0.3


# The command


@pytest.fixture
def face(tmp_path, faces):
    path = tmp_path / "in" / "face.png"
    path.parent.mkdir()
    Image.fromarray(to_uint8(faces[0][0])).save(path)
    return path


def semwave(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="semwave")


def test_send_hides_and_says_so(face, tmp_path, monkeypatch):
    monkeypatch.delenv("SEMWAVE_LPIPS_WEIGHTS", raising=False)
    common = ("--no-align", "--size", SIZE, "--out", tmp_path / "out")
    result = semwave("send", face, "--hide", "eyes,mouth", "--privacy", "knowledge", *common)
    assert result.exit_code == 0, result.output
    (row,) = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (row["hidden"], row["privacy"]) == (["eyes", "mouth"], "knowledge")
    assert read_image(tmp_path / "out" / "face.received.png").shape == (SIZE, SIZE, 3)


def test_transmit_with_a_mask_gives_the_same_symbols_for_any_content(face, tmp_path):
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[100:140, 60:200] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    Image.fromarray(np.where(mask[..., None], 7, read_image(face)).astype(np.uint8)).save(tmp_path / "other.png")
    symbols = []
    for photo in (face, tmp_path / "other.png"):
        out = tmp_path / f"{photo.stem}.npy"
        options = ("--no-align", "--size", SIZE, "--k", 256, "--mask", tmp_path / "mask.png", "--out", out)
        result = semwave("transmit", photo, *options)
        assert result.exit_code == 0, result.output
        symbols.append(np.load(out))
    np.testing.assert_array_equal(*symbols)


BAD_OPTIONS = [
    (["--hide", "eyes,ear"], f"unknown part 'ear'; the parts are {', '.join(PARTS)}"),
    (["--keep", "eye"], "the parts are background"),
    (["--hide", "eyes", "--keep", "mouth"], "--hide and --keep"),
    (["--hide", "eyes", "--mask", "MASK"], "--mask goes without"),
    (["--keep", ",".join(PARTS)], "every part is kept"),
    (["--hide", "eyes", "--lambda2", "1"], "lambda2 must lie between 0 and 1"),
    (["--hide", "eyes", "--lambda2", "nan"], "lambda2"),
    (["--hide", "eyes", "--lambda1", "0"], "lambda1 must be above 0"),
    (["--hide", "eyes", "--lambda1", "inf"], "lambda1"),
    (["--hide", "eyes", "--privacy", "magic"], "strict"),
    (["--privacy", "filter"], "nothing is private"),
    (["--hide", "ABSENT"], "no ABSENT can be seen"),
    (["--keep", "ABSENT"], "no ABSENT can be seen"),
    (["--mask", "MASK", "--privacy", "filter"], "--mask needs --privacy strict"),
    (["--mask", "SMALL"], "the mask has 10 x 12 pixels, the photo 256 x 256"),
    (["--mask", "TEXT"], "not a readable picture"),
    (["--mask", "BLACK"], "marks nothing"),
    (["--mask", "no-such.png"], "no such file"),
    (["--hide", "eyes", "--knowledge", "CATS"], "made for model cats-512"),
]


@pytest.mark.parametrize("command", ["send", "transmit"])
@pytest.mark.parametrize("options, message", BAD_OPTIONS, ids=[" ".join(options) for options, _ in BAD_OPTIONS])
def test_bad_privacy_is_one_line_and_sends_nothing(
    options, message, command, model, face, faces, tmp_path, monkeypatch
):
    monkeypatch.delenv("SEMWAVE_LPIPS_WEIGHTS", raising=False)
    absent = (set(PARTS) - set(present(model, faces[0], PARTS))).pop()
    files = {"MASK": tmp_path / "mask.png", "SMALL": tmp_path / "small.png", "TEXT": tmp_path / "text.png"}
    files |= {"ABSENT": absent, "BLACK": tmp_path / "black.png", "CATS": tmp_path / "cats.safetensors"}
    Image.new("L", (SIZE, SIZE), 255).save(files["MASK"])
    Image.new("L", (10, 12), 255).save(files["SMALL"])
    Image.new("L", (SIZE, SIZE)).save(files["BLACK"])
    files["TEXT"].write_text("a mask")
    rewritten(files["CATS"], about=other_model)
    before = sorted(tmp_path.rglob("*"))
    result = semwave(command, face, "--no-align", "--out", tmp_path / "out", *(files.get(o, o) for o in options))
    assert result.exit_code == 2, result.output
    lines = [line for line in result.stderr.splitlines() if "warning" not in line]
    assert len(lines) == 1 and lines[0].startswith("semwave: ")
    assert message.replace("ABSENT", absent) in lines[0]
    assert sorted(tmp_path.rglob("*")) == before


def test_knowledge_is_built_of_codes_and_shown(knowledge, tmp_path):
    np.save(tmp_path / "codes.npy", knowledge.prototypes[:8].numpy())
    save_file({"codes": knowledge.prototypes[:8]}, tmp_path / "codes.safetensors")
    assert torch.equal(*(read_codes(tmp_path / f"codes.{kind}")[0] for kind in ("npy", "safetensors")))
    result = semwave("knowledge", "build", tmp_path / "codes.npy", "--out", tmp_path / "base")
    assert result.exit_code == 0, result.output
    shown = semwave("knowledge", "show", tmp_path / "base")
    assert shown.exit_code == 0 and "8 codes" in shown.stdout and "earrings" in shown.stdout


def test_knowledge_is_built_of_photos_and_of_generated_faces(face, tmp_path, monkeypatch):
    monkeypatch.setattr(knowledge_base, "LEAST_FACES", 1)
    for source, name in (((face.parent, "--no-align"), "1 photos"), (("--generated", 3), "3 generated faces")):
        result = semwave("knowledge", "build", *source, "--out", tmp_path / "base")
        assert result.exit_code == 0, result.output
        assert load_knowledge("faces-512", tmp_path / "base").made_from == name


def codes_file(array):
    return lambda path: np.save(path.open("wb"), array)


BAD_SOURCES = {
    "nothing": (None, (), "either a folder of photos"),
    "both": (codes_file(np.zeros((9, 28, 512), np.float32)), ("--generated", 3), "either a folder of photos"),
    "missing": (lambda path: None, (), "no such file or folder"),
    "text": (lambda path: path.write_text("codes"), (), "has no codes"),
    "shape": (codes_file(np.zeros((9, 28, 256), np.float32)), (), "(N, 28, 512)"),
    "a number": (codes_file(np.float32(1)), (), "has no codes"),
    "integers": (codes_file(np.zeros((9, 28, 512), int)), (), "(N, 28, 512)"),
    "NaN": (codes_file(np.full((9, 28, 512), np.nan, np.float32)), (), "finite"),
    "too few": (codes_file(np.zeros((2, 28, 512), np.float32)), (), "at least 8"),
}


@pytest.mark.parametrize("kind", BAD_SOURCES)
def test_knowledge_is_not_built_of_bad_data(kind, tmp_path):
    make, options, message = BAD_SOURCES[kind]
    if make:
        make(tmp_path / "codes")
    arguments = [tmp_path / "codes"] if make else []
    result = semwave("knowledge", "build", *arguments, *options, "--out", tmp_path / "base")
    assert result.exit_code == 2 and message in result.stderr and len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "base").exists()

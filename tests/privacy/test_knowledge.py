"""Eq. 5 and the knowledge base: what it holds, how it is built, and what is none."""

import dataclasses
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from semwave import SemwaveError
from semwave.privacy.knowledge import FILE, LEAST_FACES, VERSION, build, corrected, load_knowledge
from semwave.zoo import MODELS, config_of

seeds = st.integers(0, 2**32 - 1)


def distance(a, b):
    return (a.double() - b.double()).square().sum((1, 2)).sqrt()


@settings(deadline=None, max_examples=60)
@given(st.floats(-3, 3), st.floats(0.01, 0.99), seeds)
def test_the_correction_goes_as_far_as_eq_5_allows(scale, lambda2, seed):
    random = torch.Generator().manual_seed(seed)
    codes, average = torch.randn(2, 2, 512, generator=random) * 10**scale, torch.randn(2, 512, generator=random) + 0.1
    natural = corrected(codes, average, lambda2)
    left, moved = distance(natural, average), distance(natural, codes)
    assert (moved < lambda2 * left).all()
    assert (moved > 0.99 * lambda2 * left).all()
    # Nothing is gained by a detour: the way is straight.
    torch.testing.assert_close(left + moved, distance(codes, average), rtol=1e-4, atol=0)


def test_the_shipped_knowledge_base_is_made_of_generated_faces(knowledge, layout):
    assert "generated faces" in knowledge.made_from and knowledge.made_for == "faces-512"
    assert len(knowledge.prototypes) >= 16 and knowledge.total >= 100
    for part in layout.essential:
        assert knowledge.faces[layout.part_index(part)] > 0.9 * knowledge.total
    for part in set(layout.compact) - {"ears", "glasses", "earrings"}:
        share = (knowledge.places[layout.part_index(part)] >= 0.05).float().mean()
        assert 0.01 < share < 0.2


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_the_knowledge_base_of_its_codes(name):
    assert load_knowledge(config_of(name)).made_for == config_of(name).code_model


def test_build_gives_averages_spread_and_prototypes_of_the_data(model, layout, knowledge, tmp_path):
    codes, skin = knowledge.prototypes[:20], layout.shape_index("skin")
    built = build(model, codes.split(6), "a test", prototypes=5)
    torch.testing.assert_close(built.mean[:2], codes.mean(0)[:2], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(built.spread[skin], codes[:, skin].std(0, correction=0))
    assert all(any(torch.equal(one, code) for code in codes) for one in built.prototypes)
    built.save(tmp_path / "k.safetensors")
    loaded = load_knowledge(model.config, tmp_path / "k.safetensors")
    torch.testing.assert_close(loaded.prototypes, built.prototypes, rtol=1e-3, atol=1e-3)
    assert torch.equal(loaded.thumbnails, built.thumbnails) and torch.equal(loaded.faces, built.faces)
    assert (loaded.made_from, loaded.total, loaded.made_for) == ("a test", 20, "faces-512")


def test_prototypes_show_what_is_essential_uncovered(part_model, part_codes):
    layout = dataclasses.replace(part_model.config.layout, covering=())
    part_model.config = dataclasses.replace(part_model.config, layout=layout)
    assert build(part_model, part_codes.split(6), "a test", prototypes=5).total == len(part_codes)
    with pytest.raises(SemwaveError, match=f"at least {LEAST_FACES} faces, not 7"):
        build(part_model, part_codes[:7].split(7), "a test")
    # All the small model's pictures have all the parts, glasses too.
    part_model.config = dataclasses.replace(
        part_model.config, layout=dataclasses.replace(layout, covering=("glasses", "hat"))
    )
    with pytest.raises(SemwaveError, match=f"at least {LEAST_FACES} faces without glasses or hat, not 0"):
        build(part_model, part_codes.split(6), "a test")


@pytest.mark.parametrize("broken", ["shape", "NaN", "integers"])
def test_it_is_not_built_of_what_is_no_codes(broken, part_model, part_codes):
    bad = {"shape": part_codes[..., :256], "NaN": part_codes * torch.nan, "integers": part_codes.int()}[broken]
    with pytest.raises(SemwaveError, match="not finite" if broken == "NaN" else r"real numbers \(N, 28, 512\)"):
        build(part_model, [part_codes, bad], "a test")


def rewritten(path, tensors=None, **metadata):
    """The shipped knowledge base with other ``tensors`` or ``metadata``, at ``path``."""
    about = {"made_for": "faces-512", "made_from": "x", "total": 1}
    known = {"semwave_knowledge": str(VERSION), "about": json.dumps(about)}
    metadata = {name: value for name, value in (known | metadata).items() if value is not None}
    save_file((tensors or (lambda t: t))(load_file(MODELS["faces-512"] / FILE)), path, metadata)


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
def test_a_bad_knowledge_base_is_refused(kind, model, tmp_path):
    path = tmp_path / "base.safetensors"
    make, message = BAD_BASES[kind]
    make(path)
    with pytest.raises(SemwaveError, match=message):
        load_knowledge(model.config, path)

"""The face network of the identity loss: its file, its shape, its gradient."""

import pytest
import torch
from safetensors.torch import save_file

from semwave.errors import SemwaveError
from semwave.training.identity import FRAME, INPUT, TEMPLATE, FaceIdentity


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Random weights of the network."""
    path = tmp_path / "face.safetensors"
    monkeypatch.setattr(FaceIdentity, "load_state_dict", lambda self, state: None)
    save_file({"a": torch.zeros(1)}, path)
    torch.manual_seed(0)
    state = FaceIdentity(path).state_dict()
    monkeypatch.undo()
    save_file({name: each.half().contiguous() for name, each in state.items() if name != "theta"}, path)
    return path


@pytest.mark.parametrize("size", [128, 512])
def test_pictures_become_unit_vectors_with_a_gradient(weights, size):
    pictures = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = FaceIdentity(weights)(pictures.requires_grad_())
    assert found.shape == (2, 192)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))
    found[0, 0].backward()
    assert pictures.grad is not None and pictures.grad[0].abs().max() > 0 and (pictures.grad[1] == 0).all()


def test_points_of_the_frame_come_to_the_template(weights):
    theta = FaceIdentity(weights).theta
    points = torch.tensor(TEMPLATE) / INPUT * 2 - 1
    found = (points @ theta[:, :2].T + theta[:, 2] + 1) / 2
    assert (found - torch.tensor(FRAME)).abs().max() < 0.02


def test_other_files_are_refused(tmp_path):
    with pytest.raises(SemwaveError, match="give MobileFaceNet"):
        FaceIdentity(tmp_path / "none.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(SemwaveError, match="other weights"):
        FaceIdentity(tmp_path / "other.safetensors")

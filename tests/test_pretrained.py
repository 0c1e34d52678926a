"""Models saved, published and read again, bit for bit and without a network."""

import json
import shutil

import huggingface_hub
import pytest
import torch
from huggingface_hub import ModelCard

from semwave import Privacy, Receiver, SemwaveError, Transmitter, air
from semwave.model import FaceModel, load_model
from semwave.zoo import MODELS, write_pretrained_config

PHOTO = torch.nn.functional.interpolate(
    torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1, size=(512, 512), mode="bicubic"
).clamp(-1, 1)


@pytest.fixture(autouse=True)
def models_of_this_test(monkeypatch):
    """What is entered while a test runs is taken out again."""
    before = dict(MODELS)
    yield
    MODELS.clear()
    MODELS.update(before)


@pytest.fixture(scope="module", params=["faces-512", "semantic-stylegan-512"])
def saved(request, tmp_path_factory):
    """A shipped model's name, and the folder that it was saved to."""
    folder = tmp_path_factory.mktemp("saved") / "mine"
    Transmitter(request.param, k=256).save_pretrained(folder)
    return request.param, folder


def test_what_was_saved_is_the_model_bit_for_bit(saved):
    name, folder = saved
    transmitter, receiver = Transmitter.from_pretrained(folder, k=256), Receiver.from_pretrained(folder)
    original = Transmitter(name, k=256)
    assert transmitter.model.config == original.model.config and transmitter.model.digest == original.model.digest
    state = transmitter.model.state_dict()
    assert state.keys() == original.model.state_dict().keys()
    assert all(torch.equal(state[key], tensor) for key, tensor in original.model.state_dict().items())
    sent, expected = transmitter(PHOTO), original(PHOTO)
    assert torch.equal(sent.iq, expected.iq) and sent.header == expected.header
    # Each end reads what the other one's twin has sent.
    soft = air.AWGN(10.0, random=0)(sent)
    assert torch.equal(receiver(soft), Receiver(name)(soft))


def test_the_folder_is_what_the_hub_expects(saved):
    name, folder = saved
    config = json.loads((folder / "config.json").read_text())
    assert config["name"] == name and config["version"] == 1
    card = ModelCard.load(folder / "README.md")
    assert card.data.library_name == "semwave" and card.data.license == "other" and card.data.pipeline_tag
    assert "for research only" in card.data.license_name and "from_pretrained" in card.text
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert all(file.endswith((".safetensors", "config.json", "README.md")) for file in files)
    assert ("codes/config.json" in files) == (name != "faces-512")


def test_saving_again_keeps_the_users_card(saved, tmp_path):
    name, _ = saved
    (tmp_path / "README.md").write_text("mine")
    Receiver(name).save_pretrained(tmp_path)
    Receiver.from_pretrained(tmp_path).save_pretrained(tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine" and Receiver.from_pretrained(tmp_path)


class Hub:
    """Stands for the hub: keeps repositories in a folder."""

    def __init__(self, folder):
        self.folder, self.asked = folder, []

    def __call__(self, token=None):
        return self

    def create_repo(self, repo_id, **_):
        self.repo_id = repo_id
        return self

    def upload_folder(self, repo_id, folder_path, **options):
        self.asked.append(options)
        shutil.copytree(folder_path, self.folder / repo_id)
        return f"hub/{repo_id}/commit/1"

    def snapshot_download(self, repo_id, **options):
        self.asked.append(options)
        if not (self.folder / repo_id).is_dir():
            raise huggingface_hub.errors.LocalEntryNotFoundError("not there\nand more")
        return str(self.folder / repo_id)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    hub = Hub(tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "HfApi", hub)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub.snapshot_download)
    return hub


def test_a_model_of_ones_own_goes_to_the_hub_and_back(hub, tmp_path):
    mine = tmp_path / "mine"
    shutil.copytree(MODELS["faces-512"], mine)
    MODELS["mine"] = mine
    address = Transmitter("mine", k=256).push_to_hub("lab/mine", branch="next", private=True)
    assert address == "hub/lab/mine/commit/1" and hub.asked[0]["revision"] == "next"
    del MODELS["mine"]
    transmitter = Transmitter.from_pretrained("lab/mine", k=256, revision="v1", local_files_only=True)
    assert hub.asked[1]["revision"] == "v1" and hub.asked[1]["local_files_only"]
    patterns = hub.asked[1]["allow_patterns"]
    assert "*.safetensors" in patterns and not any(pattern.endswith(("*", ".py")) for pattern in patterns)
    assert transmitter.model.config.name == "mine" and MODELS["mine"] == hub.folder / "lab/mine"
    # The knowledge base that came with it is found, and says that it is of other codes.
    with pytest.raises(SemwaveError, match=r"hub/lab/mine/knowledge.* made for model faces-512, not for mine"):
        Transmitter(transmitter.model, privacy=Privacy(hide=("eyes",)))
    assert Receiver("mine").save_pretrained(tmp_path / "lab-mine", push_to_hub=True) == "hub/lab-mine/commit/1"


def test_the_command_takes_a_folder_as_a_model(saved):
    name, folder = saved
    assert load_model(str(folder)).digest == load_model(name).digest


def test_a_model_trained_in_memory_is_saved_as_it_would_be_shipped(tmp_path):
    model = FaceModel(load_model("faces-512").config)
    model.load_state_dict(load_model("faces-512").state_dict(), strict=False)
    Receiver(model).save_pretrained(tmp_path)
    assert {"config.json", "README.md", "generator.safetensors"} <= {path.name for path in tmp_path.iterdir()}


def test_what_is_no_model_is_refused_in_one_line(hub, tmp_path, linear_model):
    write_pretrained_config(linear_model.config, tmp_path)
    for ask in (
        lambda: Receiver.from_pretrained("lab/nothing"),
        lambda: Receiver.from_pretrained(tmp_path / "nowhere"),
        lambda: Receiver.from_pretrained(tmp_path),
        lambda: Receiver(linear_model).save_pretrained(tmp_path),
    ):
        with pytest.raises(SemwaveError) as caught:
            ask()
        assert len(str(caught.value).splitlines()) == 1

"""Models in folders and on the Hugging Face Hub, by the conventions of huggingface_hub.

    save_pretrained -> folder: config.json, *.safetensors, README.md (model card) -> push_to_hub -> hub
    hub -> from_pretrained -> snapshot in the hub's cache -> model

What is saved is the files of weights themselves, so what comes back is the model bit for bit, digest and all. Of a
snapshot only JSON and safetensors are read; nothing in it is executed.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from semwave.errors import SemwaveError
from semwave.pictures.files import read_text, write_text
from semwave.zoo import CARD, CODES_FOLDER, ModelConfig, write_pretrained_config

if TYPE_CHECKING:
    from semwave.types import Model

FILES = ("config.json", "README.md", "*.safetensors")
"""What of a repository on the hub is fetched."""
TAGS = ["semantic-communication", "joint-source-channel-coding", "image-compression"]


class Pretrained:
    """Both ends of the link: made from a model that was saved, and a source of one to save."""

    model: Model

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        **options: Any,
    ) -> Self:
        """One with the model in a folder or on the hub.

        Args:
            pretrained_model_name_or_path: a folder that :meth:`save_pretrained` wrote, or OWNER/NAME on the hub.
            revision: branch, tag or commit on the hub.
            token: for a private repository; None for the one that is logged in.
            cache_dir: where snapshots are kept; the hub's own cache without it.
            force_download: fetch again what is there.
            local_files_only: use what is there, without a network.
            options: those of the class, such as ``k`` of a transmitter.

        Raises:
            SemwaveError: no such model, one that cannot be fetched, or a folder without one.
        """
        from semwave.model import load_folder

        folder = Path(pretrained_model_name_or_path)
        if not folder.is_dir():
            folder = _snapshot(str(pretrained_model_name_or_path), revision=revision, token=token, cache_dir=cache_dir,
                               force_download=force_download, local_files_only=local_files_only)  # fmt: skip
        made: Callable[..., Self] = cls
        return made(load_folder(folder), **options)

    def save_pretrained(
        self, save_directory: str | Path, *, repo_id: str | None = None, push_to_hub: bool = False, **options: Any
    ) -> str | None:
        """Write the model to ``save_directory``: configuration, weights, and a model card unless one is there.

        With ``push_to_hub`` it goes to the repository ``repo_id`` as well, by default called as the folder is;
        ``options`` are those of :meth:`push_to_hub`.

        Raises:
            SemwaveError: a model of a kind that has no folder of weights, or a place that cannot be written to.
        """
        folder = Path(save_directory)
        save_model(self.model, folder)
        return self.push_to_hub(repo_id or folder.name, **options) if push_to_hub else None

    def push_to_hub(
        self,
        repo_id: str,
        *,
        commit_message: str = "Push model using semwave.",
        private: bool | None = None,
        token: str | None = None,
        branch: str | None = None,
        create_pr: bool | None = None,
    ) -> str:
        """Publish the model as ``repo_id``, OWNER/NAME, on the hub; the address of the commit.

        The weights that are shipped are for research only: what is made from them is, too.
        """
        from huggingface_hub import HfApi

        api = HfApi(token=token)
        repository = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        with tempfile.TemporaryDirectory() as folder:
            save_model(self.model, Path(folder))
            return str(
                api.upload_folder(
                    repo_id=repository, folder_path=folder, commit_message=commit_message, revision=branch,
                    create_pr=create_pr,
                )
            )  # fmt: skip


def loaded(model: str | Model) -> Model:
    """The model called ``model``, or ``model`` itself. Raises :class:`SemwaveError` as
    :func:`semwave.model.load_model`."""
    if not isinstance(model, str):
        return model
    from semwave.model import load_model

    return load_model(model)


def _snapshot(repository: str, **options: Any) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    patterns = [*FILES, *(f"{CODES_FOLDER}/{file}" for file in FILES)]
    try:
        return Path(snapshot_download(repository, allow_patterns=patterns, **options))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise SemwaveError(f"{repository}: neither a folder nor to be had from the hub ({reason})") from None


def save_model(model: Model, folder: Path) -> None:
    """Write ``model`` to ``folder`` as ``from_pretrained`` reads it.

    Weights that came from files are copied; others are written as fp16, as all that is shipped.

    Raises:
        SemwaveError: a model of a kind that has no folder of weights, or a place that cannot be written to.
    """
    from semwave.model import FaceModel
    from semwave.zoo import read_config

    if not isinstance(model, FaceModel) or (model.teacher is not None and not model.folders):
        raise SemwaveError(f"{model.config.name} is not made of files of weights; publish it as a package of its own")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if model.folders:
            *codes, own = model.folders
            _copy(own, folder)
            for other in codes:
                (folder / CODES_FOLDER).mkdir(exist_ok=True)
                _copy(other, folder / CODES_FOLDER)
                write_pretrained_config(read_config(other), folder / CODES_FOLDER)
        else:
            model.save(folder)
    except OSError as error:
        raise SemwaveError(f"{folder}: cannot be written ({error.strerror}); choose another place") from None
    write_pretrained_config(model.config, folder)
    if not (folder / "README.md").exists():
        own = model.folders[-1] if model.folders else None
        write_text(folder / "README.md", model_card(model.config, own))


def _copy(source: Path, target: Path) -> None:
    for file in source.glob("*.safetensors"):
        if file.resolve() != (target / file.name).resolve():
            shutil.copyfile(file, target / file.name)


def model_card(config: ModelConfig, folder: Path | None) -> str:
    """The model card of ``config``: YAML metadata, how to use it, and what the card in ``folder`` says."""
    from huggingface_hub import ModelCardData

    about = ModelCardData(
        library_name="semwave", pipeline_tag="image-to-image", tags=TAGS, license="other", license_name=config.licence
    )
    ends = "".join(f'{end.lower()} = {end}.from_pretrained("OWNER/NAME")\n' for end in ("Transmitter", "Receiver"))
    use = f"```python\nfrom semwave import Receiver, Transmitter\n\n{ends}```"
    card = folder / CARD if folder else None
    said = read_text(card).strip() if card and card.is_file() else f"# {config.name}"
    title, _, rest = said.partition("\n")
    return f"---\n{about.to_yaml()}\n---\n\n{title}\n\n{use}\n{rest}\n"

"""What a page of results says of how it was made."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from semwave.evaluation.machine import machine
from semwave.evaluation.run import SIZE
from semwave.evaluation.store import digest
from semwave.pictures.files import file_digest
from semwave.pictures.photos import Photo

PACKAGES = ("torch", "sionna-no-rt", "Pillow")


def conditions_of(command: str, data: Path, photos: list[Photo], align_faces: bool) -> dict[str, str]:
    """The ``command``, the code, the machine, and the ``photos`` of the folder ``data``."""
    here = machine()
    told = digest([file_digest(photo.path) for photo in photos])
    return {
        "command": f"`{command}`",
        "code": _code(),
        "machine": f"{here['cpu']}, {here['threads']} threads, Python {platform.python_version()}, "
        + ", ".join(f"{package} {version(package)}" for package in PACKAGES),
        "photographs": f"{len(photos)} of {data.resolve().name} (digest {told}), {SIZE} x {SIZE}, "
        + ("aligned" if align_faces else "as they are"),
    }


def _code() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        return f"commit {subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()}"
    except (OSError, subprocess.CalledProcessError):
        return f"semwave {version('semwave')}"

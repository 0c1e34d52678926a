"""The photographs that a user names: files, folders, lists."""

from dataclasses import dataclass
from pathlib import Path

import torch

from semwave.errors import SemwaveError
from semwave.pictures import align as aligning
from semwave.pictures import images

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".jp2", ".ppm")
OWN_PICTURES = (".received.png", ".comparison.png")


@dataclass(frozen=True)
class Photo:
    """A file to send, and the name, unique in one run, under which its pictures are written."""

    path: Path
    name: str


def read_photo(path: str | Path, size: int = 512, align: bool = True) -> torch.Tensor:
    """The largest face of the photograph in ``path``, as a transmitter takes it: (1, 3, size, size) in [-1, 1].

    With ``align`` the face is found and brought into the frame; without it the picture is in the frame already.

    Raises:
        SemwaveError: the file cannot be read, has no face, or is not square where it should be in the frame.
    """
    picture = images.read_image(path)
    return images.to_tensor(aligning.align(picture, size) if align else aligning.in_frame(picture, size))


def write_picture(path: str | Path, picture: torch.Tensor) -> None:
    """Write one ``picture``, (3, H, W) or (1, 3, H, W) in [-1, 1], as PNG, whole or not at all.

    Raises:
        SemwaveError: several pictures, values that are not finite, or a place that cannot be written to.
    """
    if picture.ndim == 4 and len(picture) == 1:
        picture = picture[0]
    if picture.ndim != 3:
        raise SemwaveError(f"need one picture (3, H, W), not {tuple(picture.shape)}")
    images.write_png(path, images.to_uint8(picture))


def find_photos(arguments: list[Path]) -> list[Photo]:
    """The photos that ``arguments`` name: pictures, folders of pictures, lists (.txt, a file name a line).

    The files of a list stand beside it or in the folder ``images`` beside it; their suffix may be left out.

    Raises:
        SemwaveError: a file that is not there, a folder without pictures, a list without names.
    """
    paths: list[Path] = []
    for argument in arguments:
        if argument.is_dir():
            paths += _in_folder(argument)
        elif not argument.exists():
            raise SemwaveError(f"{argument}: no such file or folder; check the name")
        elif argument.suffix.lower() == ".txt":
            paths += _in_list(argument)
        else:
            paths.append(argument)
    photos: list[Photo] = []
    taken: set[str] = set()
    for path in paths:
        name, count = path.stem, 1
        while name in taken:
            count += 1
            name = f"{path.stem}-{count}"
        taken.add(name)
        photos.append(Photo(path, name))
    return photos


def _in_folder(folder: Path) -> list[Path]:
    found = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.endswith(OWN_PICTURES)
    ]
    if not found:
        raise SemwaveError(f"{folder}: no pictures in this folder; they end in {', '.join(SUFFIXES)}")
    return found


def _in_list(file: Path) -> list[Path]:
    try:
        names = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        raise SemwaveError(f"{file}: not a readable list of file names in UTF-8") from None
    if not names:
        raise SemwaveError(f"{file}: the list is empty; write one file name a line")
    found = []
    for name in names:
        places = [
            folder / (name + suffix) for folder in (file.parent, file.parent / "images") for suffix in ("", *SUFFIXES)
        ]
        try:
            found.append(next(place for place in places if place.is_file()))
        except (StopIteration, OSError, ValueError):
            raise SemwaveError(f"{file}: '{name}' is neither beside the list nor in images/ beside it") from None
    return found

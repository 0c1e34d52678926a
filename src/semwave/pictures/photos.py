"""The photographs that a user names: files, folders, lists."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from semwave.errors import SemwaveError
from semwave.pictures import align as aligning
from semwave.pictures import images
from semwave.pictures.files import FILE, FOLDER, MISSING, kind_of, read_text

SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".jp2", ".ppm", ".heic", ".heif",
)  # fmt: skip
OWN_PICTURES = (".received.png", ".comparison.png")
LONGEST_NAME = 160
"""Bytes of the longest name that a photo keeps: a file name has 255, and pictures are called
NAME.k2560.10dB.received.png and the like."""
COMMENT = "#"


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
    """Write one ``picture``, (3, H, W) or (1, 3, H, W) in [-1, 1], whole or not at all, in the format that the name
    says: .png, .jpg, .webp, .tif or .bmp.

    Raises:
        SemwaveError: several pictures, values that are not finite, another name, or a place that cannot be written to.
    """
    if picture.ndim == 4 and len(picture) == 1:
        picture = picture[0]
    if picture.ndim != 3:
        raise SemwaveError(f"need one picture (3, H, W), not {tuple(picture.shape)}")
    images.write_image(path, images.to_uint8(picture))


def find_photos(arguments: list[Path]) -> list[Photo]:
    """The photos that ``arguments`` name: pictures, folders of pictures, lists (.txt, a file name a line).

    The files of a list stand beside it or in the folder ``images`` beside it; their suffix may be left out. Blank lines
    and lines that start with # are skipped, unless a file is called so.

    Raises:
        SemwaveError: a file that is not there, a folder without pictures, a list without names.
    """
    paths: list[Path] = []
    for argument in arguments:
        kind = kind_of(argument)
        if kind == FOLDER:
            paths += _in_folder(argument)
        elif kind == MISSING:
            raise SemwaveError(f"{argument}: no such file or folder; check the name")
        elif argument.suffix.lower() == ".txt":
            paths += _in_list(argument)
        else:
            paths.append(argument)
    photos: list[Photo] = []
    taken: set[str] = set()
    for path in paths:
        short = _short(path.stem)
        name, count = short, 1
        while name in taken:
            count += 1
            name = f"{short}-{count}"
        taken.add(name)
        photos.append(Photo(path, name))
    return photos


def _short(stem: str) -> str:
    """``stem``, or its beginning and a digest where pictures could not be called so."""
    encoded = stem.encode("utf-8", "surrogateescape")
    if len(encoded) <= LONGEST_NAME:
        return stem
    return f"{encoded[: LONGEST_NAME - 9].decode('utf-8', 'ignore')}-{hashlib.sha256(encoded).hexdigest()[:8]}"


def _in_folder(folder: Path) -> list[Path]:
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        raise SemwaveError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from None
    found = [
        path
        for path in files
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.endswith(OWN_PICTURES)
    ]
    if not found:
        raise SemwaveError(f"{folder}: no pictures in this folder; they end in {', '.join(SUFFIXES)}")
    return found


def _in_list(file: Path) -> list[Path]:
    try:
        lines = read_text(file).split("\n")  # splitlines would part names at a form feed and the like
    except UnicodeDecodeError:
        raise SemwaveError(f"{file}: not a readable list of file names in UTF-8") from None
    found = []
    for name in filter(None, map(str.strip, lines)):
        place = _place(file.parent, name)
        if place is None and name.startswith(COMMENT):
            continue
        if place is None:
            raise SemwaveError(f"{file}: '{name}' is neither beside the list nor in images/ beside it")
        found.append(place)
    if not found:
        raise SemwaveError(f"{file}: the list is empty; write one file name a line")
    return found


def _place(folder: Path, name: str) -> Path | None:
    """The file that a list in ``folder`` calls ``name``."""
    for beside in (folder, folder / "images"):
        for suffix in ("", *SUFFIXES):
            try:
                if kind_of(beside / (name + suffix)) == FILE:
                    return beside / (name + suffix)
            except SemwaveError:  # no name that a file can have
                continue
    return None

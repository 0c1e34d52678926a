"""What every photograph of a person becomes: likeness, identity, colour of the skin, features for the kernel distance.

photo -> frame -> k symbols over AWGN -> 8-bit picture -> PSNR, LPIPS, identity, L* a* b* of the skin, features
               -> parser -> skin
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from semwave.errors import SemwaveError
from semwave.evaluation.kid import Features
from semwave.evaluation.ours import Ours
from semwave.evaluation.people.skin import mean_colour, tone
from semwave.evaluation.privacy.identity import descriptor, distance
from semwave.evaluation.run import SIZE, Original, Perceptual, link_for
from semwave.evaluation.scheme import deliver
from semwave.evaluation.store import digest
from semwave.pictures import files, images
from semwave.pictures.console import track
from semwave.pictures.files import file_digest
from semwave.pictures.photos import Photo, read_photo
from semwave.types import PartModel

SNR_DB = 10.0
SKIN = "skin"


@dataclass(frozen=True)
class Row:
    """What came of one photograph with ``k`` real symbols.

    ``identity`` is the distance of dlib's descriptors; ``tone`` the ITA of the sent skin in degrees; ``lightness``,
    ``red`` and ``yellow`` its mean L*, a* and b*, the shifts those of the received picture, where the sent one has its
    skin, less these.
    """

    photo: str
    k: int
    snr_db: float
    psnr_db: float
    lpips_alex: float
    identity: float
    tone: float
    lightness: float
    red: float
    yellow: float
    lightness_shift: float
    red_shift: float
    yellow_shift: float


@dataclass(frozen=True)
class Measured:
    """A row, and the features of the picture that was sent and of the one that arrived, 512 numbers each."""

    row: Row
    sent: tuple[float, ...]
    received: tuple[float, ...]


class Measuring:
    """Measures ``schemes`` of one ``model`` over AWGN at 10 dB, with the noise that ``semwave evaluate`` draws.

    Args:
        folder: where results are kept, by scheme, photo and digest of all that they depend on.
        seed: of the noise, of which every photo has its own.
        align_faces: find and align the face; otherwise photos are in the frame already.

    Raises:
        SemwaveError: a model that tells no skin.
    """

    def __init__(
        self,
        folder: Path,
        model: PartModel,
        schemes: list[Ours],
        lpips: Perceptual,
        features: Features,
        seed: int,
        align_faces: bool,
    ):
        self.folder, self.model, self.schemes, self.lpips, self.features = folder, model, schemes, lpips, features
        self.seed, self.align_faces = seed, align_faces
        self.part = model.config.layout.part_index(SKIN)

    def __call__(self, photos: list[Photo], console: Console) -> tuple[list[Measured], list[str]]:
        """Results, and a line for each photo that cannot be measured, which stops none."""
        found, failures = [], []
        for photo in track(photos, "people", console=console):
            try:
                places = [self._file(scheme, photo) for scheme in self.schemes]
                if not all(place.is_file() for place in places):
                    for place, measured in zip(places, self._measured(photo), strict=True):
                        files.write_json(place, asdict(measured))
            except SemwaveError as error:
                failures.append(str(error) if str(photo.path) in str(error) else f"{photo.path}: {error}")
                continue
            found += [files.structured(Measured, files.read_json(place), str(place)) for place in places]
        return found, failures

    def _file(self, scheme: Ours, photo: Photo) -> Path:
        asked = scheme.key, self.seed, self.align_faces, file_digest(photo.path), [*Row.__annotations__]
        return self.folder / scheme.name / f"{photo.name}-{digest(*asked)}.json"

    @torch.no_grad()
    def _measured(self, photo: Photo) -> list[Measured]:
        """The results of every scheme on ``photo``. Raises :class:`SemwaveError` where it shows no skin."""
        picture = read_photo(photo.path, SIZE, self.align_faces)
        skin = (self.model.labels(picture, SIZE)[0] == self.part).cpu().numpy()
        if not skin.any():
            raise SemwaveError(f"{photo.path}: shows no skin; give an aligned face, or leave out --no-align")
        original, sent = Original(picture, self.lpips), images.to_uint8(picture[0])
        colour, person = np.array(mean_colour(sent, skin)), descriptor(sent)
        features = self._features(sent)
        results = []
        for scheme in self.schemes:
            delivered = deliver(scheme, picture, link_for("awgn", SNR_DB, self.seed, photo.name))
            received = images.to_uint8(delivered.image[0])
            numbers = (
                *original.quality(received),
                distance(person, descriptor(received)),
                tone(colour[0], colour[2]),
                *colour,
                *(np.array(mean_colour(received, skin)) - colour),
            )
            row = Row(photo.name, delivered.k, SNR_DB, *(round(float(number), 5) for number in numbers))
            results.append(Measured(row, features, self._features(received)))
        return results

    def _features(self, picture: np.ndarray) -> tuple[float, ...]:
        return tuple(round(number, 6) for number in self.features(images.to_tensor(picture))[0].tolist())

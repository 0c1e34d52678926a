"""What live mode's ways of saving time cost and bring, and whether pictures drawn together are faster. Half a minute,
alone on the machine. Writes the figures into docs/web.md with --write.

python scripts/web_live.py --write
"""

import argparse
import io
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from pages import write
from PIL import Image
from skimage.data import astronaut
from web import encoded

from semwave import Receiver, Transmitter, air
from semwave.apps.web.asked import Framing, Sending
from semwave.apps.web.chain import Chain
from semwave.apps.web.studio import Studio
from semwave.model import load_face_model
from semwave.pictures import images

FRAMES, SETTLED = 16, 8
WIDTH, HEIGHT = 480, 360
GRAIN = 4.0
"""Standard deviation of a camera's noise in grey levels."""
Way = Callable[[list[bytes]], list[tuple[float, np.ndarray, np.ndarray]]]


def film(moving: bool) -> list[bytes]:
    """Frames of a camera before the astronaut, who turns, sways and comes nearer where she is ``moving``."""
    photo, random = Image.fromarray(astronaut()[:384]), np.random.default_rng(0)
    frames = []
    for i in range(FRAMES):
        angle, zoom, shift = 0.0, 1.0, np.zeros(2)
        if moving:
            angle, zoom = np.deg2rad(6 * np.sin(i / 5)), 1 + 0.08 * np.sin(i / 6)
            shift = np.array([20 * np.sin(i / 4), 12 * np.sin(i / 3)])
        turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        face = np.array([220.0, 120.0]) + shift
        origin = face - turn @ np.array([WIDTH / 2, HEIGHT / 2])
        data = (*turn[0], origin[0], *turn[1], origin[1])
        seen = photo.transform((WIDTH, HEIGHT), Image.Transform.AFFINE, data, Image.Resampling.BICUBIC)
        grainy = np.asarray(seen, float) + GRAIN * random.standard_normal((HEIGHT, WIDTH, 3))
        frames.append(encoded(grainy.clip(0, 255).astype(np.uint8), "JPEG"))
    return frames


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)), float)


def anew(studio: Studio) -> Way:
    """The face searched, codes found and everything drawn anew for every frame."""

    def way(frames: list[bytes]) -> list[tuple[float, np.ndarray, np.ndarray]]:
        found = []
        for i, frame in enumerate(frames):
            photo = studio.photograph(frame, Framing(size=256))
            result = studio.send(photo, Sending(k=2560, seed=i))
            found.append((result.row["psnr_db"], photo.pixels.astype(float), result.picture.astype(float)))
        return found

    return way


def chained(studio: Studio, steady: bool) -> Way:
    """The chain of live mode; where it is not ``steady``, without the filter of its symbols."""

    def way(frames: list[bytes]) -> list[tuple[float, np.ndarray, np.ndarray]]:
        chain, asked, found = Chain(), Sending(k=2560), []
        if not steady:
            chain._steady = lambda soft: soft
        for frame in (*frames, None):
            answer = chain.step(studio, frame, asked)
            if answer:
                figures, sent, received = answer
                found.append((figures["psnr_db"], pixels(sent), pixels(received)))
        return found

    return way


def row(name: str, way: Way) -> str:
    cells = []
    for moving in (False, True):
        frames = film(moving)
        way(frames[:3])
        start, cpu = time.perf_counter(), time.process_time()
        found = way(frames)
        took, used = (time.perf_counter() - start) / len(frames), (time.process_time() - cpu) / len(frames)
        quality, sent, received = zip(*found[SETTLED:], strict=True)
        if not moving:
            cells += [f"{1 / took:.1f}", f"{1000 * used:.0f} ms"]
        cells += [f"{np.mean(quality):.2f} dB", f"{change(sent):.1f}", f"{change(received):.1f}"]
    print(name, *cells, flush=True)
    return f"| {name} | {' | '.join(cells)} |\n"


def change(pictures: tuple[np.ndarray, ...]) -> float:
    """Mean difference of one picture from the next in grey levels."""
    return float(np.mean([np.abs(b - a).mean() for a, b in pairwise(pictures)]))


def together(model) -> str:
    """Seconds a picture of receiving one, two, four and eight signals together."""
    photo = images.to_tensor(astronaut()[:256, 100:356])
    soft = air.AWGN(10.0, random=0)(Transmitter(model)(photo))
    receiver, cells = Receiver(model, 512), []
    for count in (1, 2, 4, 8):
        receiver([soft] * count)
        start = time.perf_counter()
        receiver([soft] * count)
        cells.append(f"{1000 * (time.perf_counter() - start) / count:.0f} ms")
    print("together", *cells, flush=True)
    return f"| receiving, 512 px | {' | '.join(cells)} |\n"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--write", action="store_true")
    given = options.parse_args()
    model = load_face_model()
    studio = Studio(model)
    rows = [
        row("face searched, codes found anew", anew(studio)),
        row("live, symbols not filtered", chained(studio, False)),
        row("live", chained(studio, True)),
    ]
    pictures = together(model)
    if not given.write:
        return
    head = ["frames/s", "CPU a frame", "PSNR, still", "sent changes", "received changes"]
    head += ["PSNR, moving", "sent changes", "received changes"]
    about = f"{FRAMES} frames of the astronaut with a camera's noise, {torch.get_num_threads()} threads, in one process"
    lines = [
        f"{about};\nchanges are those from one frame to the next, in grey levels:\n\n",
        f"| | {' | '.join(head)} |\n|{' --- |' * 9}\n",
        *rows,
        "\nTime a picture of so many that are drawn together:\n\n",
        f"| | 1 | 2 | 4 | 8 |\n| --- | --- | --- | --- | --- |\n{pictures}",
    ]
    write("web.md", "web_live.py", "".join(lines))


if __name__ == "__main__":
    main()

"""Fuzz every reader for a while: nothing but the project's own errors, no hang, no memory that a file only claims.

    seeds: small whole files of every kind -> bytes changed, cut, repeated, mixed -> reader
        -> read, or one SemwaveError of one line; else the input is kept in tests/data/crashes

Whatever stands in tests/data/crashes is read again by the tests. With atheris installed (pip install atheris),
``--coverage`` lets libFuzzer choose the changes instead; ``make fuzz SECONDS=600`` sets the time.
"""

import argparse
import contextlib
import hashlib
import io
import os
import random
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from multiprocessing import Process, Queue
from pathlib import Path

ROOT = Path(__file__).parents[1]
CRASHES = ROOT / "tests" / "data" / "crashes"
LONGEST, MOST_MEMORY = 5, 2**30
"""Seconds of a CPU and bytes that one input may take."""
LENGTHS = (b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\x00\x00\x00\x80", b"\x00" * 8, b"\xff" * 8, b"9" * 12, b"-1")
TOKENS = (
    b"[" * 50,
    b"{" * 50,
    b"null",
    b"NaN",
    b"1e999",
    b"\\ud800",
    b"../..",
    b"\n#",
    b"\xef\xbb\xbf",
    b"\r",
    b"\x00",
)


class Hang(BaseException):
    """An input took longer than allowed."""


def readers() -> dict[str, Callable[[Path], object]]:
    """Every reader of the product by a name of a file that it reads."""
    from torch import nn

    from semwave.air.files import read_array, read_header, read_soft
    from semwave.air.recordings import read_recording
    from semwave.apps.outputs import check_page, check_report
    from semwave.evaluation.paper import read_run
    from semwave.evaluation.people.groups import groups_of
    from semwave.evaluation.people.measure import Measured
    from semwave.evaluation.store import RowStore, read_csv
    from semwave.generators.official import read_official
    from semwave.generators.semantic_stylegan import SemanticStyleGAN
    from semwave.generators.weights import read_weights
    from semwave.pictures.files import read_json, structured
    from semwave.pictures.images import read_image
    from semwave.pictures.photos import Photo, find_photos
    from semwave.privacy.faces import read_codes
    from semwave.privacy.knowledge import load_knowledge
    from semwave.privacy.photo import read_mask
    from semwave.work.rows import row_places
    from semwave.zoo import DEFAULT, config_of, read_config

    def rows_of(path: Path) -> None:
        with tempfile.TemporaryDirectory() as folder, RowStore(Path(folder), [path]) as store:
            for key, _ in row_places(path):
                store.rows(key)

    config, network = config_of(DEFAULT), nn.Linear(3, 2)
    pictures = {f"photo.{suffix}": read_image for suffix in PICTURES}
    return pictures | {
        "mask.png": read_mask,
        "symbols.npy": read_array,
        "symbols.safetensors": lambda path: (read_header(path), read_soft(path, 10.0)),
        "codes.npy": read_codes,
        "codes.safetensors": read_codes,
        "knowledge.safetensors": lambda path: load_knowledge(config, path),
        "weights.safetensors": lambda path: read_weights(path, network),
        "generator.safetensors": SemanticStyleGAN.from_file,
        "checkpoint.pt": read_official,
        "model.json": lambda path: read_config(path.parent),
        "pretrained.json": pretrained,
        "report.json": check_report,
        "results.md": lambda path: check_page(path, "# Results", "--report"),
        "rows.csv": read_csv,
        "rows.jsonl": rows_of,
        "run.json": read_run,
        "people.json": lambda path: structured(Measured, read_json(path), str(path)),
        "groups.csv": lambda path: groups_of(path, [Photo(Path("7.png"), "7")]),
        "list.txt": lambda path: find_photos([path]),
        "recording.sigmf-meta": lambda path: (
            path.with_suffix(".sigmf-data").write_bytes(bytes(80)),
            read_recording(path).samples(),
        ),
        "request.http": asked_of_the_service(),
        "live.http": asked_of_the_service(),
    }


def pretrained(path: Path) -> object:
    """The configuration of a folder that ``save_pretrained`` wrote, whose config.json is ``path``."""
    from semwave.zoo import read_config

    folder = path.parent / "pretrained"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_bytes(path.read_bytes())
    return read_config(folder)


def asked_of_the_service() -> Callable[[Path], object]:
    """A reader of requests: a line METHOD TARGET, then the body; LIVE sends it over the WebSocket. Nothing is drawn:
    what was understood is refused by the worker. An answer of 500 or more, or one that is not JSON, is an error."""
    import asyncio
    import json
    from types import SimpleNamespace
    from urllib.parse import unquote

    from semwave.apps.web.app import create_app
    from semwave.apps.web.service import Service
    from semwave.errors import SemwaveError
    from semwave.zoo import DEFAULT, config_of

    async def understood(*_: object, **__: object) -> None:
        raise SemwaveError("understood")

    service = Service(config_of(DEFAULT), lambda: None)
    service.work = service.worker.submit = understood
    service.photographs = SimpleNamespace(get=lambda name: object(), put=lambda photo: "x", drop=lambda name: None)
    app = create_app(service)

    def ask(path: Path) -> None:
        line, _, body = path.read_bytes().partition(b"\n")
        method, _, target = line.decode("latin-1").partition(" ")
        place, _, query = target.partition("?")
        scope = {
            "http_version": "1.1", "method": method, "path": unquote(place), "raw_path": place.encode("latin-1"),
            "query_string": query.encode("latin-1"), "root_path": "", "scheme": "http", "client": ("127.0.0.1", 1),
            "headers": [(b"host", b"localhost"), (b"content-type", b"application/json"),
                        (b"content-length", str(len(body)).encode())], "server": ("localhost", 80),
        }  # fmt: skip
        said: list[dict] = []

        async def send(message: dict) -> None:
            said.append(message)

        if method == "LIVE":
            scope |= {"type": "websocket", "path": "/live", "subprotocols": []}
            text, data = body.decode("latin-1"), (0).to_bytes(4, "big") + body
            heard = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": text},
                     {"type": "websocket.receive", "bytes": data}, {"type": "websocket.disconnect"}]  # fmt: skip
        else:
            scope |= {"type": "http"}
            heard = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict:
            if heard:
                return heard.pop(0)
            return {"type": "websocket.disconnect" if method == "LIVE" else "http.disconnect"}

        asyncio.run(app(scope, receive, send))
        status = next((message["status"] for message in said if "status" in message), 200)
        if status >= 500:
            raise RuntimeError(f"status {status}")
        if status >= 400:
            answer = json.loads(b"".join(message.get("body", b"") for message in said))
            raise SemwaveError(answer["error"])

    return ask


PICTURES = {
    "png": ("PNG", {}), "jpg": ("JPEG", {}), "webp": ("WEBP", {}), "tif": ("TIFF", {"compression": "tiff_lzw"}),
    "bmp": ("BMP", {}), "gif": ("GIF", {}), "avif": ("AVIF", {"speed": 10}), "jp2": ("JPEG2000", {}),
    "ppm": ("PPM", {}), "deep.png": ("PNG", {}), "plain.tif": ("TIFF", {}), "slow.jpg": ("JPEG", {"progressive": True}),
}  # fmt: skip


def seeds() -> dict[str, bytes]:
    """A small whole file for every reader."""
    import json
    from argparse import Namespace
    from dataclasses import asdict

    import numpy as np
    import torch
    from PIL import Image
    from safetensors.torch import save

    from semwave.air.files import METADATA
    from semwave.baselines.facts import Facts
    from semwave.evaluation.people.measure import Row as People
    from semwave.evaluation.store import Row, RowStore, write_csv
    from semwave.types import Header
    from semwave.zoo import DEFAULT, MODELS, config_of

    found: dict[str, bytes] = {}
    colours = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)
    for suffix, (kind, options) in PICTURES.items():
        picture = Image.fromarray(colours)
        if suffix == "deep.png":
            picture = Image.fromarray(colours[..., 0].astype(np.uint16) * 200)
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        found[f"photo.{suffix}"] = buffer.getvalue()
    found["mask.png"] = found["photo.png"]
    for name, array in (("symbols", np.ones(64, np.float32)), ("codes", np.ones((2, 28, 512), np.float32))):
        buffer = io.BytesIO()
        np.save(buffer, array)
        found[f"{name}.npy"] = buffer.getvalue()
    header = json.dumps(asdict(Header("faces-512", "0123456789ab", 64, ("codes",), 512)))
    found["symbols.safetensors"] = save({"iq": torch.ones(1, 32, 2), "noise": torch.ones(1, 64)}, {METADATA: header})
    found["codes.safetensors"] = save({"codes": torch.ones(1, 28, 512)})
    base = {
        "mean": torch.ones(28, 512), "spread": torch.ones(28, 512), "prototypes": torch.ones(1, 28, 512),
        "thumbnails": torch.ones(1, 3, 32, 32, dtype=torch.uint8), "places": torch.ones(13, 32, 32),
        "faces": torch.ones(13, dtype=torch.int32),
    }  # fmt: skip
    about = json.dumps({"made_for": "faces-512", "made_from": "9 faces", "total": 9})
    found["knowledge.safetensors"] = save(base, {"semwave_knowledge": "1", "about": about})
    found["weights.safetensors"] = save({"weight": torch.ones(2, 3), "bias": torch.ones(2)})
    about = json.dumps({"transparent": [9], "size": 128})
    found["generator.safetensors"] = save({"x": torch.ones(2)}, {"semantic_stylegan": about})
    buffer = io.BytesIO()
    torch.save({"g_ema": {"x": torch.ones(2)}, "args": Namespace(size=128, latent=512, transparent_dims=[10])}, buffer)
    found["checkpoint.pt"] = buffer.getvalue()
    found["model.json"] = (MODELS[DEFAULT] / "model.json").read_bytes()
    found["report.json"] = b'[{"photo": "a.png", "k": 256, "psnr_db": 20.1}]'
    found["results.md"] = b"# Results\n\n- **seed**: 0\n"
    row = Row("a", "own", Facts("semwave", "faces-512", 256, ("codes",)), "awgn", 5.0, 20.0, 0.3, 1.0, 0.3, "", "")
    with tempfile.TemporaryDirectory() as folder:
        write_csv(Path(folder, "a.csv"), [row, row])
        with RowStore(Path(folder)) as store:
            store.add("a-0", [row])
        found["rows.csv"] = Path(folder, "a.csv").read_bytes()
        found["rows.jsonl"] = Path(folder, "rows.jsonl").read_bytes()
    run = {"pictures": {"a": [["sent", 0.0, "a.png"]]}, "limit": [], "conditions": {"seed": "0"}}
    found["run.json"] = json.dumps(run).encode()
    numbers = dict.fromkeys(list(People.__annotations__)[2:], 1.0)
    people = {"row": {"photo": "a", "k": 256} | numbers, "sent": [0.5, 1.0], "received": [0.5, 1.0]}
    found["people.json"] = json.dumps(people).encode()
    found["groups.csv"] = b"id,age,gender\n7,31,female\n8,na,male\n"
    about = {"core:datatype": "cf32_le", "core:sample_rate": 1e6, "core:version": "1.2.0"}
    capture = {"core:sample_start": 0, "core:frequency": 1e8}
    found["recording.sigmf-meta"] = json.dumps({"global": about, "captures": [capture], "annotations": []}).encode()
    found["pretrained.json"] = json.dumps({"version": 1} | asdict(config_of(DEFAULT))).encode()
    asked = {"k": 256, "snr_db": 10.0, "channel": "awgn", "hide": ["eyes"], "mode": "strict", "first": 100, "seed": 1}
    found["request.http"] = b"POST /photos/x/view?scheme=separation&size=512\n" + json.dumps(asked).encode()
    found["live.http"] = b"LIVE /live\n" + json.dumps({"k": 256, "snr_db": 10.0, "keep": ["skin"]}).encode()
    found["list.txt"] = "\ufeffa.png\r\n# comment\r\nb\n".encode()
    return found


def mutated(whole: bytes, draw: random.Random) -> bytes:
    """``whole`` with a few changes: bits, bytes, lengths, tokens, cuts, repetitions."""
    data = bytearray(whole)
    for _ in range(draw.choice((1, 1, 1, 2, 3, 8))):
        # Headers decide more than data does.
        end = len(data) if draw.random() < 0.5 else min(len(data), 400)
        at = draw.randrange(end) if end else 0
        way = draw.randrange(8)
        if way == 0 and data:
            data[at] ^= 1 << draw.randrange(8)
        elif way == 1 and data:
            data[at] = draw.randrange(256)
        elif way == 2:
            new = draw.choice(LENGTHS)
            data[at : at + len(new)] = new
        elif way == 3:
            data[at:at] = draw.choice(TOKENS)
        elif way == 4:
            del data[at:]
        elif way == 5:
            del data[at : at + draw.randrange(1, 16)]
        elif way == 6:
            data[at:at] = data[at : at + draw.randrange(1, 64)] * draw.randrange(1, 4)
        else:
            data[at : at + 4] = draw.randbytes(4)
    return bytes(data)


def _hang(*_: object) -> None:
    raise Hang


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """At most :data:`LONGEST` seconds of a CPU, and twenty times as long by the clock: other jobs may be running."""
    limits = ((signal.ITIMER_PROF, signal.SIGPROF, 1), (signal.ITIMER_REAL, signal.SIGALRM, 20))
    before = [signal.signal(number, _hang) for _, number, _ in limits]
    for timer, _, times in limits:
        signal.setitimer(timer, times * LONGEST)
    try:
        yield
    finally:
        for timer, _, _ in limits:
            signal.setitimer(timer, 0)
        for (_, number, _), handler in zip(limits, before, strict=True):
            signal.signal(number, handler)


def limit_memory() -> None:
    """Let this process grow by :data:`MOST_MEMORY` at most."""
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MOST_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))


def complaint(read: Callable[[Path], object], path: Path) -> str | None:
    """What is wrong with how ``read`` took the file ``path``: None if it was read, or refused in one line."""
    from semwave.errors import SemwaveError

    try:
        with bounded():
            read(path)
    except SemwaveError as error:
        return None if len(str(error).splitlines()) == 1 else f"an error of several lines: {error!r}"
    except Hang:
        return f"took more than {LONGEST} s"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return None


def name_in(folder: Path, name: str) -> Path:
    """Where the file ``name`` of a seed stands in ``folder``; "photo.deep.png" is a .png."""
    stem, *suffixes = name.split(".")
    return folder / f"{stem}.{suffixes[-1]}"


def hunt(number: int, seconds: float, found: "Queue") -> None:
    """Read mutated files for so many ``seconds``; put how many, and every new complaint, into ``found``."""
    reading, whole = readers(), seeds()
    draw, count, known = random.Random(number), 0, set()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as place:
        folder = Path(place)
        for reader, name in [(reading[name], name) for name in whole]:
            # Once before memory is limited: what is loaded at first use stays loaded.
            name_in(folder, name).write_bytes(whole[name])
            complaint(reader, name_in(folder, name))
        limit_memory()
        end = time.monotonic() + seconds
        names = sorted(whole)
        while time.monotonic() < end:
            name = draw.choice(names)
            content, path = mutated(whole[name], draw), name_in(folder, name)
            path.write_bytes(content)
            count += 1
            if (wrong := complaint(reading[name], path)) and (name, wrong[:40]) not in known:
                known.add((name, wrong[:40]))
                found.put((name, wrong, content))
    found.put(count)


def fuzz(seconds: float, processes: int, seed: int) -> tuple[int, list[str]]:
    """Inputs that were read, and a line for every one that was taken badly, which is kept."""
    found: Queue = Queue()
    workers = [Process(target=hunt, args=(seed + i, seconds, found)) for i in range(processes)]
    for worker in workers:
        worker.start()
    count, lines, left = 0, [], processes
    while left:
        try:
            message = found.get(timeout=seconds + 120)
        except Exception:  # a worker that was killed says nothing
            lines.append("a process died")
            break
        if isinstance(message, int):
            count, left = count + message, left - 1
            continue
        name, wrong, content = message
        CRASHES.mkdir(parents=True, exist_ok=True)
        kept = CRASHES / f"{hashlib.sha256(content).hexdigest()[:10]}-{name}"
        kept.write_bytes(content)
        lines.append(f"{kept.relative_to(ROOT)}: {wrong.splitlines()[0][:150]}")
    for worker in workers:
        worker.join(5)
    return count, lines


def by_coverage(name: str, arguments: list[str]) -> None:
    """Have libFuzzer choose the inputs of one reader; its own options follow."""
    import atheris

    with atheris.instrument_imports(include=["semwave", "PIL", "numpy", "safetensors"]):
        reading, whole = readers(), seeds()
    with tempfile.TemporaryDirectory() as place:
        path = name_in(Path(place), name)
        path.write_bytes(whole[name])
        corpus = Path(place, "corpus")
        corpus.mkdir()
        (corpus / name).write_bytes(whole[name])

        def one(content: bytes) -> None:
            path.write_bytes(content)
            if wrong := complaint(reading[name], path):
                CRASHES.mkdir(parents=True, exist_ok=True)
                (CRASHES / f"{hashlib.sha256(content).hexdigest()[:10]}-{name}").write_bytes(content)
                raise RuntimeError(wrong)

        atheris.Setup([sys.argv[0], str(corpus), *arguments], one)
        atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--processes", type=int, default=max(1, (os.cpu_count() or 2) // 2))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--coverage", metavar="NAME", help="a file's name, such as model.json: atheris for its reader")
    given, rest = parser.parse_known_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    warnings.simplefilter("ignore")
    if given.coverage:
        by_coverage(given.coverage, rest)
    count, lines = fuzz(given.seconds, given.processes, given.seed)
    print(f"{count} inputs, {len(lines)} taken badly", *lines, sep="\n")
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()

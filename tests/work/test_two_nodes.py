"""Two machines of a cluster send photographs, one of them is lost half-way: nothing is missing, nothing there twice.

``make test-scale`` runs it, on 200 photographs.
"""

import json
import os
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console
from skimage.data import astronaut

from semwave.apps.sending import new_sender, send_photos
from semwave.pictures.photos import find_photos
from semwave.work.cluster import Cluster
from semwave.work.rows import row_places

COUNT = int(os.environ.get("SEMWAVE_TEST_SCALE", "0"))
pytestmark = pytest.mark.skipif(not COUNT, reason="make test-scale: a quarter of an hour")


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        # On a busy machine a node takes its time; Ray reads this when it is imported.
        patch.setenv("RAY_raylet_start_wait_time_s", "180")
        ray = pytest.importorskip("ray")
        from ray.cluster_utils import Cluster as Nodes

        nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        other = nodes.add_node(num_cpus=1)
        ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
        yield nodes, other
        ray.shutdown()
        nodes.shutdown()


def test_a_run_that_loses_a_machine_is_the_run_of_one_process(nodes, tmp_path):
    cluster, other = nodes
    folder, out, alone = tmp_path / "in", tmp_path / "out", tmp_path / "alone"
    folder.mkdir()
    picture = Image.fromarray(astronaut())
    for number in range(COUNT):  # every one is another crop
        picture.crop((number % 20, number // 20, 400 + number % 20, 400 + number // 20)).save(
            folder / f"{number:04d}.png"
        )
    log = out / "report.jsonl"

    def lose_a_machine():
        while not log.exists() or sum(1 for _ in row_places(log)) < COUNT // 2:
            time.sleep(0.1)
        cluster.remove_node(other, allow_graceful=False)

    losing = threading.Thread(target=lose_a_machine, daemon=True)
    losing.start()
    settings = {"model": "faces-512", "ks": (2560,), "snrs_db": (10.0,), "size": 256, "align_faces": False}
    make = partial(new_sender, ("alex",), None, "torch", out=out, **settings)
    done = send_photos(make, find_photos([folder]), out / "report.json", Cluster("", 4), Console(quiet=True))
    losing.join(timeout=10)
    assert not losing.is_alive(), "the machine was not lost while the run went on"
    assert (done.sent, done.failures) == (COUNT, [])

    # With as many threads as a task has the bits are the same.
    line = [sys.executable, "-m", "semwave", "send", folder, "--no-align", "--size", "256", "--out", alone]
    subprocess.run(list(map(str, line)), check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True)

    def rows(place: Path) -> list[dict]:
        return [row | {"seconds": None} for row in json.loads((place / "report.json").read_text())]

    assert rows(out) == rows(alone) and len({row["key"] for row in rows(out)}) == COUNT
    names = sorted(path.name for path in alone.glob("*.png"))
    assert len(names) == 2 * COUNT and names == sorted(path.name for path in out.glob("*.png"))
    assert all((alone / name).read_bytes() == (out / name).read_bytes() for name in names)

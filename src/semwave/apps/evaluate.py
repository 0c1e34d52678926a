"""``semwave evaluate`` and ``semwave figures paper``."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from semwave.apps.options import PARTIAL_FAILURE, WORKERS, LpipsWeights, Ray, Workers, chosen_engine
from semwave.apps.outputs import check_outputs, check_page
from semwave.errors import printable

TITLE = "# Results"

Out = Annotated[Path, typer.Option(help="Folder where measurements are kept; a run goes on from what is there.")]
Report = Annotated[
    Path | None,
    typer.Option(
        help="Markdown file of the results, its figures in a folder beside it (default: results.md in --out)."
    ),
]


def evaluate(
    data: Annotated[Path, typer.Option(help="Folder with test.txt (and train.txt, for Fig. 5), or with pictures.")],
    out: Out = Path("out/evaluation"),
    report: Report = None,
    scheme: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A scheme, or your own as module:Name (default: paper, all of the paper's)."),
    ] = None,
    channel: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Measure over this channel alone (default: awgn, rayleigh)."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take this many photos only.")] = None,
    no_align: Annotated[bool, typer.Option("--no-align", help="The photos are aligned square faces already.")] = False,
    lpips_weights: LpipsWeights = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed: the same one gives the same bits.")] = 0,
    rows: Annotated[
        list[Path] | None,
        typer.Option(help="Rows of another run, a rows.csv or rows.jsonl: what is in it is not measured again."),
    ] = None,
    workers: Workers = WORKERS,
    ray: Ray = None,
) -> None:
    """Measure schemes on photos: the paper's Figs. 3, 4 and 5, tables, pictures, and what became of its claims.

    PSNR and LPIPS(alex) from 0 to 20 dB. --scheme and --rows may be given several times. Exit codes: 0 all photos were
    measured, 3 some of them, 2 none.
    """
    from semwave.evaluation import paper
    from semwave.pictures.console import plain_console
    from semwave.pictures.metrics import LPIPS

    report = report or out / "results.md"
    # In the order in which they are written: what is wrong first is said first.
    photos = paper.photos_of(data, limit)
    inputs = [*(photo.path for photo in photos), data / "test.txt", data / "train.txt", *(rows or ())]
    check_outputs([report], inputs, [out])
    check_page(report, TITLE, "--report")
    names = list(dict.fromkeys(scheme or (paper.PAPER,)))
    options = [*(f"--scheme {name}" for name in scheme or ()), *(f"--channel {name}" for name in channel or ())]
    options += [f"--limit {limit}"] if limit else []
    options += ["--no-align"] * no_align + [f"--seed {seed}"] * bool(seed)
    command = " ".join(["semwave evaluate --data DATA --lpips-weights LPIPS", *options])
    for name in names:
        paper.check_scheme(name)
    for name in channel or ():
        paper.check_channel(name)
    engine = chosen_engine(workers, 1, ray)
    if ray is not None:  # other processes have other working folders
        photos = [replace(photo, path=photo.path.absolute()) for photo in photos]
    lpips = LPIPS("alex", lpips_weights)
    console = plain_console(stderr=True)
    failures = paper.evaluate(
        names, photos, data, out, report, seed, not no_align, lpips, command, console, channel, engine, rows or ()
    )
    typer.echo(f"{printable(report)}, figures in {printable(report.with_suffix(''))}")
    for failure in failures:
        typer.echo(f"semwave: {printable(failure)}", err=True)
    if failures:
        raise typer.Exit(PARTIAL_FAILURE)


def draw_paper(out: Out = Path("out/evaluation"), report: Report = None) -> None:
    """Draw the paper's Figs. 3, 4 and 5 again, and write the results, from what 'semwave evaluate' measured."""
    from semwave.evaluation import paper

    report = report or out / "results.md"
    check_outputs([report], folders=[out])
    check_page(report, TITLE, "--report")
    for path in paper.draw(out, report):
        typer.echo(printable(path))

"""``semwave evaluate`` and ``semwave figures paper``."""

from pathlib import Path
from typing import Annotated

import typer

from semwave.apps.options import LpipsWeights
from semwave.errors import SemwaveError

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
    limit: Annotated[int | None, typer.Option(min=1, help="Take this many photos only.")] = None,
    no_align: Annotated[bool, typer.Option("--no-align", help="The photos are aligned square faces already.")] = False,
    lpips_weights: LpipsWeights = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed: the same one gives the same bits.")] = 0,
) -> None:
    """Measure schemes on photos: the paper's Figs. 3, 4 and 5, tables, pictures, and what became of its claims.

    PSNR and LPIPS(alex) from 0 to 20 dB. --scheme may be given several times.
    """
    from rich.console import Console

    from semwave.evaluation import paper
    from semwave.pictures.metrics import LPIPS

    report = report or out / "results.md"
    _check(out, report)
    names = list(dict.fromkeys(scheme or (paper.PAPER,)))
    options = [*(f"--scheme {name}" for name in scheme or ()), *([f"--limit {limit}"] if limit else [])]
    options += ["--no-align"] * no_align + [f"--seed {seed}"] * bool(seed)
    command = " ".join(["semwave evaluate --data DATA --lpips-weights LPIPS", *options])
    lpips = LPIPS("alex", lpips_weights)
    console = Console(stderr=True)
    failures = paper.evaluate(names, data, out, report, limit, seed, not no_align, lpips, command, console)
    typer.echo(f"{report}, figures in {report.with_suffix('')}")
    for failure in failures:
        typer.echo(f"semwave: {failure}", err=True)
    if failures:
        raise typer.Exit(2)


def draw_paper(out: Out = Path("out/evaluation"), report: Report = None) -> None:
    """Draw the paper's Figs. 3, 4 and 5 again, and write the results, from what 'semwave evaluate' measured."""
    from semwave.evaluation import paper

    report = report or out / "results.md"
    _check(out, report)
    for path in paper.draw(out, report):
        typer.echo(str(path))


def _check(out: Path, report: Path) -> None:
    if out.exists() and not out.is_dir():
        raise SemwaveError(f"{out}: is not a folder; choose another --out")
    if report.suffix != ".md" or report.is_dir():
        raise SemwaveError(f"{report}: give a file name that ends in .md to --report")

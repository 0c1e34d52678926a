"""``semwave figures people``: what it is asked, and where its results go."""

from pathlib import Path
from typing import Annotated

import typer

from semwave.apps.options import LpipsWeights, ModelName, chosen_ks
from semwave.apps.outputs import check_outputs, check_page
from semwave.errors import SemwaveError, printable
from semwave.zoo import DEFAULT, config_of

KS = (256, 2560)


def measure_people(
    data: Annotated[Path, typer.Option(help="Folder with test.txt, or with pictures.")],
    k: Annotated[
        list[int] | None, typer.Option("--k", help="Real symbols an image; may be given several times [256, 2560].")
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(help="CSV of people: what their file names have in them, then the groups that they belong to."),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder where measurements are kept; a run goes on from what is there.")
    ] = Path("out/people"),
    report: Annotated[Path | None, typer.Option(help="Markdown file (default: people.md in --out).")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take this many photos only.")] = None,
    no_align: Annotated[bool, typer.Option("--no-align", help="The photos are aligned square faces already.")] = False,
    lpips_weights: LpipsWeights = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed: the same one gives the same bits.")] = 0,
    model: ModelName = DEFAULT,
) -> None:
    """Measure whom the model serves how well: likeness, identity and colour of the skin, by its tone and by groups.

    At 10 dB over AWGN. people.csv in --out has a row for every photo and k.
    """
    from semwave.evaluation.conditions import conditions_of
    from semwave.evaluation.kid import Features
    from semwave.evaluation.ours import shipped
    from semwave.evaluation.paper import photos_of
    from semwave.evaluation.people.groups import groups_of
    from semwave.evaluation.people.measure import Measuring
    from semwave.evaluation.people.report import TITLE, page, write_csv
    from semwave.evaluation.run import SIZE
    from semwave.model import load_model
    from semwave.pictures import files
    from semwave.pictures.console import plain_console
    from semwave.pictures.metrics import LPIPS
    from semwave.privacy.protection import part_model
    from semwave.zoo import weights_digest

    report, rows = report or out / "people.md", out / "people.csv"
    photos = photos_of(data, limit)
    check_outputs([report, rows], [*(photo.path for photo in photos), data / "test.txt", groups], [out])
    check_page(report, TITLE, "--report")
    ks = chosen_ks(config_of(model), k or KS, None, SIZE)
    grouped = groups_of(groups, photos) if groups else {}
    lpips, features = LPIPS("alex", lpips_weights), Features(lpips_weights)
    loaded, schemes = part_model(load_model(model)), [shipped(model, each) for each in ks]
    measuring = Measuring(out / "measured", loaded, schemes, lpips, features, seed, not no_align)
    measured, failures = measuring(photos, plain_console(stderr=True))
    if not measured:
        raise SemwaveError(failures[0])
    names = {one.row.photo for one in measured}
    options = [f"--k {each}" for each in k or ()] + ["--groups GROUPS"] * bool(groups)
    options += [f"--limit {limit}"] * bool(limit) + ["--no-align"] * no_align + [f"--seed {seed}"] * bool(seed)
    command = " ".join(["semwave figures people --data DATA --lpips-weights LPIPS", *options])
    conditions = conditions_of(command, data, [photo for photo in photos if photo.name in names], not no_align)
    conditions |= {"model": f"{model} (digest {weights_digest(model)})", "seed": str(seed)}
    write_csv(rows, measured, grouped)
    files.write_text(report, "\n".join([*page(measured, grouped, conditions), ""]))
    typer.echo(f"{printable(report)}, {printable(rows)}")
    for failure in failures:
        typer.echo(f"semwave: {printable(failure)}", err=True)
    if failures:
        raise typer.Exit(2)

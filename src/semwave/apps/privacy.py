"""The options that say what is private, and ``semwave figures privacy``."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semwave.apps.options import (
    LpipsWeights,
    ModelName,
    Seed,
    model_file,
)
from semwave.apps.outputs import check_outputs, check_page
from semwave.errors import SemwaveError, printable
from semwave.privacy.settings import Mode, Privacy
from semwave.zoo import DEFAULT

if TYPE_CHECKING:
    import numpy as np


PANEL = "Privacy"
Hide = Annotated[
    list[str] | None,
    typer.Option("--hide", metavar="PART,...", rich_help_panel=PANEL, help="These parts are private: eyes,mouth"),
]
Keep = Annotated[
    list[str] | None,
    typer.Option("--keep", metavar="PART,...", rich_help_panel=PANEL, help="Every part but these is private."),
]
Mask = Annotated[
    Path | None,
    typer.Option("--mask", rich_help_panel=PANEL, help="Picture of the photo's size, white where it is private."),
]
How = Annotated[
    Mode | None,
    typer.Option(
        "--privacy",
        rich_help_panel=PANEL,
        help="strict (default): private pixels are not read; filter: eq. 4; knowledge: eqs. 4 and 5.",
    ),
]
Lambda1 = Annotated[
    float | None,
    typer.Option("--lambda1", rich_help_panel=PANEL, help="The filter's distance in norms of the codes (default: 1)."),
]
Lambda2 = Annotated[
    float | None,
    typer.Option("--lambda2", rich_help_panel=PANEL, help="Bound of eq. 5, between 0 and 1 (default: 0.9)."),
]
Base = Annotated[
    Path | None,
    typer.Option("--knowledge", rich_help_panel=PANEL, help="Knowledge base (default: the model's)."),
]


@dataclass(frozen=True)
class Private:
    """What the options say is private, as they were given: one field an option."""

    hide: Hide = None
    keep: Keep = None
    mask: Mask = None
    how: How = None
    lambda1: Lambda1 = None
    lambda2: Lambda2 = None
    knowledge: Base = None

    @property
    def files(self) -> list[Path | None]:
        """The files that are read for it."""
        return [self.mask, self.knowledge]

    def chosen(self, seed: int) -> "tuple[Privacy | None, np.ndarray | None]":
        """What the options mean: the privacy, None where nothing is private, and the mask (H, W) bool if there is one.

        Raises :class:`SemwaveError` for options that do not go together, and for a mask that cannot be read.
        """
        given: dict[str, Any] = {
            "mode": self.how, "lambda1": self.lambda1, "lambda2": self.lambda2, "knowledge": self.knowledge
        }  # fmt: skip
        given = {name: value for name, value in given.items() if value is not None}
        if not (self.hide or self.keep or self.mask):
            if given:
                raise SemwaveError("nothing is private: name parts with --hide or --keep, or a region with --mask")
            return None, None
        if self.mask and (self.hide or self.keep):
            raise SemwaveError("--mask goes without --hide and --keep; paint the parts white in the mask as well")
        if self.mask and self.how not in (None, Mode.strict):
            raise SemwaveError(
                f"--mask needs --privacy strict: {self.how} changes the codes of parts, not a region of pixels"
            )
        privacy = Privacy(_parts(self.hide), _parts(self.keep), seed=seed, **given)
        if self.mask is None:
            return privacy, None
        from semwave.privacy.photo import read_mask

        return privacy, read_mask(self.mask)


NOTHING = Private()


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` with the options of :class:`Private` in place of its parameter ``private``."""
    options = [
        option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in inspect.signature(Private).parameters.values()
    ]
    own = inspect.signature(command)
    others = [parameter for parameter in own.parameters.values() if parameter.name != "private"]

    def with_private(*arguments: Any, **given: Any) -> None:
        private = Private(**{option.name: given.pop(option.name) for option in options})
        command(*arguments, **given, private=private)

    functools.update_wrapper(with_private, command)
    with_private.__annotations__ = {parameter.name: parameter.annotation for parameter in (*others, *options)}
    with_private.__dict__["__signature__"] = own.replace(parameters=[*others, *options])
    return with_private


def _parts(options: list[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for option in options or () for part in option.split(",")))


def draw_privacy(
    out: Annotated[Path, typer.Option(help="Folder for figure-2.png and figure-6.png.")],
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of aligned photos with test.txt to measure on; with train.txt a probe attacks, too."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=2, help="Measure on this many photos of each list only.")] = None,
    table: Annotated[
        Path | None, typer.Option(help="Markdown file whose table is replaced (default: privacy.md in --out).")
    ] = None,
    lpips_weights: LpipsWeights = None,
    size: Annotated[int, typer.Option(help="Width and height of every picture in pixels.")] = 256,
    seed: Seed = 0,
    model: ModelName = DEFAULT,
) -> None:
    """Draw the paper's Figs. 2 and 6 and, with --data, measure what each mode hides.

    Measuring keeps its results in --out and goes on where it was stopped.
    """
    from semwave.evaluation.privacy.figures import draw
    from semwave.evaluation.privacy.measure import BEGIN, Measuring, measure
    from semwave.model import load_model
    from semwave.pictures.console import plain_console
    from semwave.pictures.metrics import LPIPS
    from semwave.privacy.protection import part_model

    table = table or out / "privacy.md"
    lists = [data / "test.txt", data / "train.txt"] if data else []
    check_outputs([table, out / "figure-2.png", out / "figure-6.png"], [*lists, *model_file(model)], [out])
    if data is not None:
        check_page(table, BEGIN, "--table")
    loaded = part_model(load_model(model))
    # Before anything is drawn, so that what it lacks is said at once.
    measuring = Measuring(loaded, data, seed, LPIPS("alex", lpips_weights), limit) if data is not None else None
    for path in draw(loaded, out, size, seed):
        typer.echo(printable(path))
    if measuring is not None:
        measure(measuring, out, table, plain_console(stderr=True))
        typer.echo(printable(table))

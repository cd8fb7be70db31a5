"""What commands print and draw of a result."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxvf.errors import InputError
from jaxvf.plain_json import dumps

if TYPE_CHECKING:
    from jaxvf.results import Result


def finish(result: "Result", out: Path | None, *, as_json: bool) -> None:
    """Print the summary, the answer first; with a directory, draw its curves too."""
    from jaxvf.results.answers import FRACTIONS

    rows = result.summary()
    if as_json:
        print(dumps(rows))
    else:
        for row in rows:
            answers = [(name, row.pop(name)) for name in (*FRACTIONS, "test_return") if name in row]
            said = "  ".join(f"{name} {_answer(interval)}" for name, interval in answers)
            print(f"{said}  {'  '.join(f'{name}={_short(value)}' for name, value in row.items())}")
    if out is not None and result.metrics:
        try:
            print(draw(result, out), file=sys.stderr)
        except InputError as error:  # the sweep has done its work; `jaxvf plot` draws something else of it
            print(f"not drawn: {error}", file=sys.stderr)


def draw(result: "Result", out: Path, metric: str | None = None, kind: str = "curves") -> str:
    """Draw a result into figures/ of a directory; returns the path of the picture."""
    from jaxvf.results import answers, comparison_plots, plots

    figure = comparison_plots.KINDS[kind](result, metric)
    name = answers.chosen(result, metric if kind == "curves" else metric or "test_return")
    file = name if kind == "curves" else f"{kind}_{name}"
    return str(plots.save(figure, out / "figures" / f"{file.replace('/', '_')}.png")[0])


def _answer(interval: Any) -> str:
    return "{:.3f} [{:.3f}, {:.3f}]".format(*interval)


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)

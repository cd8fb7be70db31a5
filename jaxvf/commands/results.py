"""What commands print and draw of a result."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxvf.plain_json import dumps

if TYPE_CHECKING:
    from jaxvf.results import Result


def finish(result: "Result", out: Path | None, *, as_json: bool) -> None:
    """Print the summary; with a directory, draw its curves too."""
    rows = result.summary()
    if as_json:
        print(dumps(rows))
    else:
        for row in rows:
            estimate, low, high = row.pop("test_return")
            label = "  ".join(f"{name}={_short(value)}" for name, value in row.items())
            print(f"test_return {estimate:.3f} [{low:.3f}, {high:.3f}]  {label}")
    if out is not None and result.metrics:
        print(draw(result, out), file=sys.stderr)


def draw(result: "Result", out: Path, metric: str | None = None, kind: str = "curves") -> str:
    """Draw a result into figures/ of a directory; returns the path of the picture."""
    from jaxvf.results import answers, comparison_plots, plots

    figure = comparison_plots.KINDS[kind](result, metric)
    name = answers.chosen(result, metric if kind == "curves" else metric or "test_return")
    file = name if kind == "curves" else f"{kind}_{name}"
    return str(plots.save(figure, out / "figures" / f"{file.replace('/', '_')}.png")[0])


def _short(value: Any) -> str:
    if isinstance(value, tuple):  # an interval
        return "{:.2f} [{:.2f}, {:.2f}]".format(*value)
    return f"{value:g}" if isinstance(value, float) else str(value)

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
    if out is not None:
        print(draw(result, out, "test_return"), file=sys.stderr)


def draw(result: "Result", out: Path, metric: str) -> str:
    """Draw a metric's curves into figures/ of a directory; returns the path of the picture."""
    from jaxvf.results import plots

    curves = {}
    for condition in result.conditions():
        chosen = result.select(**condition)
        label = ", ".join(f"{name} {_short(value)}" if name not in ("env", "algorithm") else str(value)
                          for name, value in condition.items())  # fmt: skip
        curves[label] = (result.env_steps_of(chosen[0]), result.metric(metric)[chosen])
    figure = plots.learning_curves(curves, ylabel=metric.replace("_", " "))
    return str(plots.save(figure, out / "figures" / f"{metric}.png")[0])


def _short(value: Any) -> str:
    if isinstance(value, tuple):  # an interval
        return "{:.2f} [{:.2f}, {:.2f}]".format(*value)
    return f"{value:g}" if isinstance(value, float) else str(value)

"""Tables as pictures: numbers in shaded cells, and learned joint values beside the payoff."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, SupportsInt

import numpy as np
from jaxtyping import Float, Num

from jaxvf.results.figure_style import FAINT, INK, SMALL, TEXT, WIDTH, blank, caption, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def number_table(
    values: Float[np.ndarray, "rows columns"],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    expected: Float[np.ndarray, "rows columns"],
    shade: Float[np.ndarray, "rows columns"],
    title: str = "",
    note: str = "",
) -> "Figure":
    """A table of measured numbers, the expected one in brackets below each where there is one.

    Args:
        values: what was measured; NaN leaves a cell empty.
        rows: names.
        columns: names.
        expected: what it should be; NaN where nobody says.
        shade: how dark a cell is, in [0, 1].
        title: one line above the figure.
        note: a caption; says what the shade is.
    """
    figure = blank(max(WIDTH, 2.2 + 0.85 * len(columns)), 0.9 + 0.42 * len(rows))
    axes = figure.subplots()
    axes.imshow(np.nan_to_num(shade), cmap="Blues", vmin=0, vmax=1.6, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        if np.isnan(value):
            continue
        wanted = "" if np.isnan(expected[i, j]) else f"\n({expected[i, j]:.3g})"
        axes.text(j, i, f"{value:.3g}{wanted}", ha="center", va="center", fontsize=SMALL, color=INK, linespacing=0.95)
    axes.set_xticks(range(len(columns)), list(columns))
    axes.set_yticks(range(len(rows)), list(rows))
    axes.tick_params(
        length=0, labelsize=SMALL, labelcolor=INK, top=True, labeltop=True, bottom=False, labelbottom=False
    )
    for spine in axes.spines.values():
        spine.set_visible(False)
    if title:
        figure.suptitle(title, fontsize=TEXT + 2, color=INK)
    if note:
        caption(figure, note)
    return figure


def value_tables(
    columns: Mapping[str, Num[np.ndarray, "*games A1 A2"]],
    *,
    rows: Sequence[str] = ("",),
    greedy: Mapping[str, Sequence[Sequence[SupportsInt]]] | None = None,
    title: str = "",
    note: str = "",
) -> "Figure":
    """Heat maps of the payoff and of learned joint values, with the numbers in the cells.

    Every row of the figure is one game of two agents and has one colour scale, that of its payoff: a learned
    table of the same colours has learned the same values. A frame marks the greedy joint action.

    Args:
        columns: label to one table, or to one table per game. The first is the payoff. A table of nothing but NaN is
            left out.
        rows: name of every game.
        greedy: label to the joint action (u1, u2) of every game; by default the largest cells. Give it where
            greedy actions come from local utilities: their joint may be another cell than the largest.
        title: one line above the figure.
        note: a caption; by default it says what a frame is.

    Raises:
        ValueError: if the tables are not of one shape, or not one per row.
    """
    tables = {k: np.asarray(v, np.float64).reshape(-1, *np.shape(v)[-2:]) for k, v in columns.items()}
    shapes = {table.shape for table in tables.values()}
    if len(shapes) != 1 or len(shape := shapes.pop()) != 3 or shape[0] != len(rows):
        found = {label: table.shape for label, table in tables.items()}
        raise ValueError(f"every column needs {len(rows)} tables [A1, A2], all of one shape; got {found}")
    _, down, across = shape
    cell = 0.56 if max(down, across) <= 6 else 0.42
    width, height = len(tables) * (across * cell + 0.2) + 0.9, len(rows) * (down * cell + 0.25) + 0.9
    figure = blank(width, height + 0.3 * bool(title))
    grid = figure.subplots(len(rows), len(tables), squeeze=False)
    for i, row in enumerate(rows):
        bound = np.nanmax(np.abs(next(iter(tables.values()))[i]), initial=1e-6)
        for j, (label, table) in enumerate(tables.items()):
            axes = grid[i, j]
            if np.isnan(table[i]).all():  # this learner did not play this game
                axes.set_axis_off()
                axes.text(0.5, 0.5, "not run", transform=axes.transAxes, ha="center", fontsize=SMALL, color=FAINT)
                if i == 0:
                    axes.set_title(label, fontsize=TEXT, color=INK)
                continue
            framed = _largest(table[i]) if greedy is None or label not in greedy else [greedy[label][i]]
            heat_map(axes, table[i], framed, bound=bound, size=TEXT * cell / 0.56)
            if i == 0:
                axes.set_title(label, fontsize=TEXT, color=INK)
            if i == len(rows) - 1:
                axes.set_xlabel("agent 2", fontsize=SMALL, color=FAINT)
            if j == 0:
                axes.set_ylabel(f"{row}\nagent 1" if row else "agent 1", fontsize=SMALL, color=FAINT)
    if title:
        figure.suptitle(title, fontsize=TEXT + 2, color=INK)
    caption(figure, note or "Framed: greedy joint action.")
    return figure


def _largest(table: np.ndarray) -> list[list[int]]:
    """Row and column of the largest cells, NaN aside."""
    finite = np.where(np.isnan(table), -np.inf, table)
    return np.argwhere((finite == finite.max()) & ~np.isnan(table)).tolist()


def heat_map(axes: "Axes", table: np.ndarray, framed: Sequence, *, bound: float, size: float) -> None:
    """One table as colours from -bound to bound, its numbers in the cells, a frame around some of them."""
    from matplotlib.patches import Rectangle

    # The ends of the map are nearly black; a wider scale keeps them for values beyond the payoff's.
    image = axes.imshow(table, cmap="RdBu", vmin=-1.25 * bound, vmax=1.25 * bound)
    for (a, b), value in np.ndenumerate(table):
        red, green, blue, _ = image.cmap(image.norm(value))
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5  # luma of ITU-R BT.601
        bold = "bold" if any((a, b) == tuple(cell) for cell in framed) else "normal"
        axes.text(b, a, number(value), ha="center", va="center", fontsize=size, fontweight=bold,
                  color="white" if dark else INK)  # fmt: skip
    for a, b in framed:
        frame = Rectangle((b - 0.47, a - 0.47), 0.94, 0.94, fill=False, edgecolor="black", linewidth=2.6)
        axes.add_patch(frame)
    axes.set_xticks(range(table.shape[1]))
    axes.set_yticks(range(table.shape[0]))
    axes.tick_params(length=0, labelsize=SMALL, labelcolor=FAINT)
    for spine in axes.spines.values():
        spine.set_visible(False)

"""How box pushing is drawn, both versions. States have NumPy leaves here."""

from collections.abc import Sequence

import numpy as np

from jaxvf.envs.pictures import AMBER, BLUE, INK, ORANGE, Key, Line, Rectangle, Scene, Shape, grid, numbered

UNIT_MOVES = ((0.0, 1.0), (1.0, 0.0), (0.0, -1.0), (-1.0, 0.0))  # of the facings up, right, down, left
GOAL = "#CDE8DD"
LEGEND = (
    Key("disc", BLUE, "robot"), Key("line", INK, "where it looks"), Key("bar", ORANGE, "big box"),
    Key("bar", AMBER, "small box"), Key("bar", GOAL, "goal"),
)  # fmt: skip

Whole = int | np.integer


def warehouse(
    columns: int,
    rows: int,
    boxes: Sequence[tuple[Sequence[int], Whole]],
    robots: Sequence[tuple[Whole, Whole, Whole]],
) -> Scene:
    """Box pushing: boxes below the green goal row, robots as numbered discs with a line to where they look.

    Args:
        columns: of the grid.
        rows: of the grid; the last one is the goal.
        boxes: the columns that each covers, and its row.
        robots: column, row and facing (up, right, down, left) of each.
    """
    shapes: list[Shape] = [Rectangle(0, rows - 1, columns, 1, GOAL), *grid(columns, rows)]
    for covered, row in boxes:
        colour = ORANGE if len(covered) > 1 else AMBER
        shapes.append(Rectangle(covered[0] + 0.08, row + 0.08, len(covered) - 0.16, 0.84, colour, edge=INK))
    for index, (column, row, facing) in enumerate(robots):
        x, y = column + 0.5, row + 0.5
        right, up = UNIT_MOVES[facing]
        shapes += [Line(x, y, x + 0.48 * right, y + 0.48 * up, INK, 0.1), *numbered(index, x, y)]
    return Scene(columns, rows, tuple(shapes), legend=LEGEND)

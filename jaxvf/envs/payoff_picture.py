"""How games of payoff tables are drawn: matrix games and the two-step game. States have NumPy leaves here."""

import itertools
import string
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxvf.envs.pictures import BLUE, GREEN, GREY, INK, ORANGE, PALE, WHITE, Key, Rectangle, Scene, Shape, Text

MOST_COLUMNS = 64  # of a payoff table that can still be read
LABEL = 0.3
MOST_DIGITS = 5  # for which a cell has room, if they are small
DIGIT, SMALL_DIGIT = 0.36, 0.28
BEST = "#CDE8DD"
TABLE = (
    Key("text", INK, "rows: agent 0; columns: the others"), Key("frame", ORANGE, "joint action"),
    Key("bar", BEST, "best payoff"),
)  # fmt: skip
STEPS = (Key("frame", ORANGE, "what was chosen"), Key("frame", BLUE, "the table being played"))


def payoff_table(payoff: Float[np.ndarray, "..."], actions: Int[np.ndarray, "N"] | None) -> Scene:
    """A matrix game: agent 0's actions down, the others' joint actions across; the chosen cell is framed."""
    rows, names = payoff.shape[0], letters(payoff.shape[0])
    columns = payoff.size // rows
    if columns > MOST_COLUMNS:
        chosen = "" if actions is None else f": {payoff[tuple(actions)]:g}"
        return Scene(8, 2, (Text(4, 1, f"payoff of the joint action{chosen}", 0.4),))
    others = list(itertools.product(range(rows), repeat=payoff.ndim - 1))
    cell = None if actions is None else (int(actions[0]), others.index(tuple(map(int, actions[1:]))))
    shapes = [Text(0.5, rows - i - 0.5, names[i], LABEL, GREY) for i in range(rows)]
    shapes += [
        Text(1.5 + j, rows + 0.3, ",".join(names[k] for k in other), LABEL, GREY) for j, other in enumerate(others)
    ]
    shapes += _table(payoff.reshape(rows, columns), cell, x=1.0, best=payoff == payoff.max())
    return Scene(columns + 1.2, rows + 0.8, tuple(shapes), legend=TABLE)


def letters(count: int) -> tuple[str, ...]:
    """Names of a game's actions, as papers have them: A, B, C; numbers where there are more than letters."""
    return tuple(string.ascii_uppercase[:count]) if count <= 26 else tuple(map(str, range(count)))


def two_steps(
    tables: Sequence[Float[np.ndarray, "2 2"]], situation: int, actions: Int[np.ndarray, "2"] | None
) -> Scene:
    """The two-step game: agent 0 chooses a table, then both play it; the table being played is framed in blue.

    Args:
        tables: payoffs in states 2A and 2B.
        situation: 0 at the start, 1 in 2A, 2 in 2B, 3 after the last step.
        actions: the joint action taken in this situation.
    """
    shapes: list[Shape] = [Text(1.5, 5.2, "agent 0 chooses", 0.32)]
    shapes += [Text(0.8, 4.5, "2A", 0.4), Text(2.2, 4.5, "2B", 0.4)]
    for place, table in enumerate(tables):
        x, y = 0.5 + 3.0 * place, 1.0
        cell = tuple(map(int, actions)) if actions is not None and situation == place + 1 else None
        shapes += [Text(x + 1.0, y + 2.4, f"2{'AB'[place]}", 0.4), *_table(table, cell, x=x, y=y)]
        if situation == place + 1:
            shapes.append(Rectangle(x - 0.15, y - 0.15, 2.3, 2.3, None, edge=BLUE))
    if situation == 0 and actions is not None:
        shapes.append(Rectangle(0.35 + 1.4 * int(actions[0]), 4.15, 0.9, 0.7, None, edge=ORANGE))
    if situation == len(tables) + 1:
        shapes.append(Text(3.0, 0.4, "the game is over", 0.32, GREY))
    return Scene(6.0, 5.6, tuple(shapes), legend=STEPS)


def _table(
    values: Float[np.ndarray, "rows columns"],
    chosen: tuple[int, ...] | None,
    *,
    x: float = 0.0,
    y: float = 0.0,
    best: Bool[np.ndarray, "..."] | None = None,
) -> list[Shape]:
    """Unit cells with their numbers, the first row at the top; the best are green, the chosen one is framed."""
    rows, columns = values.shape
    good = np.zeros_like(values, bool) if best is None else best.reshape(values.shape)
    shapes: list[Shape] = []
    for i, j in np.ndindex(rows, columns):
        left, low = x + j, y + rows - 1 - i
        shapes.append(Rectangle(left, low, 1, 1, BEST if good[i, j] else WHITE, edge=PALE, edge_width=0.03))
        text = _short(float(values[i, j]))
        size = DIGIT if len(text) < MOST_DIGITS else SMALL_DIGIT
        shapes.append(Text(left + 0.5, low + 0.5, text, size, GREEN if good[i, j] else INK))
    if chosen is not None:
        i, j = chosen
        shapes.append(Rectangle(x + j + 0.06, y + rows - 1 - i + 0.06, 0.88, 0.88, None, edge=ORANGE))
    return shapes


def _short(value: float) -> str:
    """As written, if a cell has room for it, else to two digits."""
    text = f"{value:g}"
    return text if len(text) <= MOST_DIGITS else f"{value:.2g}"

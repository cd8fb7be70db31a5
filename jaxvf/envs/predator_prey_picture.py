"""How predator-prey is drawn. States have NumPy leaves here."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Int

from jaxvf.envs.pictures import BLUE, ORANGE, Key, Rectangle, Scene, grid, numbered

LEGEND = (Key("disc", BLUE, "predator"), Key("bar", ORANGE, "prey"))


def hunt(
    grid_size: int,
    predators: Iterable[tuple[Int[np.ndarray, "2"], np.bool_]],
    prey: Iterable[tuple[Int[np.ndarray, "2"], np.bool_]],
) -> Scene:
    """Predator-prey: predators are numbered discs, prey are squares; who has left the grid is not drawn.

    Args:
        grid_size: rows and columns.
        predators: place (row, column) of each, and whether it has left.
        prey: place of each, and whether it is still there.
    """
    shapes = grid(grid_size, grid_size)
    for (row, column), alive in prey:
        if alive:
            shapes.append(Rectangle(column + 0.2, grid_size - row - 0.8, 0.6, 0.6, ORANGE))
    for index, ((row, column), frozen) in enumerate(predators):
        if not frozen:
            shapes += numbered(index, column + 0.5, grid_size - row - 0.5)
    return Scene(grid_size, grid_size, tuple(shapes), legend=LEGEND)

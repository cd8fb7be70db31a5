"""Compiled segments, a piece at a time: between two pieces the host is heard, and may save."""

from typing import Any

import jax
import numpy as np

from jaxvf.sweeps.compile import Executable
from jaxvf.sweeps.plan import Group
from jaxvf.sweeps.rhythm import Rhythm


class Pieces:
    """Where the runs of a program are, and how they go on.

    Args:
        group: of the program.
        iteration: iterations done; it may be in the middle of a segment.
        rhythm: says how long a piece is.
        whole: do whole segments, because other processes must do the same.

    Attributes:
        done: segments done.
        within: iterations of the present segment that are done.
    """

    def __init__(self, group: Group, iteration: int, rhythm: Rhythm, *, whole: bool = False):
        self.done, self.within = divmod(iteration, group.program.iterations)
        self.rhythm, self.whole = rhythm, whole
        self._steps = group.program.experience.steps
        self._learning = False  # until the clock has been seen to count updates

    @property
    def steps_done(self) -> int:
        """Environment steps allotted to each run so far in the present segment."""
        return self.within * self._steps

    def go_on(
        self, executable: Executable, state: Any, inputs: tuple[Any, Any], clock: Any
    ) -> tuple[Any, Any, Any | None]:
        """Do the next piece.

        Args:
            executable: the compiled programs.
            state: the runs, which are used up.
            inputs: algorithm and environment parameters.
            clock: of the program.

        Returns:
            The runs, the clock, and the metrics [runs, metric] if a segment is over.
        """
        left = executable.iterations - self.within
        iterations = left if self.whole else self.rhythm.iterations(left)
        with self.rhythm.piece(iterations, left=left, learning=self._learning):
            state, clock = executable.advance(state, *inputs, clock, np.int32(iterations))
            self._learning = self._learning or int(clock.updates) > 0
            jax.block_until_ready(clock)
        if iterations < left:
            self.within += iterations
            return state, clock, None
        with self.rhythm.evaluation():
            state, metrics = executable.finish(state, *inputs, clock)
            jax.block_until_ready(metrics)
        self.done, self.within = self.done + 1, 0
        return state, clock, metrics

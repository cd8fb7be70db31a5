"""Compiled segments, a piece at a time: between two pieces the host is heard, and may save."""

from typing import Any

import jax
import numpy as np

from jaxvf.errors import InputError
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
        block: blocks of the present segment that are done.

    Raises:
        InputError: if this device cannot go on from there.
    """

    def __init__(self, group: Group, iteration: int, rhythm: Rhythm, *, whole: bool = False):
        program = group.program
        self.done, within = divmod(iteration, program.iterations)
        self.block, rest = divmod(within, program.block)
        self.segments, self.rhythm, self.whole = group.segments, rhythm, whole
        self._steps_of_block = program.block * program.experience.steps
        self._learning = False
        if rest:
            raise InputError(
                f"the sweep was stopped at iteration {iteration} on another kind of device, and this one goes on from "
                f"multiples of {program.block} alone; resume it there until the segment is over"
            )

    @property
    def steps_done(self) -> int:
        """Environment steps allotted to each run so far in the present segment."""
        return self.block * self._steps_of_block

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
        left = executable.blocks - self.block
        blocks = left if self.whole else self.rhythm.blocks(left)
        last, first = blocks == left, self.block == 0
        with self.rhythm.piece(blocks, first=first, last=last, learning=self._learning):
            state, clock = executable.advance(state, *inputs, clock, np.int32(blocks))
            if not self._learning:
                self._learning = int(clock.updates) > 0
            metrics = None
            if last:
                state, metrics = executable.finish(state, *inputs, clock)
            jax.block_until_ready((clock, metrics))
        self.done, self.block = (self.done + 1, 0) if last else (self.done, self.block + blocks)
        return state, clock, metrics

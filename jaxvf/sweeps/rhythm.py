"""When a running program is looked after: how much it does between two looks, and when the next save is due."""

import contextlib
import time
from collections.abc import Iterator

CHECKPOINT_SECONDS = 120.0
# A save may take at most about this share of the time: big replays are saved less often.
CHECKPOINT_SHARE = 0.05
# Whoever asks a sweep to stop should wait a minute at most: a piece is cut to half of that, for its speed may change.
PIECE_SECONDS = 30.0


class Rhythm:
    """How long pieces of segments, evaluations and saves take; from that the size of the next piece, and the next save.

    Attributes:
        segment_seconds: what the last segment took, evaluation included.
    """

    def __init__(self) -> None:
        self._saved, self._save_seconds = time.monotonic(), 0.0
        self._iteration_seconds = self._evaluation_seconds = 0.0  # of the last piece and evaluation; 0 for unknown
        self._doubling_limit: int | None = 1  # iterations of the next piece; None once updates have begun
        self._begun = self._expected = 0.0  # the present piece, with the evaluation that follows it
        self._ends_segment = False
        self._spent = 0.0  # in the present segment
        self.segment_seconds = 0.0

    def iterations(self, left: int) -> int:
        """Iterations of the next piece, of those that are left in the segment.

        As many as the last piece's speed allows; until updates have begun, which makes iterations slower at once,
        also no more than twice as many as in the last piece.
        """
        fitting = int(PIECE_SECONDS / self._iteration_seconds) if self._iteration_seconds else 1
        return max(1, min(left, fitting, left if self._doubling_limit is None else self._doubling_limit))

    @contextlib.contextmanager
    def piece(self, iterations: int, *, left: int, learning: bool) -> Iterator[None]:
        """Time a piece.

        Args:
            iterations: how many it has.
            left: how many the segment had left before it.
            learning: whether updates had begun before it.
        """
        self._begun, self._ends_segment = time.monotonic(), iterations == left
        evaluation = self._evaluation_seconds if self._ends_segment else 0.0
        self._expected = iterations * self._iteration_seconds + evaluation
        yield
        seconds = time.monotonic() - self._begun
        self._iteration_seconds = seconds / iterations
        self._doubling_limit = None if learning else 2 * iterations
        self._spent += seconds

    @contextlib.contextmanager
    def evaluation(self) -> Iterator[None]:
        """Time the evaluation that ends a segment."""
        before = time.monotonic()
        yield
        self._evaluation_seconds = time.monotonic() - before
        self.segment_seconds, self._spent = self._spent + self._evaluation_seconds, 0.0

    @contextlib.contextmanager
    def saving(self) -> Iterator[None]:
        """Time a save."""
        before = time.monotonic()
        yield
        self._saved = time.monotonic()
        self._save_seconds = self._saved - before

    def save_due(self) -> bool:
        """Whether the last save is long enough ago."""
        waited = time.monotonic() - self._saved
        return waited > max(CHECKPOINT_SECONDS, self._save_seconds / CHECKPOINT_SHARE)

    def when(self) -> str:
        """When the present piece is over, for `StopRequest.when`."""
        left = max(self._begun + self._expected - time.monotonic(), 0.0)
        known = f" (about {left:.0f} s)" if self._expected else ""
        return f"after this {'segment' if self._ends_segment else 'piece of a segment'}{known}"

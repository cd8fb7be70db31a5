"""When a running program is looked after: how much it does between two looks, and when the next save is due."""

import contextlib
import time
from collections.abc import Iterator

CHECKPOINT_SECONDS = 120.0
# A save may take at most about this share of the time: big replays are saved less often.
CHECKPOINT_SHARE = 0.05
PIECE_SECONDS = 30.0  # a piece of a segment is cut to last about so long: half of what somebody waits for an answer


class Rhythm:
    """How long segments and saves take; from that the size of the next piece of a segment, and the next save."""

    def __init__(self) -> None:
        self._saved, self._save_seconds = time.monotonic(), 0.0
        self._begun = 0.0  # the present piece
        self._piece_seconds = 0.0  # what it should take; 0 when nothing is known yet
        self._cut = False  # whether it is less than a segment
        self._block_seconds = 0.0  # by the last piece
        self._most: int | None = 1  # blocks of the next piece; None for any number
        self.segment_seconds = 0.0  # of the present segment's pieces so far, or of the last segment

    def blocks(self, left: int) -> int:
        """Blocks of the next piece, of those that are left in the segment.

        As many as the last piece's speed allows; until updates have begun, which makes blocks slower at once, also
        no more than twice as many as in the last piece.
        """
        fitting = int(PIECE_SECONDS / self._block_seconds) if self._block_seconds else 1
        return max(1, min(left, fitting, left if self._most is None else self._most))

    @contextlib.contextmanager
    def piece(self, blocks: int, *, first: bool, last: bool, learning: bool) -> Iterator[None]:
        """Time a piece.

        Args:
            blocks: how many it has.
            first: whether a segment begins with it.
            last: whether a segment ends with it.
            learning: whether updates had begun before it.
        """
        self._begun, self._cut = time.monotonic(), not (first and last)
        self._piece_seconds = blocks * self._block_seconds
        yield
        seconds = time.monotonic() - self._begun
        self._block_seconds = seconds / blocks
        self._most = None if learning else 2 * blocks
        self.segment_seconds = seconds + (0.0 if first else self.segment_seconds)

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
        left = max(self._begun + self._piece_seconds - time.monotonic(), 0.0)
        known = f" (about {left:.0f} s)" if self._piece_seconds else ""
        return f"after this {'part of the segment' if self._cut else 'segment'}{known}"

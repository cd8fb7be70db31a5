"""What a user sees while a sweep runs: a live bar on a terminal, plain lines elsewhere, or nothing."""

import sys
import time
from typing import Any, Protocol

PROGRESS = ("auto", "plain", "none")
SECONDS_BETWEEN_LINES = 10.0


class Progress(Protocol):
    """Listens to a sweep."""

    def start(self, total_steps: int) -> None:
        """The sweep begins; `total_steps` counts environment steps of all runs."""
        ...

    def phase(self, text: str) -> None:
        """A phase begins, e.g. "compiling"."""
        ...

    def advance(self, steps: int, headline: str) -> None:
        """`steps` environment steps of all runs were done; `headline` is the latest result."""
        ...

    def note(self, text: str) -> None:
        """Something to keep on screen."""
        ...

    def stop(self) -> None:
        """The sweep is over."""
        ...


def make_progress(mode: str) -> Progress:
    """`mode`: "auto" (a bar on a terminal, lines elsewhere), "plain" or "none"."""
    if mode == "none":
        return Silent()
    if mode == "auto" and sys.stderr.isatty():
        return Bar()
    return Lines()


class Silent:
    """Shows nothing."""

    def start(self, total_steps: int) -> None: ...
    def phase(self, text: str) -> None: ...
    def advance(self, steps: int, headline: str) -> None: ...
    def note(self, text: str) -> None: ...
    def stop(self) -> None: ...


class Lines:
    """One line per phase and every few seconds, on standard error: for logs and pipes."""

    def __init__(self) -> None:
        self._done = self._total = 0
        self._begun = self._said = time.monotonic()

    def start(self, total_steps: int) -> None:
        self._total, self._begun = total_steps, time.monotonic()

    def phase(self, text: str) -> None:
        self.note(text)

    def advance(self, steps: int, headline: str) -> None:
        self._done += steps
        now = time.monotonic()
        if now - self._said >= SECONDS_BETWEEN_LINES or self._done >= self._total:
            self._said = now
            rate = self._done / max(now - self._begun, 1e-9)
            left = (self._total - self._done) / rate
            share = self._done / max(self._total, 1)
            self.note(f"{share:4.0%}  {rate:,.0f} steps/s over all runs  {left:,.0f} s left  {headline}")

    def note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def stop(self) -> None: ...


class Bar:
    """A live bar: phase, runs × steps/s, time left, latest result."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._bar = RichProgress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("[cyan]{task.fields[headline]}"),
            console=Console(stderr=True),
        )
        self._task: Any = None
        self._begun = 0.0
        self._done = 0

    def start(self, total_steps: int) -> None:
        self._begun = time.monotonic()
        self._task = self._bar.add_task("starting", total=total_steps, rate="", headline="")
        self._bar.start()

    def phase(self, text: str) -> None:
        self._bar.update(self._task, description=text)

    def advance(self, steps: int, headline: str) -> None:
        self._done += steps
        rate = self._done / max(time.monotonic() - self._begun, 1e-9)
        self._bar.update(self._task, advance=steps, rate=f"{rate:,.0f} steps/s", headline=headline)

    def note(self, text: str) -> None:
        self._bar.console.print(text)

    def stop(self) -> None:
        self._bar.stop()

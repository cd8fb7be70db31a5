"""What a user sees while a sweep runs: a live bar on a terminal or in a notebook, plain lines elsewhere, or nothing."""

import importlib.util
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

    def skip(self, steps: int) -> None:
        """`steps` of the total were done by an earlier process; below 0: so many were lost, and are done again."""
        ...

    def note(self, text: str) -> None:
        """Something to keep on screen."""
        ...

    def stop(self) -> None:
        """The sweep is over."""
        ...


def make_progress(mode: str) -> Progress:
    """`mode`: "auto" (a bar on a terminal or in a notebook, lines elsewhere), "plain" or "none"."""
    if mode == "none":
        return Silent()
    if mode == "auto" and in_notebook():
        # Without ipywidgets rich can draw nothing that moves in a notebook.
        return Bar(notebook=True) if importlib.util.find_spec("ipywidgets") is not None else Lines()
    if mode == "auto" and sys.stderr.isatty():
        return Bar()
    return Lines()


def in_notebook() -> bool:
    """Whether this process is the kernel of a Jupyter notebook (and not IPython on a terminal)."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell" or hasattr(shell, "kernel")


class Silent:
    """Shows nothing."""

    def start(self, total_steps: int) -> None: ...
    def phase(self, text: str) -> None: ...
    def advance(self, steps: int, headline: str) -> None: ...
    def skip(self, steps: int) -> None: ...
    def note(self, text: str) -> None: ...
    def stop(self) -> None: ...


class Rate:
    """Environment steps per second of all runs while they run; compiling does not count."""

    def __init__(self) -> None:
        self._done = 0
        self._seconds = 0.0
        self._running_since: float | None = None

    def phase(self, text: str) -> None:
        """A phase begins; only those named "running" are timed."""
        now = time.monotonic()
        if self._running_since is not None:
            self._seconds += now - self._running_since
        self._running_since = now if text.startswith("running") else None

    def advance(self, steps: int) -> float:
        """The rate once `steps` more are done."""
        self._done += steps
        running = time.monotonic() - self._running_since if self._running_since is not None else 0.0
        return self._done / max(self._seconds + running, 1e-9)


class Lines:
    """One line per phase and every few seconds, on standard error: for logs and pipes."""

    def __init__(self) -> None:
        self._done = self._total = 0
        self._said = time.monotonic()
        self._rate = Rate()

    def start(self, total_steps: int) -> None:
        self._total = total_steps

    def phase(self, text: str) -> None:
        self._rate.phase(text)
        self.note(text)

    def advance(self, steps: int, headline: str) -> None:
        self._done += steps
        rate, now = self._rate.advance(steps), time.monotonic()
        if now - self._said >= SECONDS_BETWEEN_LINES or self._done >= self._total:
            self._said = now
            left = (self._total - self._done) / rate
            share = self._done / max(self._total, 1)
            self.note(f"{share:4.0%}  {rate:,.0f} steps/s over all runs  {left:,.0f} s left  {headline}")

    def skip(self, steps: int) -> None:
        self._total -= steps

    def note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def stop(self) -> None: ...


class Bar:
    """A live bar: phase, runs × steps/s, time left, latest result."""

    def __init__(self, *, notebook: bool = False) -> None:
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
            console=Console(force_jupyter=True) if notebook else Console(stderr=True),
        )
        self._task: Any = None
        self._total = 0
        self._rate = Rate()

    def start(self, total_steps: int) -> None:
        self._total = total_steps
        self._task = self._bar.add_task("starting", total=total_steps, rate="", headline="")
        self._bar.start()

    def phase(self, text: str) -> None:
        self._rate.phase(text)
        self._bar.update(self._task, description=text)

    def advance(self, steps: int, headline: str) -> None:
        rate = self._rate.advance(steps)
        self._bar.update(self._task, advance=steps, rate=f"{rate:,.0f} steps/s", headline=headline)

    def skip(self, steps: int) -> None:
        self._total -= steps
        self._bar.update(self._task, total=self._total)

    def note(self, text: str) -> None:
        self._bar.console.print(text)

    def stop(self) -> None:
        self._bar.stop()

"""What a user sees while a sweep runs."""

import sys
import types

import pytest

from jaxvf.sweeps import progress
from jaxvf.sweeps.progress import Bar, Lines, Rate, make_progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test moves by hand."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_compiling_does_not_count(clock):
    """90 s of compiling and 10 s of running 1,000 steps are 100 steps/s; a second compilation stops the clock too."""
    rate = Rate()
    rate.phase("compiling group 1/2")
    clock[0] = 90.0
    rate.phase("running g000-c000")
    clock[0] = 100.0
    assert rate.advance(1_000) == 100.0
    rate.phase("compiling group 2/2")
    clock[0] = 190.0
    rate.phase("running g001-c000")
    clock[0] = 200.0
    assert rate.advance(3_000) == 200.0  # 4,000 steps in 20 s


def test_lines_say_share_rate_and_time_left(clock, capsys):
    """Half of 4,000 steps in 20 s; what an earlier process did is not part of the total."""
    lines = Lines()
    lines.start(5_000)
    lines.skip(1_000)
    lines.phase("running g000-c000")
    clock[0] = 20.0
    lines.advance(2_000, "test return 7.90 (IQM of 4)")
    said = capsys.readouterr().err.splitlines()
    assert said == ["running g000-c000", " 50%  100 steps/s over all runs  20 s left  test return 7.90 (IQM of 4)"]


def test_the_bar_takes_every_event():
    """The live bar is only for terminals; here it must at least accept what a sweep tells it."""
    bar = Bar()
    bar.start(100)
    bar.skip(20)
    bar.phase("running g000-c000")
    bar.advance(80, "test return 1.00 (IQM of 2)")
    bar.note("a note")
    task = bar._bar.tasks[0]
    bar.stop()
    assert (task.completed, task.total, task.description) == (80, 80, "running g000-c000")


def test_without_a_terminal_progress_is_plain(monkeypatch):
    """A pipe or a log gets lines, a terminal the bar."""
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: False, raising=False)
    assert isinstance(make_progress("auto"), Lines)
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    assert isinstance(make_progress("auto"), Bar)


class ZMQInteractiveShell:
    """What IPython's shell is called in the kernel of a notebook."""


class TerminalInteractiveShell:
    """What it is called on a terminal."""


@pytest.mark.parametrize(
    ("shell", "widgets", "kind"),
    [(ZMQInteractiveShell, True, Bar), (ZMQInteractiveShell, False, Lines), (TerminalInteractiveShell, True, Lines)],
)
def test_a_notebook_has_the_bar_where_it_can_move(monkeypatch, shell, widgets, kind):
    """Its standard error is no terminal, and without ipywidgets rich draws nothing that moves."""
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = shell  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setattr(progress.importlib.util, "find_spec", lambda name: name if widgets else None)
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: False, raising=False)
    shown = make_progress("auto")
    assert isinstance(shown, kind)
    assert not isinstance(shown, Bar) or shown._bar.console.is_jupyter
    assert isinstance(make_progress("plain"), Lines)


def test_the_bar_of_a_notebook_is_displayed(monkeypatch):
    pytest.importorskip("ipywidgets")
    display = pytest.importorskip("IPython.display")
    displayed = []
    monkeypatch.setattr(display, "display", lambda *shown, **_: displayed.extend(shown))  # there is no kernel here
    bar = Bar(notebook=True)
    bar.start(100)
    bar.phase("running g000-c000")
    bar.advance(100, "test return 1.00 (IQM of 2)")
    bar.stop()
    assert bar._bar.tasks[0].completed == 100
    assert type(displayed[0]).__name__ == "Output"

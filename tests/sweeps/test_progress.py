"""What a user sees while a sweep runs."""

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

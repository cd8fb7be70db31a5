"""Searches that take a second, and what their tests do with them: stop them, kill them, go on."""

import signal
from pathlib import Path

import numpy as np
import pytest
from tiny_sweeps import At, assert_same_files, tiny

from jaxvf.results.store import RunDirectory
from jaxvf.sweeps import Interrupted, Sweep, resume
from jaxvf.sweeps.progress import Silent
from jaxvf.sweeps.search import one_program

RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.5, 1.0)


class Killed(BaseException):
    """The process ends here, with nothing cleaned up."""


def searched(method, out: Path, **described):
    return eight(**described).search(method, out, progress="none")


def eight(seeds=2, rates=RATES, **described) -> Sweep:
    """Eight learning rates, six segments."""
    return tiny(seeds=seeds, rates=rates, root_seed=1, **described)


def stop_at(monkeypatch, segment: int, method, out: Path):
    """Stop a search after its n-th segment by a real signal to this process."""
    at = At(segment, lambda: signal.raise_signal(signal.SIGTERM))
    monkeypatch.setattr(one_program, "make_progress", lambda mode: at)
    with pytest.raises(Interrupted, match="continue with `jaxvf resume"):
        searched(method, out)
    monkeypatch.setattr(one_program, "make_progress", lambda mode: Silent())


def kill_in(monkeypatch, home, name: str, call: int, method, out: Path):
    """Kill a search as the n-th call of a function begins."""
    function, left = getattr(home, name), [call]

    def dies(*arguments, **named):
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        return function(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(home, name, dies)
        with pytest.raises(Killed):
            searched(method, out)


def assert_goes_on_as(quiet: Path, out: Path):
    """Resuming ends with the files of the undisturbed search, bitwise, and with none left over."""
    assert RunDirectory(out).read_json()["status"] == "unfinished"
    resume(out, progress="none")
    assert_same_files(out, quiet)
    assert not list((out / "checkpoints").glob("*/*"))
    names = [sorted(path.name for path in (where / "units").iterdir()) for where in (out, quiet)]
    assert names[0] == names[1]


def last_segments(result) -> np.ndarray:
    """Segments that each run was trained for."""
    return np.isfinite(result.metric("loss")).sum(axis=1)

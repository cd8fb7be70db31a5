"""A sweep that takes a second, and what its tests do with it: stop it, compare it, see it refused."""

import signal
from pathlib import Path

import numpy as np
import pytest

from jaxvf.errors import InputError
from jaxvf.mixers import VdnMixer
from jaxvf.networks import TabularAgent
from jaxvf.results.store import RunDirectory
from jaxvf.sweeps import Interrupted, Sweep, execution
from jaxvf.sweeps.progress import Silent
from jaxvf.value import QLearning

TINY = QLearning(
    mixer=VdnMixer(), agent=TabularAgent(), num_envs=2, buffer_size=16, batch_size=4, last_action=False, agent_id=False
)
SEGMENTS = 6


def tiny(seeds=3, rates=(0.01, 0.1), **described) -> Sweep:
    known = {"env": "matrix_game/A", "algorithms": TINY, "env_steps": 60, "test_interval": 10, "test_episodes": 1}
    return Sweep(**{**known, "seeds": seeds, "grid": {"learning_rate": list(rates)}, **described})


def run(sweep: Sweep, out=None, chunk=None, **options):
    return sweep.run(out, chunk=chunk, progress="none", **options)


class At(Silent):
    """Does something when a segment is done: the n-th of the whole sweep."""

    def __init__(self, segment, action):
        self.left, self.action = segment, action

    def advance(self, steps, headline):
        self.left -= 1
        if self.left == 0:
            self.action()


def during(monkeypatch, segment, action):
    """Let the next sweep do `action` at its n-th segment."""
    monkeypatch.setattr(execution, "make_progress", lambda mode: At(segment, action))


def stop_at(monkeypatch, sweep, out, segment, chunk):
    """Interrupt a sweep after its n-th segment by a real signal to this process."""
    during(monkeypatch, segment, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(Interrupted, match="continue with `jaxvf resume"):
        run(sweep, out, chunk)
    monkeypatch.setattr(execution, "make_progress", lambda mode: Silent())


def named(out: Path, unit: str) -> str:
    """The full name of a unit, e.g. of "g000-c001": with the hash of what it computes."""
    found = {
        path.stem.partition("-s")[0]
        for part in ("metrics", "checkpoints", "policies")
        for path in (out / part).glob(f"{unit}-*")
    }
    (name,) = found
    return name


def files(path: Path) -> dict[str, bytes]:
    """Contents by name, the lock of the process that owns the directory aside."""
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file() and p.name != ".lock"}


def assert_same_curves(left, right, rows=slice(None), others=slice(None), rtol=None):
    assert left.metrics == right.metrics
    for name in left.metrics:
        a, b = left.metric(name)[rows], right.metric(name)[others]
        if rtol is None:
            np.testing.assert_array_equal(a.view(np.uint32), b.view(np.uint32), err_msg=name)
        else:
            np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-6, err_msg=name)


def assert_same_files(left: Path, right: Path):
    """Metrics row by row, table of runs and policies, bitwise; only the cut into parts may differ."""
    tables = []
    for path in (left, right):
        columns = RunDirectory(path).read_metrics()
        order = np.lexsort((columns["metric"].astype(str), columns["env_steps"], columns["run"]))
        tables.append({name: column[order] for name, column in columns.items()})
    assert len(tables[0]["value"]) > 0
    for name in ("run", "seed", "env_steps", "metric"):
        np.testing.assert_array_equal(tables[0][name], tables[1][name])
    np.testing.assert_array_equal(*[table["value"].view(np.uint32) for table in tables])
    assert RunDirectory(left).read_runs() == RunDirectory(right).read_runs()
    policies = sorted(path.name for path in (left / "policies").iterdir())
    assert policies == sorted(path.name for path in (right / "policies").iterdir())
    for name in policies:
        assert (left / "policies" / name).read_bytes() == (right / "policies" / name).read_bytes()


def refuse(call, out: Path, *named: str) -> str:
    """The one line with which `call` refuses, that names each of `named`; the directory stays as it is."""
    before = files(out)
    with pytest.raises(InputError) as caught:
        call(out)
    line = str(caught.value)
    assert "\n" not in line
    assert all(name in line for name in named), line
    assert files(out) == before
    return line

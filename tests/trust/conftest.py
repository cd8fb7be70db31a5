"""Shared by the tests of hostile files: a finished sweep, one that was stopped, and copies of both to damage."""

import shutil
import signal
from pathlib import Path

import pytest
from trust_cases import SWEEP

from jaxvf.sweeps import Interrupted, execution, rhythm, runner
from jaxvf.sweeps.progress import Silent


class _StopInTheSecondChunk(Silent):
    left = 5  # segments

    def advance(self, steps, headline):
        self.left -= 1
        if self.left == 0:
            signal.raise_signal(signal.SIGTERM)


@pytest.fixture(scope="session")
def executables():
    return {}


@pytest.fixture(scope="session")
def originals(tmp_path_factory, executables) -> Path:
    """Two directories, `finished` and `stopped`; the second has a checkpoint of its second chunk."""
    root = tmp_path_factory.mktemp("originals")
    with pytest.MonkeyPatch.context() as patch:
        _compile_once(patch, executables)
        patch.setattr(rhythm.Rhythm, "iterations", lambda self, left: left)  # whole segments, which the stop counts
        SWEEP.run(root / "finished", chunk=2, progress="none")
        patch.setattr(execution, "make_progress", lambda mode: _StopInTheSecondChunk())
        with pytest.raises(Interrupted):
            SWEEP.run(root / "stopped", chunk=2)
    return root


@pytest.fixture
def here(tmp_path, monkeypatch, originals, executables) -> Path:
    """Copies of both in the present directory, and nothing else."""
    _compile_once(monkeypatch, executables)
    monkeypatch.setattr(execution, "make_progress", lambda mode: Silent())
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(originals, tmp_path, dirs_exist_ok=True)


def _compile_once(patch: pytest.MonkeyPatch, executables: dict) -> None:
    compile_group = runner.Runner._compile
    patch.setattr(
        runner.Runner, "_compile", lambda *of: executables.get(0) or executables.setdefault(0, compile_group(*of))
    )

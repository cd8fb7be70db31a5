"""Shared by the tests of sweeps: one compilation for all of them, the quiet run, and a sweep that was stopped."""

from pathlib import Path

import numpy as np
import pytest
from shared_programs import remember
from tiny_sweeps import (
    run,
    stop_at,
    tiny,
)

from jaxvf.sweeps import rhythm


@pytest.fixture
def compiled_once(compiled_once, monkeypatch) -> list[int]:
    """Every tiny sweep takes the program that an earlier one compiled; saved is after each whole segment."""
    monkeypatch.setattr(rhythm, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(rhythm, "CHECKPOINT_SHARE", np.inf)
    monkeypatch.setattr(rhythm.Rhythm, "iterations", lambda self, left: left)
    return compiled_once


@pytest.fixture(scope="session")
def reference(tmp_path_factory, programs):
    """The quiet run: 6 runs in two chunks of 4, the second one short. Not to be written to."""
    out = tmp_path_factory.mktemp("quiet") / "sweep"
    with pytest.MonkeyPatch.context() as patch:
        remember(patch, programs)
        return run(tiny(), out, chunk=4), out


@pytest.fixture
def stopped(tmp_path, monkeypatch, compiled_once) -> Path:
    """A sweep stopped in its second chunk, with two checkpoints."""
    out = tmp_path / "sweep"
    stop_at(monkeypatch, tiny(), out, 9, chunk=4)
    return out


@pytest.fixture
def tiny_group():
    """The group of six tiny runs, four at once."""
    return tiny().plan(chunk=4).groups[0]

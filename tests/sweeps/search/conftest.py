"""Shared by the tests of searches: one compilation for each number of runs, and a save after every segment."""

import jax
import numpy as np
import pytest

from jaxvf.sweeps import compile, rhythm


@pytest.fixture(scope="session")
def programs():
    return {}


@pytest.fixture
def compiled_once(monkeypatch, programs):
    """Every program is compiled once in a session; the list names those that a test asked for, by their runs."""
    compile_group, asked = compile.compile_group, []

    def remembered(group):
        key = (group.program, jax.tree.structure(group.runs[0].algorithm), group.chunk)
        asked.append(group.chunk)
        if key not in programs:
            programs[key] = compile_group(group)
        return programs[key]

    monkeypatch.setattr(compile, "compile_group", remembered)
    monkeypatch.setattr(rhythm, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(rhythm, "CHECKPOINT_SHARE", np.inf)
    monkeypatch.setattr(rhythm.Rhythm, "iterations", lambda self, left: left)
    return asked

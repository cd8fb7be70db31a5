"""Directories with made-up curves, which take milliseconds."""

import pytest

from jaxvf import scripts

made_runs = scripts.part("benchmarks", "_made_runs")


@pytest.fixture
def make(tmp_path):
    """Makes a directory of a name, as `_made_runs.make` describes."""
    return lambda name="sweep", **described: made_runs.make(tmp_path / name, **described)


@pytest.fixture(scope="session")
def swept(tmp_path_factory):
    """Two learners, two learning rates, eight seeds; run 3 diverged. Not to be written to."""
    out = tmp_path_factory.mktemp("swept") / "sweep"
    return made_runs.make(out, grid={"learning_rate": [1e-3, 5e-4]}, diverged=[3])

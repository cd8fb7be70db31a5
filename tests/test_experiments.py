"""Experiments run end to end at the smallest size, and go on where they stopped."""

import json

import numpy as np
import pytest

from jaxvf import scripts
from jaxvf.errors import InputError
from jaxvf.results import fraction_interval


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    """One game, one learner, three seeds of the matrix-games experiment."""
    out = tmp_path_factory.mktemp("matrix_games")
    module = scripts.load("experiments", "matrix_games")
    cells = (module.Cell("uniform", ("E",), ("vdn",)), module.Cell("annealed", ("E",), ("vdn",)))
    options = {"env_steps": 4_000, "out": out, "cells": cells, "yes": True}
    module.reproduce(seeds=3, **options)
    return module, out, options


def test_matrix_games_reports_every_cell(reproduced):
    """VDN never reaches game E's optimum: 0 of 3 seeds under both behaviours, with Wilson's interval."""
    _, out, _ = reproduced
    rows = json.loads((out / "summary.json").read_text())
    assert [(row["game"], row["protocol"], row["runs"]) for row in rows] == [("E", "uniform", 3), ("E", "annealed", 3)]
    for row in rows:
        np.testing.assert_allclose(row["optimal"], fraction_interval(0, 3))
        assert row["mean_greedy_reward"] == 0.0 and row["diverged"] == 0
        assert row["held_in_second_half"] == 0.0
        # VDN's best fit misses the payoff by 14.2 at (0, 0).
        assert row["median_largest_error"] > 10 and row["exact"][0] == 0.0
        assert row["evaluated_at"] == [1000, 2000, 3000, 4000] and row["optimal_runs"][-1] == 0
        assert row["scale"] == "own setting" and np.shape(row["typical_tables"]["q_tot"]) == (3, 3)
    assert {path.name for path in out.glob("*.png")} == {"fractions.png", "tables.png"}


def test_the_same_command_again_trains_nothing(reproduced, capfd):
    """A finished learner is loaded; another number of seeds is refused in one line."""
    module, _, options = reproduced
    capfd.readouterr()
    module.reproduce(seeds=3, **options)
    assert "compiling" not in capfd.readouterr().err
    with pytest.raises(InputError, match="seeds is 3 there, 4 here"):
        module.reproduce(seeds=4, **options)


def test_figures_are_drawn_again_from_the_summary_alone(reproduced, tmp_path):
    """The same picture, byte for byte, without any run."""
    module, out, _ = reproduced
    drawn = module.draw(json.loads((out / "summary.json").read_text()), tmp_path)
    assert len(drawn) == 2
    assert all(path.read_bytes() == (out / path.name).read_bytes() for path in drawn)

"""The experiment self_correction at its smallest size: its numbers mean what their names say."""

import json

import numpy as np
import pytest

from jaxvf import scripts
from jaxvf.envs.matrix_game import PAYOFFS


@pytest.fixture(scope="module")
def experiment():
    return scripts.load("experiments", "self_correction")


@pytest.fixture(scope="module")
def reproduced(experiment, tmp_path_factory):
    """One level, a search of one program: one compiled program."""
    out = tmp_path_factory.mktemp("self_correction")
    options = {"seeds": 30, "updates": 40, "levels": experiment.LEVELS[:1], "programs": ("replayed",), "yes": True}
    experiment.reproduce(out=out, **options)
    return out, options


def test_fractions_of_runs_that_fitted_are_of_those_alone(experiment):
    """Six runs: two never fit, one of them diverged; of the others two were right, one stayed so; two were wrong, one
    ends right.
    """
    row = experiment.row_of({
        "error": np.array([np.nan, 3.0, 0.01, 0.2, 0.7, 0.0]),
        "optimal": np.array([False, True, True, False, True, False]),
        "fitted_at": np.array([-1, -1, 10, 20, 30, 40]),
        "optimal_at_fit": np.array([False, False, True, True, False, False]),
        "changes": np.array([0, 0, 0, 1, 3, 0]),
        "changes_while_fitted": np.array([0, 0, 0, 0, 1, 0]),
    })  # fmt: skip
    assert row["runs"] == 6 and row["diverged"] == 1
    shares = {name: row[name][0] for name in row if isinstance(row[name], list)}
    assert shares == pytest.approx({
        "fitted": 4 / 6, "fits_at_the_end": 3 / 6, "exact": 2 / 6, "optimal": 3 / 6,
        "optimal_and_fits_at_the_end": 1 / 6, "optimal_at_fit": 1 / 2, "optimal_later": 1 / 2, "corrected": 1 / 2,
        "lost": 1 / 2, "changed_after_fit": 1 / 2, "changed_while_fitted": 1 / 4,
    }, abs=1e-5)  # fmt: skip
    assert (row["mean_changes_after_fit"], row["median_fitted_at"]) == (1, 25)


def test_games_are_the_papers_and_random_ones(experiment):
    """Its A and B are B and D here; no random game is another's, and optima lead by 0.95 at least."""
    np.testing.assert_array_equal(experiment.payoffs("A", 2)[1], np.ravel(PAYOFFS["B"]))
    np.testing.assert_array_equal(experiment.payoffs("B", 1)[0], np.ravel(PAYOFFS["D"]))
    random = np.concatenate([experiment.payoffs("random", 100, fresh) for fresh in (0, 1)])
    assert len(np.unique(random, axis=0)) == 200
    lead = np.diff(np.sort(random, axis=1)[:, -2:], axis=1)
    assert lead.min() > 0.95


def test_the_best_region_is_found(experiment):
    """Runs are right where ε ends small and the step is large, and only then: that is the box of two numbers."""
    search = experiment.search
    drawn = {"replayed": search.draw_numbers(search.DRAWN, 2_000, seed=[0])}
    for name, (low, high) in search.DRAWN.items():
        assert low <= drawn["replayed"][name].min() < drawn["replayed"][name].max() <= high * (1 + 1e-6)
    good = (drawn["replayed"]["epsilon_end"] < 0.046) & (drawn["replayed"]["learning_rate"] > 0.0145)
    found = {"replayed": {"optimal": good, "fitted_at": np.zeros(2_000), "optimal_at_fit": np.zeros(2_000, bool)}}
    regions = {region["objective"]: region for region in search.best_regions(drawn, found)}
    assert regions.keys() == {"optimal", "corrected"}
    for region in regions.values():
        assert region["seen"][0] > 0.9
        changed = {name for name, ends in region["box"].items() if ends != search.DRAWN[name]}
        assert changed == {"epsilon_end", "learning_rate"}
        assert region["box"]["epsilon_end"][1] < 0.05 and region["box"]["learning_rate"][0] > 0.01


def test_finished_cells_are_read_and_figures_are_drawn_again(experiment, reproduced, tmp_path, monkeypatch):
    """The second call trains nothing and writes the same bytes; so does a drawing from the summary alone."""
    out, options = reproduced
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert before.keys() == {"summary.json", "levels.png", "search.png"}
    monkeypatch.setattr(experiment, "train", None)
    experiment.reproduce(out=out, **options)
    assert before == {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    rows = json.loads(before["summary.json"])
    assert {row["scale"] for row in rows} == {"own setting"} and {row["seeds"] for row in rows} == {30}
    for path in experiment.draw(rows, tmp_path):
        assert path.read_bytes() == before[path.name]

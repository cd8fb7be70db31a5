"""Numbers of an experiment's summary, against values that can be checked by hand."""

import numpy as np

from jaxvf.results import plots, summaries
from jaxvf.results.result import Result
from jaxvf.results.statistics import mean_interval


def result_of_three_runs():
    """Two runs that end at 2 and 4, one that diverged; their last episodes end in three ways."""
    curves = {
        "test_return": np.array([[0.0, 2.0], [2.0, 4.0], [1.0, np.nan]]),
        "test_big_box": np.array([[0.0, 1.0], [0.0, 0.5], [0.0, np.nan]]),
        "test_one_small": np.array([[0.0, 0.0], [0.0, 0.25], [0.0, np.nan]]),
    }
    status = ("finished", "finished", "diverged")
    runs = [{"run": row, "algorithm": "qmix", "seed": row, "status": each} for row, each in enumerate(status)]

    def policy(_):
        raise NotImplementedError

    return Result(runs, curves, np.array([[10, 20]] * 3), [], policy)


def test_mean_leaves_out_diverged_runs_and_its_interval_spans_the_draws():
    """Of two values a resample's mean is one of 1, 2, 3 with 1/4, 1/2, 1/4, so the 95 % interval is [1, 3]."""
    assert mean_interval(np.array([1.0, np.nan, 3.0]), rng=np.random.default_rng(0)) == (2.0, 1.0, 3.0)
    assert np.isnan(np.asarray(mean_interval(np.array([np.nan]), rng=np.random.default_rng(0)))).all()


def test_a_row_counts_what_diverged_and_endings_add_up_to_one():
    """Finals 2 and 4 have mean 3; endings 3/4 and 1/8 leave 1/8 for the rest."""
    result = result_of_three_runs()
    row = summaries.condition_row(result, result.select(algorithm="qmix"), learner="qmix")
    assert (row["learner"], row["runs"], row["diverged"], row["env_steps"]) == ("qmix", 3, 1, 20)
    assert row["final_return"] == (3.0, 2.0, 4.0)
    assert row["mean_return_of_all_evaluations"] == 2.0
    shares = summaries.endings(result, [0, 1, 2], ("big_box", "one_small"), rest="timeout")
    assert shares == {"big_box": 0.75, "one_small": 0.125, "timeout": 0.125}


def test_bars_of_a_composition_follow_each_other():
    """The second share starts where the first ends."""
    figure = plots.compositions({"a": {"won": 0.25, "lost": 0.75}}, xlabel="share")
    (axes,) = figure.axes
    bars = [bar.get_window_extent().transformed(axes.transData.inverted()) for bar in axes.patches]
    np.testing.assert_allclose([(bar.x0, bar.width) for bar in bars], [(0.0, 0.25), (0.25, 0.75)], atol=1e-9)


def test_a_cell_shows_what_was_expected_below_what_was_measured():
    """A number nobody expects stands alone; one that was not measured leaves its cell empty."""
    values, expected = np.array([[0.5, 1.0, np.nan]]), np.array([[0.25, np.nan, np.nan]])
    figure = plots.number_table(values, rows=["a"], columns=["x", "y", "z"], expected=expected, shade=values)
    assert [text.get_text() for text in figure.axes[0].texts] == ["0.5\n(0.25)", "1"]

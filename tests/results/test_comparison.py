"""Results beside each other and in one: whose runs are whose, what is compared, and what cannot be."""

import numpy as np
import pytest
from made_results import made, renumbered, with_metric

import jaxvf
from jaxvf.errors import InputError
from jaxvf.results import fraction_interval, probability_of_improvement

LOW = {"vdn": [[0, 1], [0, 2], [0, 3], [0, 4]]}
HIGH = {"qmix": [[0, 5], [0, 6], [0, 7], [0, 8]]}


def refusal(call, *arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_concat_numbers_the_runs_on_and_keeps_every_curve():
    joined = jaxvf.concat([made(LOW, learning_rate=0.1), made(HIGH, steps=(50, 100))])
    assert [run["run"] for run in joined.runs] == list(range(8))
    assert [run["learning_rate"] for run in joined.runs] == [0.1] * 4 + [None] * 4
    np.testing.assert_array_equal(joined.last("test_return"), [1, 2, 3, 4, 5, 6, 7, 8])
    np.testing.assert_array_equal(joined.env_steps_of(0), [100, 200])
    np.testing.assert_array_equal(joined.env_steps_of(7), [50, 100])
    assert refusal(joined.policy, 5) == "run=1 has no trained policy"


def test_concat_fills_up_what_one_result_lacks():
    """A shorter axis repeats its last step, and a metric that a result lacks is NaN."""
    short = made({"vdn": [[1.0]]}, steps=(100,))
    joined = jaxvf.concat([with_metric(made(HIGH), "loss", np.ones((4, 2))), short])
    np.testing.assert_array_equal(joined.env_steps_of(4), [100, 100])
    np.testing.assert_array_equal(joined.metric("test_return")[4], [1.0, np.nan])
    assert np.isnan(joined.metric("loss")[4]).all()
    assert joined.last("test_return")[4] == 1.0


def test_equal_runs_need_labels():
    line = refusal(jaxvf.concat, [made(LOW), made(LOW)])
    assert line.startswith("vdn on matrix_game/A with seed 0 is in two of the results; give them labels")
    joined = jaxvf.concat({"old": made(LOW), "new": made(LOW)})
    np.testing.assert_array_equal(joined.select(label="new"), [4, 5, 6, 7])
    assert len(joined.conditions()) == 2


def test_results_without_a_common_metric_are_not_joined():
    line = refusal(jaxvf.concat, [made(LOW), made(HIGH, metric="test_won")])
    assert line == "the results have no metric in common (they begin: test_return; test_won)"
    assert refusal(jaxvf.concat, []) == "concat needs at least one result"


@pytest.mark.usefixtures("unchecked")
def test_a_path_is_no_result():
    assert refusal(jaxvf.concat, ["runs/mine"]).startswith("concat takes results, not 'runs/mine'")
    assert refusal(jaxvf.compare, "runs/a").startswith("compare takes results, not 'runs/a'")


def test_compare_gives_answers_and_the_chance_of_improvement():
    found = jaxvf.compare(made(LOW), made(HIGH))
    assert (found.methods, found.metric) == (["vdn", "qmix"], "test_return")
    assert [row["test_return"].estimate for row in found.rows] == [2.5, 6.5]
    np.testing.assert_array_equal(found.improvement.estimate, [[0.5, 0.0], [1.0, 0.5]])
    np.testing.assert_array_equal(found.improvement.low, [[0.5, 0.0], [1.0, 0.5]])
    assert "P(qmix > vdn) = 1.00 [1.00, 1.00]" in repr(found)


def test_the_matrix_holds_what_every_pair_alone_would():
    rng = np.random.default_rng(1)
    a, b = ({name: rng.normal(size=(9, 2))} for name in ("vdn", "qmix"))
    found = jaxvf.compare(made(a), made(b))
    alone = probability_of_improvement(
        a["vdn"][:, -1].astype(np.float32), b["qmix"][:, -1].astype(np.float32), rng=np.random.default_rng(0)
    )
    assert [float(np.asarray(part)[0, 1]) for part in found.improvement] == pytest.approx(list(alone))
    np.testing.assert_allclose(found.improvement.estimate + np.asarray(found.improvement.estimate).T, 1.0)
    np.testing.assert_allclose(found.improvement.low + np.asarray(found.improvement.high).T, 1.0)


def test_labelled_results_are_compared_by_their_labels():
    found = jaxvf.compare({"wide": made(LOW), "narrow": made(LOW)})
    assert found.methods == ["wide", "narrow"]
    assert jaxvf.compare(made(LOW), made(LOW)).methods == ["1", "2"]


def test_the_fraction_that_reaches_the_optimum_is_compared_first():
    reached = with_metric(made({**LOW, **HIGH}), "test_optimal", [[0, row >= 4] for row in range(8)])
    found = jaxvf.compare(reached)
    assert found.metric == "fraction_optimal"
    assert [row["fraction_optimal"] for row in found.rows] == [fraction_interval(0, 4), fraction_interval(4, 4)]
    np.testing.assert_array_equal(found.improvement.estimate, [[0.5, 0.0], [1.0, 0.5]])


def test_different_budgets_are_compared_where_both_have_been():
    longer = made({"qmix": [[0, 5, 50]]}, steps=(100, 200, 1000))
    line = refusal(jaxvf.compare, made(LOW), longer)
    assert line.startswith("the runs end at 200 to 1,000 environment steps; compare them at 200: at=200 in Python, ")
    assert line.endswith("--at 200 on the command line")
    found = jaxvf.compare(made(LOW), longer, at=250)
    assert found.rows[1]["test_return"].estimate == 5
    assert refusal(jaxvf.compare, made(LOW), longer, at=50).startswith(
        "at=50: some runs have no evaluation up to there"
    )


def test_runs_that_a_search_dropped_count_where_they_stopped_and_that_is_said():
    early = made({"vdn": [[3]]}, steps=(80,), status=["dropped"])
    full = made({"vdn": [[0, 1], [0, 2]], "qmix": [[0, 5], [0, 6]]}, steps=(320, 640))
    found = jaxvf.compare(jaxvf.concat([full, renumbered(early, seed=9)]))
    row = found.rows[0]
    assert (row["runs"], row["dropped"], row["env_steps_from"], row["env_steps"]) == (3, 1, 80, 640)
    assert "3 runs, 80 to 640 steps; 1 dropped by the search, at their last evaluation" in repr(found)
    assert "dropped" not in found.rows[1]


def test_an_evaluation_at_the_very_step_counts():
    longer = made({"qmix": [[0, 5, 50]]}, steps=(100, 200, 1000))
    assert jaxvf.compare(made(LOW), longer, at=200).rows[1]["test_return"].estimate == 5
    assert jaxvf.compare(made(LOW), longer, at=199).rows[1]["test_return"].estimate == 0


def test_a_run_that_wins_exactly_half_of_its_episodes_counts_as_winning():
    halves = with_metric(made({**LOW, **HIGH}), "test_won", [[0, 0.5 if row >= 4 else 0.49] for row in range(8)])
    found = jaxvf.compare(halves)
    assert [row["fraction_won"] for row in found.rows] == [fraction_interval(0, 4), fraction_interval(4, 4)]
    np.testing.assert_array_equal(found.improvement.estimate, [[0.5, 0.0], [1.0, 0.5]])


def test_over_several_environments_the_chance_is_a_mean():
    """In A qmix is always above, in B never."""
    a = made({**LOW, **HIGH})
    b = made({"vdn": HIGH["qmix"], "qmix": LOW["vdn"]}, env="matrix_game/B")
    found = jaxvf.compare(jaxvf.concat([a, b]))
    np.testing.assert_array_equal(found.improvement.estimate, np.full((2, 2), 0.5))
    assert [(row["method"], row["env"]) for row in found.rows[1:3]] == [
        ("qmix", "matrix_game/A"), ("vdn", "matrix_game/B"),
    ]  # fmt: skip
    line = refusal(jaxvf.compare, jaxvf.concat([a, made(LOW, env="matrix_game/B")]))
    assert line == "qmix was not trained in matrix_game/B, others were; compare a selection"


def test_what_cannot_be_compared_is_said():
    assert refusal(jaxvf.compare, made(LOW)).startswith("there is nothing to compare with vdn")
    assert "unknown metric 'test_retrun'; did you mean" in refusal(jaxvf.compare, made(LOW), metric="test_retrun")
    with_loss = with_metric(made(HIGH), "loss", np.ones((4, 2)))
    line = refusal(jaxvf.compare, with_loss, made(LOW), metric="loss")
    assert line == "unknown metric of all results 'loss'; valid: test_return"


def test_a_diverged_run_loses_and_an_unfinished_one_is_left_out():
    nan = float("nan")
    lost = made({"vdn": [[0, 1], [0, nan]]}, status=["finished", "diverged"])
    open_ = made({"qmix": [[0, 0.5], [0, nan]]}, status=["finished", "unfinished"])
    found = jaxvf.compare(lost, open_)
    assert np.asarray(found.improvement.estimate)[0, 1] == 0.5  # one of two runs is above
    assert [(row["runs"], row.get("unfinished")) for row in found.rows] == [(2, None), (1, 1)]
    assert found.rows[1]["test_return"].estimate == 0.5
    assert "1 run, 200 steps; 1 more unfinished" in repr(found)
    nothing = made({"qmix": [[nan, nan]]}, status=["unfinished"])
    assert refusal(jaxvf.compare, lost, nothing).startswith("no run of qmix is finished")


def test_an_unfinished_run_is_in_no_fraction():
    """Of two runs one has won and one is not there yet: that is one of one."""
    result = made({"vdn": [[0, 1], [0, float("nan")]]}, status=["finished", "unfinished"])
    (row,) = with_metric(result, "test_won", [[0, 1], [0, float("nan")]]).summary()
    assert row["fraction_won"] == fraction_interval(1, 1)


def test_a_run_with_fewer_evaluations_counts_at_its_own_last_one():
    """Its axis is filled up, and what fills it is no divergence."""
    joined = jaxvf.concat([made(LOW), made({"qmix": [[9]]}, steps=(50,))])
    chance = joined.probability_of_improvement({"algorithm": "qmix"}, {"algorithm": "vdn"})
    assert chance == (1.0, 1.0, 1.0)

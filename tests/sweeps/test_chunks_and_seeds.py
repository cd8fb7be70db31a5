"""Seeds are identities: results depend on neither the cut into chunks nor on neighbours, diverged ones included."""

import jax
import numpy as np
import pytest
from tiny_sweeps import (
    assert_same_curves,
    run,
    tiny,
)

from jaxvf.results.store import RunDirectory
from jaxvf.sweeps import load

pytestmark = pytest.mark.usefixtures("compiled_once")


def test_learning_happens_at_all(reference):
    """Else every equality below would be one of constants."""
    result, _ = reference
    losses = result.metric("loss")
    assert np.isfinite(losses[:, 2:]).all()
    assert len(np.unique(losses[:, -1])) == 6
    assert (losses[3:, -1] != losses[3:, 2]).all()


def test_results_do_not_depend_on_the_cut_into_chunks(reference):
    result, _ = reference
    assert_same_curves(run(tiny(), chunk=6), result, rtol=1e-4)
    assert_same_curves(run(tiny(), chunk=1), result, rtol=1e-4)


def test_a_seed_is_an_identity_not_a_position(reference):
    """The same seeds in other company and order, at the same chunk size: the same bits."""
    result, _ = reference
    moved = run(tiny(seeds=[11, 2, 0, 5], rates=(0.1,)), chunk=4)
    assert [record["seed"] for record in result.runs] == [0, 1, 2] * 2
    assert_same_curves(moved, result, rows=[2, 1], others=[3, 5])
    for row, other in ((2, 3), (1, 5)):
        policies = moved.policy(row).params, result.policy(other).params
        jax.tree.map(np.testing.assert_array_equal, *policies)
    assert not np.array_equal(moved.metric("loss")[0], moved.metric("loss")[3], equal_nan=True)


def test_another_root_is_another_experiment(reference):
    other = run(tiny(root_seed=1), chunk=4)
    assert (other.metric("loss")[:, -1] != reference[0].metric("loss")[:, -1]).all()


def test_a_diverged_run_is_marked_and_its_neighbours_do_not_notice(tmp_path, capsys):
    out = tmp_path / "sweep"
    sweep = tiny(rates=(0.01, 3e38))  # one step of RMSprop is 10 times that: more than a float holds
    result = sweep.run(out, chunk=6, progress="plain")
    assert [record["status"] for record in result.runs] == ["finished"] * 3 + ["diverged"] * 3
    assert [record["status"] for record in RunDirectory(out).read_runs()] == ["finished"] * 3 + ["diverged"] * 3
    assert "run 3 (seed 0) diverged: its parameters are not finite" in capsys.readouterr().err
    np.testing.assert_array_equal(np.isnan(result.metric("test_return")[:, -1]), [False] * 3 + [True] * 3)
    quiet = run(tiny(), chunk=6)  # the neighbours with 0.1 instead of 3e38
    for name in result.metrics:
        np.testing.assert_array_equal(result.metric(name)[:3], quiet.metric(name)[:3], err_msg=name)
    assert all(np.isfinite(leaf).all() for row in range(6) for leaf in jax.tree.leaves(result.policy(row).params))
    assert [(row["runs"], row["diverged"]) for row in result.summary()] == [(3, 0), (3, 3)]
    assert load(out).runs == result.runs

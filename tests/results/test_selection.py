"""Selecting runs: by a value, one of several values, or a predicate; what no run has is named with its neighbours."""

import numpy as np
import pytest

from jaxvf.errors import InputError
from jaxvf.mixers import QmixMixer
from jaxvf.results.selection import grouped, selected

RATES = (1e-4, 3e-4, 1e-3, 1e-2)
RUNS = [
    {"run": row, "env": "predator_prey", "algorithm": algorithm, "seed": row % 2, "learning_rate": rate,
     "status": "finished"}
    for row, (algorithm, rate) in enumerate((algorithm, rate) for algorithm in ("vdn", "qmix") for rate in RATES)
]  # fmt: skip


def refusal(runs=RUNS, **wanted) -> str:
    with pytest.raises(InputError) as caught:
        selected(runs, wanted)
    return str(caught.value)


@pytest.mark.parametrize(
    ("wanted", "rows"),
    [
        ({}, range(8)),
        ({"algorithm": "qmix"}, [4, 5, 6, 7]),
        ({"algorithm": ["vdn", "qmix"], "learning_rate": [1e-4, 1e-2]}, [0, 3, 4, 7]),
        ({"learning_rate": lambda rate: rate > 3e-4, "algorithm": "vdn"}, [2, 3]),
        ({"learning_rate": np.array([1e-3])}, [2, 6]),
        ({"seed": range(1)}, [0, 2, 4, 6]),
        ({"learning_rate": lambda rate: rate > 1}, []),
        ({"status": "diverged"}, []),
        ({"status": "diverged", "algorithm": "vdn"}, []),
    ],
)
def test_values_lists_and_predicates(wanted, rows):
    assert selected(RUNS, wanted) == list(rows)


def test_what_no_run_has_is_said_with_the_nearest_that_runs_have():
    assert refusal(algorithm="qmx") == "no run has algorithm='qmx'; the nearest that runs have: 'qmix'"
    assert refusal(algorithm=["vdn", "qmx"]).startswith("no run has algorithm='qmx'")
    assert refusal(learning_rate=2e-4).endswith("the nearest that runs have: 0.0001, 0.0003, 0.001")
    assert refusal(seed=7).endswith("the nearest that runs have: 0, 1")
    assert refusal(algoritm="vdn") == "unknown field of a run 'algoritm'; did you mean 'algorithm'?"
    assert refusal(algorithm=[]) == "algorithm=[] names no value"
    assert refusal(status="divergd") == "no run has status='divergd'; the nearest that runs have: 'finished'"
    assert "no run has seed=1, learning_rate=0.0001 together" in refusal(seed=1, learning_rate=1e-4)


def test_a_predicate_that_fails_is_said_with_the_value():
    runs = [*RUNS, {"run": 8, "env": "x", "algorithm": "vdn", "seed": 0, "status": "finished"}]
    assert refusal(runs, learning_rate=lambda rate: rate > 1).startswith("learning_rate: the predicate failed for None")


def test_a_list_that_is_a_value_is_that_value():
    """A payoff is a list of lists, and no choice between its rows."""
    payoffs = [[[1, 0], [0, 1]], [[2, 0], [0, 2]]]
    runs = [{"run": row, "seed": 0, "env.payoff": payoff} for row, payoff in enumerate(payoffs)]
    assert selected(runs, {"env.payoff": payoffs[1]}) == [1]
    assert selected(runs, {"env.payoff": np.asarray(payoffs[1])}) == [1]
    assert selected(runs, {"env.payoff": payoffs}) == [0, 1]


def test_an_object_that_can_be_called_is_a_value():
    """Flax's modules can be called, and are no predicates."""
    runs = [{"run": row, "seed": 0, "mixer": QmixMixer(embed=size)} for row, size in enumerate((8, 16))]
    assert selected(runs, {"mixer": QmixMixer(embed=16)}) == [1]


def test_runs_that_differ_in_seed_alone_are_one_condition():
    runs = [{**run, "seed": seed} for run in RUNS for seed in (0, 1)]
    groups = grouped(runs)
    assert [rows for _, rows in groups] == [[2 * row, 2 * row + 1] for row in range(8)]
    assert groups[5][0] == {"env": "predator_prey", "algorithm": "qmix", "learning_rate": 3e-4}

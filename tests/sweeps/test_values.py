"""Described values: spaced and drawn as they say, the same for one root seed, plain in what is stored."""

import json

import numpy as np
import pytest
from tiny_sweeps import TINY, tiny

from jaxvf import LogUniform, Sobol, Uniform
from jaxvf.errors import InputError
from jaxvf.serialize import from_json, to_json
from jaxvf.sweeps import lin, log
from jaxvf.sweeps.space import expand
from jaxvf.sweeps.values import listed


def drawn(axis, values, root_seed=0):
    return listed({axis: values}, root_seed)[axis]


def test_lin_and_log_include_both_ends():
    assert lin(-5, 0, 6) == [-5, -4, -3, -2, -1, 0]
    assert log(1e-4, 1e-2, 3) == [1e-4, 1e-3, 1e-2]
    assert lin(2, 3, 1) == [2]


def test_values_are_numbers_of_float32_in_their_shortest_form():
    for value in [*log(1e-4, 1e-2, 16), *drawn("discount", Uniform(0, 1, 16))]:
        assert str(np.float32(value)) == str(np.float32(str(value)))
        assert len(f"{value}") <= 13


@pytest.mark.parametrize(("kind", "share"), [(Uniform, 0.1), (LogUniform, 0.5)])
def test_draws_have_their_distribution(kind, share):
    """A tenth of what is uniform on [0.01, 1] lies below 0.1, and half of what is log-uniform."""
    values = np.asarray(drawn("learning_rate", kind(0.01, 1, 4000)))
    assert values.min() >= 0.01
    assert values.max() <= 1
    assert np.mean(values < 0.109) == pytest.approx(share, abs=0.03)


def test_sobol_puts_one_point_into_every_cell():
    """Of 64 points each of the 64 equal parts of either field holds one; independent draws leave a third empty."""
    points = np.asarray(drawn("env.penalty,learning_rate", Sobol([Uniform(-5, 0), LogUniform(1e-4, 1e-2)], 64)))
    cells = np.stack([(points[:, 0] + 5) / 5, np.log(points[:, 1] / 1e-4) / np.log(100)], axis=1)
    for column in cells.T:
        assert sorted(np.floor(column * 64).astype(int)) == list(range(64))
    assert len(np.unique(np.floor(cells * 8).astype(int), axis=0)) == 64


def test_sobol_of_one_field_and_of_a_number_that_is_no_power_of_two():
    values = drawn("learning_rate", Sobol(Uniform(0, 1), 5))
    assert len(values) == 5
    assert {type(value) for value in values} == {float}


def test_draws_depend_on_the_root_seed_and_on_the_axis_alone():
    first = drawn("learning_rate", Uniform(0, 1, 8))
    assert first == listed({"discount": Uniform(0, 1, 8), "learning_rate": Uniform(0, 1, 8)}, 0)["learning_rate"]
    assert first != drawn("learning_rate", Uniform(0, 1, 8), root_seed=1)
    assert first != drawn("discount", Uniform(0, 1, 8))


def test_drawn_values_reach_learner_and_environment():
    sobol = Sobol([LogUniform(1e-4, 1e-2), Uniform(-5, 0)], 4)
    runs = expand("predator_prey", "vdn", {"learning_rate,env.penalty": sobol}, 2, root_seed=3)
    expected = np.float32(drawn("learning_rate,env.penalty", sobol, root_seed=3))
    assert len(runs) == 8
    found = np.float32([(run.algorithm.learning_rate, run.env_params.penalty) for run in runs[::2]])
    np.testing.assert_array_equal(found, expected)


def test_what_is_stored_holds_the_values_and_not_how_they_were_drawn():
    sweep = tiny(grid={"learning_rate": LogUniform(1e-3, 1e-1, 4)}, root_seed=5)
    stored = json.loads(json.dumps(to_json(sweep.listed())))
    again = from_json(stored)
    assert again.grid["learning_rate"] == drawn("learning_rate", LogUniform(1e-3, 1e-1, 4), root_seed=5)
    rates = [[run.algorithm.learning_rate for run in one.plan().groups[0].runs] for one in (sweep, again)]
    np.testing.assert_array_equal(np.float32(rates[0]), np.float32(rates[1]))


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: Uniform(1, 0, 4), "low=1 is not below high=0"),
        (lambda: lin(1, 1, 4), "low=1 is not below high=1"),
        (lambda: Uniform(0, float("inf"), 4), "high=inf is not finite in float32"),
        (lambda: Uniform(float("nan"), 1, 4), "low=nan is not finite in float32"),
        (lambda: Uniform(0, 10**400, 4), "is not finite in float32"),
        (lambda: lin(0, 1e39, 4), "high=1e+39 is not finite in float32"),
        (lambda: Uniform("0", 1, 4), "low='0' is not a number"),
        (lambda: LogUniform(0, 1, 4), "low=0 is not above 0, and has no logarithm"),
        (lambda: log(-1, 1, 4), "low=-1 is not above 0, and has no logarithm"),
        (lambda: log(1e-60, 1, 4), "low=1e-60 is not above 0, and has no logarithm"),
        (lambda: Uniform(0, 1, 0), "n=0 is not a whole number from 1 to 1,000,000"),
        (lambda: lin(0, 1, 2.5), "n=2.5 is not a whole number from 1 to 1,000,000"),
        (lambda: log(1, 2, 10**9), "n=1000000000 is not a whole number from 1 to 1,000,000"),
        (lambda: Sobol([Uniform(0, 1)], True), "n=True is not a whole number from 1 to 1,000,000"),
        (lambda: Sobol([], 4), "sobol: there is no range"),
        (lambda: Sobol([Uniform(0, 1, 3)], 4), "sobol: Uniform(low=0, high=1, n=3) is not a uniform or log_uniform "
                                              "range without a number of values"),
        (lambda: Sobol([[0, 1]], 4), "sobol: [0, 1] is not a uniform or log_uniform range without a number of values"),
    ],
)  # fmt: skip
def test_a_wrong_description(make, line):
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value).endswith(line)


@pytest.mark.parametrize(
    ("grid", "line"),
    [
        ({"learning_rate": Uniform(0, 1)}, "sweep over learning_rate: Uniform(low=0, high=1, n=None) does not say how "
                                           "many values (n)"),
        ({"discount,td_lambda": Uniform(0, 1, 3)}, "sweep over discount,td_lambda: draw several fields together by a "
                                                   "Sobol sequence"),
        ({"discount,td_lambda": Sobol(Uniform(0, 1), 4)}, "sweep over discount,td_lambda: sobol has 1 range(s) for 2 "
                                                          "field(s)"),
        ({"batch_size": Uniform(1, 64, 4)}, "sweep over batch_size: a static field compiles a program a value; list "
                                            "the values"),
        ({"env.grid_size": Uniform(5, 9, 4)}, "sweep over env.grid_size: a static field compiles a program a value; "
                                              "list the values"),
        ({"discount,batch_size": Sobol([Uniform(0, 1), Uniform(1, 9)], 4)}, "sweep over batch_size: a static field "
                                                                            "compiles a program a value; list the "
                                                                            "values"),
        ({"seed": Uniform(0, 9, 4)}, "sweep over seed: seeds are not drawn; say how many there are, or list them"),
        ({"learning_rat": Uniform(0, 1, 4)}, "unknown field of QLearning 'learning_rat'; did you mean "
                                             "'learning_rate'?"),
        ({"env.penalti": Uniform(0, 1, 4)}, "unknown field of predator_prey 'penalti'; did you mean 'penalty'?"),
        ({"env.penalty": lin(-2, 2, 3)}, "penalty=2.0 is above its largest valid value 0"),
        ({"learning_rate": iter([1])}, "sweep over learning_rate: list_iterator is an iterator; make it a list"),
    ],
)  # fmt: skip
def test_a_description_that_does_not_suit_its_field(grid, line):
    with pytest.raises(InputError) as caught:
        expand("predator_prey", "vdn", grid, 1)
    assert str(caught.value) == line


COUNTED = "are the same value"
FLOAT32 = "are the same value to the program, which computes in float32"


@pytest.mark.parametrize(
    ("grid", "line"),
    [
        ({"learning_rate": [1e-3, 0.001]}, f"sweep over learning_rate: 0.001 and 0.001 {COUNTED}"),
        ({"learning_rate": [0.5, 0.1, 0.1 + 1e-10]}, f"sweep over learning_rate: 0.1 and 0.1000000001 {FLOAT32}"),
        ({"learning_rate": lin(1, 1.0000001, 4)}, f"sweep over learning_rate: 1.0 and 1.0 {COUNTED}"),
        ({"epsilon_anneal": [2**24, 2**24 + 1]}, f"sweep over epsilon_anneal: 16777216 and 16777217 {FLOAT32}"),
        ({"batch_size": [4, 8, 4.0]}, f"sweep over batch_size: 4 and 4.0 {COUNTED}"),
        ({"mixer": ["vdn", "qmix", "vdn"]}, f"sweep over mixer: 'vdn' and 'vdn' {COUNTED}"),
        ({"seed": [1, 1]}, f"sweep over seed: 1 and 1 {COUNTED}"),
        ({"env.penalty": [-1, -2, -1 - 1e-9]}, f"sweep over env.penalty: -1 and -1.000000001 {FLOAT32}"),
        ({"env.penalty": [0.0, -0.0]}, f"sweep over env.penalty: 0.0 and -0.0 {COUNTED}"),
        ({"discount": [1, 0], "env.limit,discount_": []}, "sweep over env.limit,discount_ has no values"),
        ({"discount": [1, 0], "env.limit,seed": [(9, 1), (9, 2), (9.0, 1)]}, f"sweep over env.limit,seed: (9, 1) and "
                                                                           f"(9.0, 1) {COUNTED}"),
    ],
)  # fmt: skip
def test_a_repeated_value_is_refused(grid, line):
    """Its runs would be equal, and count as independent ones."""
    with pytest.raises(InputError) as caught:
        expand("predator_prey", "vdn", grid, 1)
    assert str(caught.value).startswith(line)


def test_neighbours_in_float32_are_distinct():
    rates = [0.1, float(np.nextafter(np.float32(0.1), np.float32(1)))]
    assert len(expand("matrix_game/A", TINY, {"learning_rate": rates, "env.payoff,seed": [
        (np.eye(3), 1), (np.eye(3), 2), (2 * np.eye(3), 1)
    ]}, 1)) == 6  # fmt: skip


@pytest.mark.parametrize(
    ("env", "algorithm"), [(["matrix_game/A"] * 2, "vdn"), ("matrix_game/A", ["vdn", "iql", "vdn"])]
)
def test_a_name_twice_is_refused(env, algorithm):
    with pytest.raises(InputError, match=r"names '.*' twice; their runs would be equal"):
        expand(env, algorithm, {}, 1)

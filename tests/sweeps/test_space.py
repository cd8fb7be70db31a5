"""From a description to runs: their order, their seeds, their settings, and every way to describe them wrongly."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs import MatrixGame, PredatorPrey
from jaxvf.errors import InputError
from jaxvf.mixers import QmixMixer, VdnMixer
from jaxvf.sweeps.space import expand, seed_sequence
from jaxvf.value import QLearning

NAN, INF = float("nan"), float("inf")


def one(grid, env="matrix_game/A", algorithm="vdn"):
    """The single run of a grid with one value on every axis."""
    (run,) = expand(env, algorithm, grid, 1)
    return run


def test_runs_are_ordered_by_environment_algorithm_grid_point_and_seed():
    grid = {"learning_rate": [0.1, 0.2], "discount": [0.5]}
    runs = expand(["matrix_game/A", "matrix_game/B"], ("vdn", "iql"), grid, [7, 3])
    assert [run.index for run in runs] == list(range(16))
    rows = [(*run.labels.values(), run.settings["learning_rate"], run.seed) for run in runs]
    assert rows[:5] == [
        ("matrix_game/A", "vdn", 0.1, 7),
        ("matrix_game/A", "vdn", 0.1, 3),
        ("matrix_game/A", "vdn", 0.2, 7),
        ("matrix_game/A", "vdn", 0.2, 3),
        ("matrix_game/A", "iql", 0.1, 7),
    ]
    assert rows[8] == ("matrix_game/B", "vdn", 0.1, 7)
    assert all(run.algorithm.learning_rate == run.settings["learning_rate"] for run in runs)


def test_an_axis_can_give_every_setting_seeds_of_its_own():
    """And then it says all seeds there are: a second list beside it is refused."""
    grid = {"learning_rate,seed": [(0.1, 5), (0.1, 6), (0.2, 7)]}
    runs = expand("matrix_game/A", ["vdn", "iql"], grid, 1)
    assert [(run.algorithm.learning_rate, run.seed) for run in runs[:3]] == [(0.1, 5), (0.1, 6), (0.2, 7)]
    assert [run.record("finished")["seed"] for run in runs] == [5, 6, 7, 5, 6, 7]
    with pytest.raises(InputError, match="an axis with seed says all seeds there are"):
        expand("matrix_game/A", "vdn", grid, 2)
    with pytest.raises(InputError, match="must lie between 0"):
        one({"seed": [-1]})


def test_fields_that_are_valid_only_together_are_given_in_any_order():
    for grid in (
        {"env.conic_fov": True, "env.partial_sight": True},
        {"env.partial_sight": True, "env.conic_fov": True},
    ):
        env = one(grid, env="combat/3m").env
        assert env.conic_fov and env.partial_sight
    with pytest.raises(InputError, match="conic_fov=True contradicts partial_sight=False"):
        one({"env.conic_fov": True}, env="combat/3m")


def test_the_scripted_side_is_a_setting_as_others_are():
    assert [run.env.opponent for run in expand("combat/3m", "vdn", {"env.opponent": ["hold", "mixed"]}, 1)] == [
        "hold",
        "mixed",
    ]
    with pytest.raises(InputError, match="unknown opponent 'kites'; did you mean 'kite'"):
        one({"env.opponent": ["kites"]}, env="combat/3m")


def test_the_record_of_a_run_names_everything_that_was_set():
    assert one({"learning_rate": [0.1]}).record("finished") == {
        "run": 0,
        "env": "matrix_game/A",
        "algorithm": "vdn",
        "seed": 0,
        "learning_rate": 0.1,
        "status": "finished",
    }


@pytest.mark.parametrize(
    ("seeds", "listed"),
    [
        (3, [0, 1, 2]),
        (np.int64(2), [0, 1]),
        ([5, 0], [5, 0]),
        (range(2, 4), [2, 3]),
        (np.array([2**31 - 1]), [2**31 - 1]),
    ],
)
def test_seeds_are_a_count_or_a_list(seeds, listed):
    found = seed_sequence(seeds)
    assert found == listed
    assert {type(seed) for seed in found} == {int}


@pytest.mark.parametrize(
    ("seeds", "line"),
    [
        (0, "seeds=0 must be at least 1"),
        (-3, "seeds=-3 must be at least 1"),
        (10**30, "seeds=1" + 30 * "0" + " must be at most 10,000,000"),
        ([], r"seeds=\[\] names no seed"),
        ([3, 1, 1], "seeds: 1 and 1 are the same seed; their runs would be counted twice"),
        ([-1, 3], r"seeds=\[-1, 3\] must lie between 0 and 2147483647"),
        ([2**31], "must lie between"),
        ([1.5], "neither a whole number nor a list of them"),
        (2.0, "neither a whole number nor a list of them"),
        ("12", "neither a whole number nor a list of them"),
    ],
)
def test_wrong_seeds(seeds, line):
    with pytest.raises(InputError, match=line):
        seed_sequence(seeds)


def test_an_axis_of_several_fields_varies_them_together():
    grid = {"epsilon_start,epsilon_end": [(1.0, 0.1), [0.5, 0.5]], "discount": [0, 1]}
    runs = expand("matrix_game/A", "vdn", grid, 1)
    values = [(r.algorithm.epsilon_start, r.algorithm.epsilon_end, r.algorithm.discount) for r in runs]
    assert values == [(1.0, 0.1, 0), (1.0, 0.1, 1), (0.5, 0.5, 0), (0.5, 0.5, 1)]
    assert runs[2].settings == {"epsilon_start": 0.5, "epsilon_end": 0.5, "discount": 0}


def test_traced_and_static_fields_of_the_environment():
    runs = expand("predator_prey", "vdn", {"env.penalty": [-1, -2.5], "env.grid_size": [6, 7.0]}, 1)
    assert [float(run.env_params.penalty) for run in runs] == [-1, -1, -2.5, -2.5]
    assert [run.env for run in runs] == [PredatorPrey(grid_size=6), PredatorPrey(grid_size=7)] * 2
    assert {run.env_params.penalty.dtype.name for run in runs} == {"float32"}
    shorter = one({"env.limit_max": [20], "env.limit": [15]}, "predator_prey")
    assert (shorter.env.limit_max, int(shorter.env_params.limit), shorter.env_params.limit.dtype) == (20, 15, np.int32)


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray, lambda games: [game.tolist() for game in games], list])
def test_payoffs_as_values(kind):
    games = np.stack([np.eye(3), 2 * np.ones((3, 3))]).astype(np.float32)
    runs = expand(MatrixGame(np.zeros((3, 3))), "vdn", {"env.payoff": kind(games)}, 2)
    assert len(runs) == 4
    for run, game in zip(runs, np.repeat(games, 2, axis=0), strict=True):
        np.testing.assert_array_equal(run.env_params.payoff, game)
        assert run.env_params.payoff.dtype == np.float32


@pytest.mark.parametrize("values", [np.array([0.1, 0.2]), jnp.array([0.5, 0.25]), (1, 2), range(2)])
def test_an_axis_may_be_any_sequence(values):
    runs = expand("matrix_game/A", "vdn", {"learning_rate": values}, 1)
    assert [run.algorithm.learning_rate for run in runs] == [float(value) for value in values]
    assert {type(run.settings["learning_rate"]) for run in runs} <= {int, float}


@pytest.mark.parametrize("value", ["qmix", 0.1, np.float32(0.5), np.array(0.5)])
def test_a_single_value_is_an_axis_of_one(value):
    field = "mixer" if isinstance(value, str) else "learning_rate"
    assert one({field: value}).settings[field] == value


def test_things_of_one_name_get_a_number_each():
    """Without it the runs of two games, or of two settings of one learner, could not be told apart in results."""
    games = [MatrixGame(np.eye(2)), "matrix_game/A", MatrixGame(np.ones((2, 2)))]
    learners = [QLearning(mixer=VdnMixer()), QLearning(mixer=QmixMixer()), QLearning(mixer=VdnMixer(), batch_size=64)]
    of_games, of_learners = expand(games, "vdn", {}, 1), expand(games[0], learners, {}, 1)
    assert [run.labels["env"] for run in of_games] == ["matrix_game#0", "matrix_game/A", "matrix_game#2"]
    assert [run.labels["algorithm"] for run in of_learners] == ["vdn#0", "qmix", "vdn#2"]


@pytest.mark.parametrize(
    ("grid", "line"),
    [
        ({"learning_rat": [1]}, "unknown field of QLearning 'learning_rat'; did you mean 'learning_rate'?"),
        ({"mixer.embd": [1]}, "unknown field of VdnMixer 'embd'; valid: none"),
        ({"env.penalti": [1]}, "unknown field of predator_prey 'penalti'; did you mean 'penalty'?"),
        ({"env.gridsize": [1]}, "unknown field of predator_prey 'gridsize'; did you mean 'grid_size'?"),
        ({"env": [1]}, "unknown field of predator_prey ''; valid: capture_reward, catchers, grid_size, limit, "
                       "limit_max, n_predators, n_prey, penalty, sight, step_reward"),
        ({"mixer": ["qmx"]}, "unknown mixer 'qmx'; did you mean 'qmix'?"),
        ({"learning_rate": []}, "sweep over learning_rate has no values"),
        ({"learning_rate": np.ones(0)}, "sweep over learning_rate has no values"),
        ({"learning_rate": np.float32([-1])}, "learning_rate=-1.0 is below its smallest valid value 0"),
        ({"learning_rate": jnp.array([-1.0])}, "learning_rate=-1.0 is below its smallest valid value 0"),
        ({"learning_rate": np.ones((2, 2))}, "learning_rate=[1.0, 1.0] is not a number"),
        ({"learning_rate": [NAN]}, "learning_rate=nan is not finite"),
        ({"learning_rate": [None]}, "learning_rate=None is not a number"),
        ({"discount": [0.5, 1.5]}, "discount=1.5 is above its largest valid value 1"),
        ({"batch_size": [2.5]}, "batch_size=2.5 is not a whole number"),
        ({"env.penalty": [1.0]}, "penalty=1.0 is above its largest valid value 0"),
        ({"env.penalty": [NAN]}, "env.penalty=nan is not finite"),
        ({"env.penalty": [-INF]}, "env.penalty=-inf is not finite"),
        ({"env.penalty": ["low"]}, "env.penalty='low' is not a number, nor a rectangular table of them"),
        ({"env.penalty": [[-1, -2]]}, "env.penalty has shape (2,); predator_prey takes ()"),
        ({"env.limit": [2.5]}, "env.limit=2.5 is not a whole number"),
        ({"env.limit": [0]}, "limit=0 is below its smallest valid value 1"),
        ({"env.limit": [300]}, "env.limit=300 exceeds limit_max=200; set env.limit_max"),
        ({"env.grid_size": ["big"]}, "grid_size='big' is not a number"),
        ({"env.grid_size": [7.5]}, "grid_size=7.5 is not a whole number"),
        ({"env.grid_size": [0]}, "grid_size=0 is below its smallest valid value 1"),
        ({"discount,td_lambda": [0.5]}, "sweep over discount,td_lambda: 0.5 does not give each of its 2 fields "
                                        "a value"),
        ({"discount,td_lambda": [(1, 1, 1)]}, "sweep over discount,td_lambda: (1, 1, 1) does not give each of its "
                                              "2 fields a value"),
        ({"discount": [1], "td_lambda,discount": [(1, 1)]}, "sweep over discount twice; a field can be on one axis "
                                                            "only"),
    ],
)  # fmt: skip
def test_a_wrong_axis_is_one_clear_line(grid, line):
    with pytest.raises(InputError) as caught:
        expand("predator_prey", "vdn", grid, 2)
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("payoff", "line"),
    [
        (np.ones((2, 3)), r"env\.payoff has shape \(2, 3\); matrix_game takes \(3, 3\)"),
        (np.ones((3, 3, 3)), r"env\.payoff has shape \(3, 3, 3\); matrix_game takes \(3, 3\)"),
        ([[1, 2], [1]], "is not a number, nor a rectangular table"),
        ([[1, 2, 3], [4, NAN, 6], [7, 8, 9]], "is not finite"),
        ([[1, 2, 3], [4, INF, 6], [7, 8, 9]], "is not finite"),
    ],
)
def test_a_wrong_payoff(payoff, line):
    with pytest.raises(InputError, match=line) as caught:
        expand("matrix_game/A", "vdn", {"env.payoff": [payoff]}, 1)
    assert "\n" not in str(caught.value)


def test_a_size_that_follows_from_the_payoff_is_no_field():
    with pytest.raises(InputError, match="unknown field of matrix_game 'n_agents'; valid: payoff"):
        one({"env.n_agents": [3]})


@pytest.mark.parametrize(
    ("env", "algorithm", "line"),
    [
        ("predatorprey", "vdn", "unknown environment 'predatorprey'; did you mean 'predator_prey'?"),
        ("matrix_game/A", "qmx", "unknown algorithm 'qmx'; did you mean 'qmix'?"),
        (["matrix_game/A", "matrix_game/Z"], "vdn", "unknown environment 'matrix_game/Z'; did you mean 'matrix_game/"),
        (3, "vdn", "env=3 is neither a registered name nor an Environment"),
        ("matrix_game/A", 3, "algorithm=3 is neither a registered name nor a learner"),
        ([], "vdn", "env names nothing to run"),
        ("matrix_game/A", (), "algorithm names nothing to run"),
    ],
)
def test_unknown_names_come_with_the_nearest_one(unchecked, env, algorithm, line):
    with pytest.raises(InputError) as caught:
        expand(env, algorithm, {}, 1)
    assert str(caught.value).startswith(line)

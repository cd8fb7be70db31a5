"""Random payoff games: what every family promises, and that a game is the same wherever it is made again."""

import numpy as np
import pytest

from jaxvf.envs import MatrixGame
from jaxvf.envs.payoff_families import BEST, FAMILIES, SPREAD, RandomGame, random_games
from jaxvf.errors import InputError
from jaxvf.serialize import from_json, to_json
from jaxvf.sweeps.space import expand
from jaxvf.theory import deviation_penalty, non_monotonicity


def payoffs(family, shape=(3, 4), strength=1.0, count=50):
    return np.stack([RandomGame(family, *shape, strength, seed).payoff() for seed in range(count)])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shape", [(2, 2), (2, 3), (4, 3)])
def test_every_game_has_one_optimum_and_the_common_scale(family, shape):
    for strength in (0.0, 1.0):
        flat = payoffs(family, shape, strength).reshape(50, -1)
        np.testing.assert_allclose(flat.max(axis=1), BEST)
        np.testing.assert_allclose(flat.std(axis=1), SPREAD)
        # The lead of a quarter of a standard deviation shrinks a little when what it adds is scaled away.
        assert (BEST - np.sort(flat, axis=1)[:, -2] > 0.2 * SPREAD).all()


def test_monotonic_games_are_monotonic_and_others_increasingly_not():
    for strength in (0.0, 0.5, 1.0):
        np.testing.assert_allclose(non_monotonicity(payoffs("monotonic", strength=strength)), 0, atol=1e-12)
    np.testing.assert_allclose(non_monotonicity(payoffs("interaction", strength=0.0)), 0, atol=1e-12)
    means = [non_monotonicity(payoffs("interaction", strength=strength)).mean() for strength in (0.1, 0.4, 1.0)]
    assert means[0] < means[1] < means[2]
    assert non_monotonicity(payoffs("normal")).mean() > means[2]


def test_climbing_games_punish_whoever_leaves_the_optimum():
    """And additive games do not."""
    assert (deviation_penalty(payoffs("climbing")) > 0.5).all()
    assert (deviation_penalty(payoffs("interaction", strength=0.0)) < 0).all()


def test_a_game_is_what_it_says_it_is_and_differs_from_others():
    game = RandomGame("normal", 2, 3, 0.5, 7)
    np.testing.assert_array_equal(np.asarray(game), np.asarray(from_json(to_json(game))))
    tables = [other.payoff().tobytes() for other in random_games(2, 3, 40)]
    assert len(set(tables)) == 40


def test_random_games_take_families_in_turn_and_spread_strengths():
    games = random_games(2, 3, 12, families=("normal", "climbing"), first_seed=5)
    assert [game.family for game in games[:3]] == ["normal", "climbing", "normal"]
    assert [game.strength for game in games if game.family == "climbing"] == np.linspace(0, 1, 6).tolist()
    assert min(game.seed for game in games) == 5


def test_a_sweep_takes_games_as_payoffs_with_seeds_of_their_own():
    games = random_games(2, 3, 3)
    runs = expand(MatrixGame(games[0]), "vdn", {"env.payoff,seed": [(games[0], 4), (games[1], 9)]}, 1)
    assert [run.seed for run in runs] == [4, 9]
    for run, game in zip(runs, games, strict=False):
        np.testing.assert_array_equal(run.env_params.payoff, game.payoff().astype(np.float32))
        assert run.record("finished")["env.payoff"] == game


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("norml", 2, 3, 0.5, 0), "normal"),
        (("normal", 1, 3, 0.5, 0), "leaves nothing to factor"),
        (("normal", 2, 3, 1.5, 0), "strength=1.5"),
    ],
)
def test_bad_games_are_refused_in_one_line(arguments, message):
    with pytest.raises(InputError, match=message):
        RandomGame(*arguments)

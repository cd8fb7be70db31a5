"""The two-step game: agent 1 chooses the second step's game, and both play it."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs import TwoStepGame
from jaxvf.envs.two_step_game import END, FLAT, RISKY, START, TwoStepGameParams

ENV = TwoStepGame()
KEY = jax.random.key(0)
PATHS = np.array(list(itertools.product((0, 1), repeat=4))).reshape(-1, 2, 2)  # [16, step, agent]


@jax.jit
@jax.vmap
def play(actions, params):
    start = ENV.init(KEY, params)
    middle, first = ENV.transition(KEY, start, actions[0], params)
    end, second = ENV.transition(KEY, middle, actions[1], params)
    return [ENV.observe(state, params) for state in (start, middle, end)], (first, second)


@pytest.fixture(scope="module")
def played():
    """All 16 ways to play; every one has its own copy of the payoffs, the last eight a better flat game."""
    params = jax.tree.map(lambda leaf: jnp.repeat(leaf[None], len(PATHS), axis=0), ENV.default_params())
    flat = params.payoff_flat.at[8:].add(2.0)
    return play(PATHS, TwoStepGameParams(payoff_flat=flat, payoff_risky=params.payoff_risky))


def test_the_second_step_pays_by_the_table_that_agent_1_chose(played):
    first, second = played[1]
    expected = [
        [[0, 1], [1, 8]][b1][b2] if a1 == 1 else (7 if path < 8 else 9)
        for path, ((a1, _), (b1, b2)) in enumerate(PATHS.tolist())
    ]
    np.testing.assert_array_equal(first.reward, np.zeros(16))
    np.testing.assert_array_equal(second.reward, expected)


def test_it_terminates_after_the_second_step(played):
    first, second = played[1]
    assert not first.terminated.any() and second.terminated.all()
    assert not first.truncated.any() and not second.truncated.any()


def test_optimal_marks_the_best_payoff_of_both_games(played):
    first, second = played[1]
    best = np.where(np.arange(16) < 8, 8, 9)
    assert not first.metrics["optimal"].any()
    np.testing.assert_array_equal(second.metrics["optimal"], second.reward == best)


def test_the_view_is_the_situation_one_hot(played):
    chosen = np.where(PATHS[:, 0, 0] == 0, FLAT, RISKY)  # whatever agent 2 does
    for view, situation in zip(played[0], (np.full(16, START), chosen, np.full(16, END)), strict=True):
        np.testing.assert_array_equal(view.state, np.eye(4)[situation])
        np.testing.assert_array_equal(view.obs, np.stack([np.eye(4)[situation]] * 2, axis=1))

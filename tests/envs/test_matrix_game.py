"""One-step matrix games: the payoff is looked up, and it is a parameter."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs import PAYOFFS, MatrixGame, make
from jaxvf.envs.matrix_game import MatrixGameParams
from jaxvf.errors import InputError

KEY = jax.random.key(0)
THREE_AGENTS = np.arange(8.0).reshape(2, 2, 2) - 3.0


def outcomes(env, payoff):
    """Outcome of every joint action, in the order of `payoff.ravel()`."""
    params = MatrixGameParams(payoff=jnp.asarray(payoff, jnp.float32))
    joint = jnp.array(list(itertools.product(range(env.n_actions), repeat=env.n_agents)))
    step = jax.jit(jax.vmap(lambda actions: env.transition(KEY, env.init(KEY, params), actions, params)[1]))
    return step(joint)


@pytest.mark.parametrize("payoff", [np.array(PAYOFFS["A"]), THREE_AGENTS], ids=["2 agents", "3 agents"])
def test_the_team_receives_the_payoff_of_the_joint_action(payoff):
    env = MatrixGame(payoff)
    outcome = outcomes(env, payoff)
    np.testing.assert_array_equal(outcome.reward, payoff.astype(np.float32).ravel())
    np.testing.assert_array_equal(outcome.metrics["optimal"], payoff.ravel() == payoff.max())
    assert outcome.terminated.all() and not outcome.truncated.any()


def test_sizes_follow_from_the_payoff():
    spec = MatrixGame(THREE_AGENTS).spec
    assert (spec.n_agents, spec.n_actions, spec.limit_max) == (3, 2, 1)


def test_registered_games_have_the_optima_of_the_field():
    optima = {"A": 8, "B": 12, "C": 12, "D": 12, "E": 8, "F": 8, "G": 10.4}
    assert {name: float(np.max(payoff)) for name, payoff in PAYOFFS.items()} == optima
    np.testing.assert_allclose(make("matrix_game/A").default_params().payoff[2, 2], 7.9)


def test_the_view_tells_before_from_after():
    env = MatrixGame(PAYOFFS["E"])
    params = env.default_params()
    state = env.init(KEY, params)
    after, _ = env.transition(KEY, state, jnp.array([0, 0]), params)
    for reached, phase in ((state, [1, 0]), (after, [0, 1])):
        view = env.observe(reached, params)
        np.testing.assert_array_equal(view.obs, [phase, phase])
        np.testing.assert_array_equal(view.state, phase)
        assert view.avail.all() and view.alive.all()


def test_thousands_of_games_are_one_program():
    env, games = MatrixGame(PAYOFFS["E"]), 4096
    payoffs = jax.random.normal(KEY, (games, 3, 3))
    actions = jax.random.randint(jax.random.key(1), (games, 2), 0, 3)

    @jax.jit
    @jax.vmap
    def rewards(payoff, joint):
        params = MatrixGameParams(payoff=payoff)
        return env.transition(KEY, env.init(KEY, params), joint, params)[1].reward

    expected = np.asarray(payoffs)[np.arange(games), actions[:, 0], actions[:, 1]]
    np.testing.assert_array_equal(rewards(payoffs, actions), expected)


def test_games_are_equal_when_their_shapes_are():
    games = [MatrixGame(payoff) for payoff in PAYOFFS.values()]
    assert len(set(games)) == 1
    assert MatrixGame(THREE_AGENTS) != games[0]
    assert MatrixGame(np.zeros((2, 2))) != games[0]
    assert games[0] != "matrix_game"


@pytest.mark.parametrize(
    ("payoff", "message"),
    [
        ([[1, 2, 3], [4, 5, 6]], r"shape \(2, 3\); it must be A x ... x A"),
        (5.0, r"shape \(\)"),
        ([[]], r"shape \(1, 0\)"),
        ([[1, 2], [3]], "not a rectangular table"),
        ([["a", "b"], ["c", "d"]], "not a rectangular table of numbers"),
        ([[1, float("nan")], [0, 0]], "not finite"),
    ],
)
def test_a_payoff_that_is_no_game_is_refused(payoff, message):
    with pytest.raises(InputError, match=message):
        MatrixGame(payoff)

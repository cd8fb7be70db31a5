"""One-step team games: what they say of a policy is what playing it gives."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs import GaussianTeam, MatrixGame, SoftmaxChain, make, team_games
from jaxvf.envs.one_step_game import nash_gap
from jaxvf.errors import InputError

KEY = jax.random.key(0)


def policies(agents, actions, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(actions), size=agents).astype(np.float32)


@pytest.mark.parametrize("env", [SoftmaxChain(3, 2), MatrixGame(np.arange(8.0).reshape(2, 2, 2) ** 1.5)])
def test_expected_reward_and_nash_gap_by_enumeration(env):
    """All joint actions, each played once without noise; then every agent tries every action alone."""
    params = env.default_params()
    params = type(params)(**{**vars(params), **({"noise": jnp.float32(0)} if hasattr(params, "noise") else {})})
    probs, state = policies(3, 2), env.init(KEY, params)
    play = jax.jit(jax.vmap(lambda actions: env.transition(KEY, state, actions, params)[1].reward))
    joint = np.array(list(itertools.product(range(2), repeat=3)))
    rewards = np.asarray(play(jnp.asarray(joint)))

    def expected(p):
        return (np.prod([p[i, joint[:, i]] for i in range(3)], axis=0) * rewards).sum()

    np.testing.assert_allclose(env.expected_reward(jnp.asarray(probs), state, params), expected(probs), rtol=1e-5)
    alone = [expected(np.where(np.arange(3)[:, None] == i, np.eye(2)[a], probs)) for i in range(3) for a in range(2)]
    gap = nash_gap(env, jnp.asarray(probs), state, params)
    np.testing.assert_allclose(gap, max(alone) - expected(probs), rtol=1e-4)


def test_agreement_is_an_equilibrium_of_the_chain():
    """All on action 0 is the optimum 1; all on action 1 earns 0.8 and nobody gains by leaving alone."""
    env = SoftmaxChain(4, 3)
    params, state = env.default_params(), env.init(KEY, env.default_params())
    for action, worth in ((0, 1.0), (1, 0.8), (2, 0.6)):
        probs = jnp.broadcast_to(jax.nn.one_hot(action, 3), (4, 3))
        known = env.policy_metrics(probs, state, params)
        np.testing.assert_allclose(known["expected_return"], worth, rtol=1e-6)
        np.testing.assert_allclose(known["nash_gap"], 0.0, atol=1e-6)


def test_the_chains_noise_has_its_standard_deviation():
    env = SoftmaxChain(3, 2)
    params = type(env.default_params())(decline=jnp.float32(0.2), noise=jnp.float32(0.5))
    state = env.init(KEY, params)
    keys = jax.random.split(KEY, 4000)
    rewards = jax.vmap(lambda key: env.transition(key, state, jnp.array([0, 0, 1]), params)[1].reward)(keys)
    np.testing.assert_allclose([rewards.mean(), rewards.std()], [0.5, 0.5], atol=0.03)


def test_expected_reward_of_the_gaussian_team_is_its_mean():
    """20,000 draws of the actions agree with -(bias² + Σ σ² / n) to their standard error."""
    env = GaussianTeam(3)
    params = env.default_params()
    state = env.init(KEY, params)
    mean, std = jnp.array([[0.3], [-0.2], [0.9]]), jnp.array([[0.2], [0.4], [0.1]])
    actions = mean + std * jax.random.normal(jax.random.key(1), (20_000, 3, 1))
    rewards = jax.vmap(lambda a: env.transition(KEY, state, a, params)[1].reward)(actions)
    exact = env.expected_reward((mean, std), state, params)
    np.testing.assert_allclose(rewards.mean(), exact, atol=4 * float(rewards.std()) / 20_000**0.5)


def test_registered_random_game_is_a_matrix_game():
    assert make("random_team_game").spec.n_actions == 3


@pytest.mark.parametrize(
    ("build", "message"),
    [(lambda: SoftmaxChain(1), "n_agents=1 must be at least 2"), (lambda: GaussianTeam(0), "n_agents=0 must be at")],
)
def test_bad_sizes_say_so(build, message):
    with pytest.raises(InputError, match=message):
        build()


def test_targets_of_the_gaussian_team_by_draw():
    """Draw 0 is sin x + cos(y) / 2; the others differ from it and from each other, and pay by the same rule."""
    context = jnp.array([0.5, -1.0, 2.0, 0.1])
    expected = np.sin(0.5) + 0.5 * np.cos(-1.0)
    found = [float(team_games.target(context, draw)) for draw in range(4)]
    assert found[0] == pytest.approx(expected, abs=1e-6) and len({round(value, 4) for value in found}) == 4
    assert all(abs(value) <= 2.25 for value in found)
    state = team_games.GaussianTeamState(context)
    for draw in (0, 2):
        env = GaussianTeam(4, draw)
        _, outcome = env.transition(jax.random.key(0), state, jnp.ones((4, 1)), env.default_params())
        assert float(outcome.reward) == pytest.approx(-((2.0 - found[draw]) ** 2), abs=1e-5)
    with pytest.raises(InputError, match="draw=-1 must be at least 0"):
        GaussianTeam(4, -1)

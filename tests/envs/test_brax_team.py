"""Brax bodies shared out among agents: the split of actions and what is seen, by hand; brax itself where it imports."""

import importlib.util
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs import brax_team, check_env, make
from jaxvf.errors import InputError

HAS_BRAX = importlib.util.find_spec("brax") is not None


class Seen(NamedTuple):
    """What the adapter reads of a brax state."""

    obs: Any
    reward: Any
    done: Any


class Echo:
    """A body that observes its last action before it: reward is the first entry; it falls above 5."""

    def reset(self, key: Any) -> Seen:
        return Seen(jnp.arange(3.0), 0.0, 0.0)

    def step(self, state: Seen, action: Any) -> Seen:
        return Seen(action[:3], action[0], jnp.where(action[0] > 5, 1.0, 0.0))


@pytest.fixture
def echo(monkeypatch):
    monkeypatch.setattr(brax_team, "_body", lambda name, backend: (Echo(), 3))


def test_agents_act_in_neighbouring_slices_and_see_the_standardized_whole(echo):
    env = brax_team.BraxTeam("ant_4x2")
    spec, params = env.spec, env.default_params()
    assert (spec.n_agents, spec.n_actions, spec.obs_dim, spec.state_dim, spec.continuous) == (4, 2, 7, 3, True)
    start = env.init(jax.random.key(0), params)
    # (0, 1, 2): mean 1, variance 2/3.
    np.testing.assert_allclose(env.observe(start, params).state, [-(1.5**0.5), 0, 1.5**0.5], rtol=1e-5)
    actions = jnp.array([[1.0, 4.0], [6.0, 7.0], [0.0, 0.0], [0.0, 0.0]])
    after, outcome = env.transition(jax.random.key(0), start, actions, params)
    assert after.inner.obs.tolist() == [1, 4, 6]  # agent by agent
    assert outcome.reward == 1 and not outcome.done
    # The second agent's vector (1, 4, 6, 0, 1, 0, 0): mean 12/7, sum of squares 54.
    seen = np.array([1, 4, 6, 0, 1, 0, 0])
    std = (54 / 7 - (12 / 7) ** 2) ** 0.5
    np.testing.assert_allclose(env.observe(after, params).obs[1], (seen - 12 / 7) / std, rtol=1e-5)


def test_falling_terminates_and_the_limit_truncates(echo):
    env = brax_team.BraxTeam("halfcheetah_6x1")
    params = brax_team.BraxTeamParams(limit=jnp.int32(2))
    still, falling = jnp.zeros((6, 1)), jnp.full((6, 1), 6.0)
    state, first = env.transition(jax.random.key(0), env.init(jax.random.key(0), params), still, params)
    _, cut = env.transition(jax.random.key(0), state, still, params)
    _, fell = env.transition(jax.random.key(0), state, falling, params)
    assert not first.done and (cut.terminated, cut.truncated) == (False, True)
    assert (fell.terminated, fell.truncated) == (True, False)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("brax/ant_3x2", "ant has 8 actuators"),
        ("brax/ant", "ant_"),
        ("brax/cat_4x2", "ant_4x2"),
        ("brax/ant_4x2:springs", "spring"),
        ("brax/ant_4x2:", "backend"),
        ("brax/ant_04x2", "ant_4x2"),
        ("brax/ant_" + 5000 * "9" + "x1", "split"),
    ],
)
def test_bad_names_say_what_is_valid(echo, name, words):
    with pytest.raises(InputError, match=words):
        make(name)


@pytest.mark.skipif(HAS_BRAX, reason="brax is installed")
def test_without_brax_the_message_names_it():
    with pytest.raises(InputError, match=r"pip install .\.\[brax\]."):
        make("brax/ant_8x1")


@pytest.mark.skipif(not HAS_BRAX, reason="brax is not installed")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MuJoCo's, of its own fields
def test_a_body_of_brax_keeps_the_contract():
    env = make("brax/halfcheetah_2x3")
    assert env.spec.state_dim == 17 and env.spec.n_actions == 3
    check_env(env, steps=4)

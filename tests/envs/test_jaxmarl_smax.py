"""JaxMARL's SMAX in: same numbers, ends, masks, and who has won."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxmarl_cases import KEY, ends, raw_of

from jaxvf.envs import make

BATTLES = ("nobody falls", "an ally fell", "won", "lost", "draw")
DEAD = {"nobody falls": [], "an ally fell": [0], "won": [3, 4, 5], "lost": [0, 1, 2], "draw": [0, 1, 2, 3, 4, 5]}


@pytest.fixture(scope="module")
def battles():
    """Five battles against an enemy that does not shoot, 102 steps, allies standing still: [102, 5, ...]."""
    adapter = make("jaxmarl/HeuristicEnemySMAX:scenario=3m,enemy_shoots=False")
    raw, params = raw_of(adapter), adapter.default_params()
    fallen = jnp.array([[unit in DEAD[battle] for unit in range(6)] for battle in BATTLES])

    def start(fallen):
        state = adapter.init(KEY, params)
        units = state.inner.state
        units = units.replace(unit_alive=~fallen, unit_health=jnp.where(fallen, 0.0, units.unit_health))
        return state._replace(inner=state.inner.replace(state=units))

    def step(states, key):
        seen = jax.vmap(adapter.observe, (0, None))(states, params)
        moved, outcome = jax.vmap(adapter.transition, (None, 0, 0, None))(key, states, jnp.full((5, 3), 4), params)
        still = dict.fromkeys(raw.agents, jnp.full(5, 4))
        obs, _, rewards, dones, _ = jax.vmap(raw.step_env, (None, 0, 0))(key, states.inner, still)
        return moved, (seen, outcome, jnp.stack([rewards[a] for a in raw.agents], 1), dones["__all__"], obs)

    @jax.jit
    def play():
        last, history = jax.lax.scan(step, jax.vmap(start)(fallen), jax.random.split(KEY, 102))
        return history, jax.vmap(adapter.observe, (0, None))(last, params)

    return jax.tree.map(np.asarray, play())


def of(battle, leaf):
    return leaf[:, BATTLES.index(battle)]


def test_smax_has_jaxmarls_numbers(battles):
    (views, outcome, rewards, dones, obs), final = battles
    np.testing.assert_array_equal(outcome.agent_rewards, rewards)
    np.testing.assert_array_equal(outcome.terminated | outcome.truncated, dones)
    reached = np.concatenate([views.obs[1:], final.obs[None]])
    np.testing.assert_array_equal(reached, np.stack([obs[f"ally_{i}"] for i in range(3)], axis=2))
    states = np.concatenate([views.state[1:], final.state[None]])
    np.testing.assert_array_equal(states, obs["world_state"])


def test_smax_without_losses_is_cut_at_step_101(battles):
    outcome = battles[0][1]
    for battle in ("nobody falls", "an ally fell"):
        assert ends(of(battle, outcome.truncated)) == [101, 102]
        assert not of(battle, outcome.terminated).any()
        assert not of(battle, outcome.metrics["won"]).any()
    assert make("jaxmarl/HeuristicEnemySMAX:scenario=3m").spec.limit_max == 101


@pytest.mark.parametrize(("battle", "won"), [("won", 1.0), ("lost", 0.0), ("draw", 0.0)])
def test_smax_terminates_where_a_team_is_dead_and_only_a_survivor_wins(battles, battle, won):
    outcome = battles[0][1]
    assert of(battle, outcome.terminated)[0]
    assert not of(battle, outcome.truncated)[0]
    assert of(battle, outcome.metrics["won"])[0] == won


def test_smax_masks_the_dead(battles):
    views = battles[0][0]
    np.testing.assert_array_equal(of("an ally fell", views.alive)[0], [False, True, True])
    np.testing.assert_array_equal(of("an ally fell", views.avail)[0, 0], np.arange(8) == 4)  # stop
    assert of("an ally fell", views.avail)[0, 1, :4].all()
    assert of("nobody falls", views.alive).all()

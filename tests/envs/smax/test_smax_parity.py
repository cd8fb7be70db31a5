"""SMAX is JaxMARL 0.2.0's: from equal states, with equal actions and noise, everything is equal.

Where two simulators run side by side, they start every step from JaxMARL's state, so that rounding cannot add up.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs import Smax
from jaxvf.envs.jaxmarl_names import import_jaxmarl
from jaxvf.envs.smax import SmaxState
from jaxvf.envs.smax.rules import N_MOVES, WAYS

BATTLES, STEPS = 36, 28  # 1,008 steps of each map
QUICK = {"xla_backend_optimization_level": 0}


def jaxmarl_env(name):
    import_jaxmarl()  # keeps its greetings from standard output
    from jaxmarl.environments.smax import HeuristicEnemySMAX, map_name_to_scenario

    return HeuristicEnemySMAX(scenario=map_name_to_scenario(name))


def action_number(state):
    """The action that JaxMARL's state remembers as a movement vector and a target."""
    ways = jnp.asarray(WAYS, jnp.float32)
    near = jnp.abs(state.prev_movement_actions[:, None] - ways).sum(axis=-1).argmin(axis=-1)
    return jnp.where(state.prev_attack_actions > 0, state.prev_attack_actions, near)


def ours_of(state, n):
    """Our state of a JaxMARL one."""
    inner, script = state.state, state.enemy_policy_state
    # Before the first step JaxMARL has not chosen the goals: the enemies' places, turned round the centre.
    chosen = (script.default_target != 0).any(axis=-1, keepdims=True)
    goal = jnp.where(chosen, script.default_target, 32.0 - inner.unit_positions[n:])
    return SmaxState(
        x=inner.unit_positions[:, 0],
        y=inner.unit_positions[:, 1],
        health=inner.unit_health,
        cooldown=inner.unit_weapon_cooldowns,
        kind=inner.unit_types.astype(jnp.int32),
        last_action=action_number(inner),
        goal_x=goal[:, 0],
        goal_y=goal[:, 1],
        last=jnp.asarray(script.last_attacked_enemy),
        t=jnp.asarray(inner.step),
    )


def noise_of(key, n_units):
    """The cooldown noise that JaxMARL draws in a step, in ticks: [8, units]."""
    key, _ = jax.random.split(key)

    def tick(key, _):
        key, world = jax.random.split(key)
        draw = jax.vmap(lambda k: jax.random.uniform(k, minval=-1 / 16, maxval=2 / 16))
        return key, draw(jax.random.split(world, n_units)) * 16

    return jax.lax.scan(tick, key, None, length=8)[1]


def prepared(state, number, n):
    """A battle of which some are nearly won or lost, some nearly at the limit, and some units at the edge."""
    inner = state.state
    enemy = jnp.arange(inner.unit_health.shape[0]) >= n
    weak = jnp.where(number % 4 == 0, enemy, (number % 4 == 1) & ~enemy)
    near = jnp.where((enemy & (number % 4 == 0))[:, None], jnp.array([10.0, 0.0]), 0.0)
    at_edge = (number % 4 == 2) & (jnp.arange(enemy.shape[0]) == 0)
    positions = jnp.where(at_edge[:, None], jnp.array([0.05, 16.0]), inner.unit_positions - near)
    inner = inner.replace(
        unit_health=jnp.where(weak, 1.0, inner.unit_health),
        unit_positions=positions,
        step=jnp.where(number % 4 == 3, 85, inner.step),
    )
    return state.replace(state=inner)


@pytest.fixture(scope="module", params=["3m", "2s3z", "27m_vs_30m", "smacv2_10_units"])
def play(request):
    """Both simulators' words on every step of random play, [STEPS, BATTLES, ...]."""
    theirs, env = jaxmarl_env(request.param), Smax(request.param)
    n, n_units, params = env.n_allies, env.n_allies + env.n_enemies, env.default_params()

    def step(carry, key):
        states, obs = carry
        ours = jax.vmap(lambda state: ours_of(state, n))(states)
        view = env.observe_batch(ours, params)
        avail = jax.vmap(theirs.get_avail_actions)(states)
        act_key, step_key = jax.random.split(key)
        actions = jax.random.categorical(act_key, jnp.where(view.avail, 0.0, -jnp.inf))
        keys = jax.random.split(step_key, BATTLES)
        named = {agent: actions[:, i] for i, agent in enumerate(theirs.agents)}
        next_obs, moved, reward, done, _ = jax.vmap(theirs.step_env)(keys, states, named)
        scripted, last = env.enemy_actions(jnp.zeros((env.n_enemies, BATTLES)), ours, params)
        everyone = jax.vmap(action_number)(moved.state)
        noise = jnp.moveaxis(jax.vmap(lambda key: noise_of(key, n_units))(keys), 0, -1)
        after, outcome = env.advance(noise, ours, everyone, params)
        seen = jnp.stack([obs[agent] for agent in theirs.agents], axis=1)
        may = jnp.stack([avail[agent] for agent in theirs.agents], axis=1)
        word = {
            "view": (view.obs, seen, view.state, obs["world_state"], view.avail, may),
            "after": (after, jax.vmap(lambda state: ours_of(state, n))(moved)),
            "reward": (outcome.reward, reward["ally_0"]),
            "done": (outcome.done, done["__all__"]),
            "ends": (outcome.terminated, outcome.truncated, outcome.metrics["won"], after.t),
            "script": (scripted, everyone[:, n:], last, moved.enemy_policy_state.last_attacked_enemy),
            "before": ours,
        }
        return (moved, next_obs), word

    def run(key):
        start_key, play_key = jax.random.split(key)
        _, states = jax.vmap(theirs.reset)(jax.random.split(start_key, BATTLES))
        states = jax.vmap(prepared, in_axes=(0, 0, None))(states, jnp.arange(BATTLES), n)
        obs = jax.vmap(lambda state: theirs.get_obs(state))(states)
        obs = {**obs, "world_state": jax.vmap(theirs.get_world_state)(states)}
        return jax.lax.scan(step, (states, obs), jax.random.split(play_key, STEPS))[1]

    words = jax.jit(run, compiler_options=QUICK)(jax.random.key(3))
    return env, jax.tree.map(np.asarray, words)


def test_views_are_equal(play):
    ours, theirs, state, their_state, avail, their_avail = play[1]["view"]
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    np.testing.assert_allclose(state, their_state, atol=1e-6)
    np.testing.assert_array_equal(avail, their_avail.astype(bool))
    assert ours.shape[0] * ours.shape[1] >= 1000


def test_dynamics_rewards_and_ends_are_equal(play):
    ours, theirs = play[1]["after"]
    np.testing.assert_array_equal(ours.health, theirs.health)
    np.testing.assert_allclose(ours.cooldown, theirs.cooldown, atol=5e-6)
    np.testing.assert_allclose(ours.x, theirs.x, atol=1e-4)
    np.testing.assert_allclose(ours.y, theirs.y, atol=1e-4)
    np.testing.assert_allclose(*play[1]["reward"], atol=1e-6)
    np.testing.assert_array_equal(*play[1]["done"])
    assert (theirs.health < np.asarray(play[1]["before"].health)).any()  # somebody was hit
    terminated, truncated, won, t = play[1]["ends"]
    assert terminated.any() and truncated.any() and won.any() and (terminated & ~won.astype(bool)).any()
    assert (t[truncated] >= 101).all() and not (truncated & terminated).any()


def test_the_script_does_the_same(play):
    """Whom it shoots always; where it walks where at most one ally is visible, for JaxMARL draws among several."""
    env, words = play
    scripted, theirs, last, their_last = words["script"]
    before, n = words["before"], env.n_allies
    params = jax.tree.map(np.asarray, env.default_params())
    alive = before.health > 0
    distance = np.hypot(
        before.x[..., n:, None] - before.x[..., None, :n], before.y[..., n:, None] - before.y[..., None, :n]
    )
    visible = (distance < params.sight[before.kind[..., n:]][..., None]) & alive[..., None, :n]
    lives = alive[..., n:]
    shoots = (theirs >= N_MOVES) & lives
    np.testing.assert_array_equal(scripted[shoots], theirs[shoots])
    np.testing.assert_array_equal((scripted >= N_MOVES)[lives], shoots[lives])
    np.testing.assert_array_equal(last[lives], their_last[lives])
    plain = lives & (visible.sum(axis=-1) <= 1)
    assert shoots.any() and plain.any()
    np.testing.assert_array_equal(scripted[plain], theirs[plain])

"""What the critic makes of a rollout: values, TD errors and advantages, by hand from a table."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.algorithm import Rollout
from jaxvf.algorithms import make
from jaxvf.trust_region import Recurrent, Table, TrustRegion
from jaxvf.trust_region.batches import Extras
from jaxvf.trust_region.critic_update import CriticState
from jaxvf.trust_region.estimates import estimate
from jaxvf.trust_region.value_norm import ValueNorm

# Two environments, three steps; the state of frame t is id t, and its value is VALUE[t].
VALUE = np.float32([1, 2, 4, 8])
FLAGS = np.zeros((3, 2), bool)


def rollout_of(*, terminated=FLAGS, truncated=FLAGS, filled=~FLAGS, frames=4, agents=2, agent_rewards=None) -> Rollout:
    """Reward t + 1 at step t, in both environments."""
    ids = jnp.broadcast_to(jnp.eye(4)[:frames, None], (frames, 2, 4))
    shape = (frames, 2, agents)
    return Rollout(
        jnp.broadcast_to(ids[:, :, None], (*shape, 4)), ids, jnp.ones((*shape, 3), bool), jnp.zeros(shape, int),
        jnp.broadcast_to(jnp.arange(1.0, 4.0)[:, None], (3, 2)), jnp.asarray(terminated), jnp.asarray(truncated),
        jnp.asarray(filled), jnp.zeros((frames, 2), bool).at[0].set(True), None, jnp.ones(shape, bool), agent_rewards,
        Extras(jnp.zeros(shape), jnp.zeros((*shape, 0))),
    )  # fmt: skip


def estimates_of(rollout: Rollout, table=VALUE[:, None], **fields):
    """With a table of values, discount 0.5 and λ = 0."""
    config = TrustRegion(critic=Table(), value_norm=False, discount=0.5, td_lambda=0.0, **fields)
    state = CriticState({"params": {"table": jnp.asarray(table)}}, (), ValueNorm.start())
    carry = config.initial_critic_carry(2, rollout.obs.shape[2])
    return estimate(config, config.values, state, carry, rollout)


def test_errors_look_to_the_frame_after_the_step():
    """δ = r + V'/2 - V: 1 + 1 - 1, 2 + 2 - 2, 3 + 4 - 4; with λ = 0 they are the advantages."""
    found = estimates_of(rollout_of())
    np.testing.assert_allclose(found.value[..., 0], np.repeat(VALUE[:3, None], 2, axis=1))
    np.testing.assert_allclose(found.td[..., 0], [[1, 1], [2, 2], [3, 3]])
    np.testing.assert_allclose(found.advantage, found.td)
    np.testing.assert_allclose(found.regression.returns, found.td + found.value)


@pytest.mark.parametrize("step", [1, 2])
def test_nothing_is_bootstrapped_after_a_termination_and_a_final_view_after_a_truncation(step):
    """The first environment terminates, the second is cut off: r - V, and r + V'/2 - V as if it went on."""
    terminated, truncated = FLAGS.copy(), FLAGS.copy()
    terminated[step, 0], truncated[step, 1] = True, True
    td = estimates_of(rollout_of(terminated=terminated, truncated=truncated)).td[..., 0]
    assert td[step].tolist() == [step + 1 - VALUE[step], step + 1.0]


def test_without_a_last_frame_the_last_step_terminates():
    """F = T: the errors are those with a frame whose value nothing reads."""
    terminated = FLAGS.copy()
    terminated[2] = True
    with_it, without = (estimates_of(rollout_of(terminated=terminated, frames=frames)).td for frames in (4, 3))
    np.testing.assert_allclose(with_it, without)


def test_agents_learn_from_their_own_rewards():
    """IPPO: agent 0 is paid 1, agent 1 is paid 10 at step 0; both values are those of the observation."""
    own = jnp.broadcast_to(jnp.array([1.0, 10.0]), (3, 2, 2))
    fields = {"critic_inputs": "observation", "agent_id": False}
    table = np.broadcast_to(VALUE[:, None], (2, 4, 1))
    apart = estimates_of(rollout_of(agent_rewards=own), table, reward="agents", **fields).td
    # 1 + 1 - 1 and 10 + 1 - 1; then 1 + 2 - 2 and 10 + 2 - 2.
    np.testing.assert_allclose(apart[:2, 0], [[1, 10], [1, 10]])
    together = estimates_of(rollout_of(agent_rewards=own), table, **fields).td
    np.testing.assert_allclose(together[:2, 0], [[1, 1], [2, 2]])  # the team's, whatever else is recorded
    assert dataclasses.replace(make("ippo"), reward="agents").critic_inputs == "observation"


def test_the_critic_remembers_what_it_did_in_the_unroll_and_from_one_rollout_to_the_next():
    """Two rollouts of two steps give the values and the memories of one of four; an episode that begins forgets."""
    config = TrustRegion(actor=Table(), critic=Recurrent(hidden=4), value_norm=False)
    generator = np.random.default_rng(0)
    state, obs = (jnp.asarray(generator.normal(size=shape), jnp.float32) for shape in ((5, 2, 3), (5, 2, 2, 1)))
    shapes = jax.eval_shape(lambda: config.values._ensemble().init(jax.random.key(0), 3, 1))
    params = jax.tree.map(lambda leaf: jnp.asarray(generator.normal(size=leaf.shape), jnp.float32), shapes)
    critic, started = CriticState(params, (), ValueNorm.start()), jnp.zeros((5, 2), bool).at[3, 1].set(True)

    def part(first, last):
        steps, shape = (last - first, 2), (last - first + 1, 2, 2)
        flags, frames = jnp.zeros(steps, bool), slice(first, last + 1)
        return Rollout(
            obs[frames], state[frames], jnp.ones((*shape, 3), bool), jnp.zeros(shape, int), jnp.zeros(steps), flags,
            flags, ~flags, started[frames], None, jnp.ones(shape, bool),
        )  # fmt: skip

    run = jax.jit(lambda carry, rollout: estimate(config, config.values, critic, carry, rollout))
    carry = config.initial_critic_carry(2, 2)
    whole, first = run(carry, part(0, 4)), run(carry, part(0, 2))
    second = run(first.carry, part(2, 4))
    np.testing.assert_allclose(np.concatenate([first.value, second.value]), whole.value, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.concatenate([first.td, second.td]), whole.td, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(second.carry, whole.carry, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(first.carry, whole.regression.carry[2], rtol=1e-5, atol=1e-6)
    forgetful = run(carry, part(2, 4))
    assert np.abs(forgetful.value[0] - second.value[0]).max() > 1e-3
    np.testing.assert_allclose(forgetful.value[1, 1], second.value[1, 1], rtol=1e-5)

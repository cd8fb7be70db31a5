"""What the critic makes of a rollout: values, TD errors and advantages."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxvf.algorithm import Rollout
from jaxvf.trust_region.actor_critic import Critic
from jaxvf.trust_region.advantages import generalized_advantages, td_errors
from jaxvf.trust_region.critic_update import CriticState, Regression
from jaxvf.trust_region.settings import Settings


class Estimates(NamedTuple):
    """What the critic makes of a rollout, [T, B, M]; M is 1 where one value serves all agents."""

    value: Float[Array, "T B M"]
    td: Float[Array, "T B M"]
    advantage: Float[Array, "T B M"]
    regression: Regression | None
    carry: Any  # what the critic remembers after the last step


def exact_estimates(rollout: Rollout, carry: Any) -> Estimates:
    """Of a one-step game whose expected reward is known: the return is the reward."""
    baseline = rollout.extras.baseline[: rollout.steps]
    td = (rollout.reward - baseline)[..., None]
    return Estimates(jnp.broadcast_to(baseline, rollout.reward.shape)[..., None], td, td, None, carry)


def estimate(config: Settings, critic: Critic, state: CriticState, carry: Array, rollout: Rollout) -> Estimates:
    """Values, TD errors and advantages, with the statistics of returns as they were before this update.

    One pass of the critic over the F frames gives the values of every step's own view and of the next, and what it
    remembers before each.

    Args:
        config: the learner's settings.
        critic: the critic.
        state: its parameters and statistics.
        carry: what it remembered before the first frame, [B or 1, M, H].
        rollout: what was collected.
    """
    assert rollout.started is not None
    steps, inputs = rollout.steps, critic.inputs_of(rollout.obs, rollout.state)
    old, states = critic.unroll(state.params, inputs, carry, rollout.started)
    values = state.norm.restore(old) if config.value_norm else old
    # No frame after the last step means that it always terminates: any value will do.
    after = jnp.pad(values[1:], ((0, steps + 1 - len(values)), (0, 0), (0, 0)))
    value, old = values[:steps], old[:steps]
    last = rollout.terminated | rollout.truncated if config.truncation == "terminate" else rollout.terminated
    reward = rollout.agent_rewards if config.reward == "agents" else rollout.reward[..., None]
    assert reward is not None  # the program has checked
    td = td_errors(reward, value, after, last[..., None], discount=config.discount)
    advantage = advantages_of(config, td, rollout, config.td_lambda)
    before = jnp.concatenate([carry[None], states[: steps - 1]])
    regression = Regression(
        inputs[:steps], before, rollout.started[:steps], rollout.filled, jnp.broadcast_to(old, td.shape),
        advantage + value,
    )  # fmt: skip
    if config.minibatch_agents == "apart":
        regression = regression.apart(rollout.avail.shape[-2])
    return Estimates(jnp.broadcast_to(value, td.shape), td, advantage, regression, states[steps - 1])


def advantages_of(
    config: Settings, td: Float[Array, "T B M"], rollout: Rollout, trace: float | Array
) -> Float[Array, "T B M"]:
    """Generalized advantages of TD errors, with one λ or a factor per step."""
    terminated, truncated = (_like(flag, td) for flag in (rollout.terminated, rollout.truncated))
    return generalized_advantages(
        td, terminated, truncated, discount=config.discount, trace=trace, truncation=config.truncation
    )


def _like(flag: Bool[Array, "T _"], td: Float[Array, "T B M"]) -> Bool[Array, "T B M"]:
    return jnp.broadcast_to(flag[..., None], td.shape)

"""Segments of T steps of B environments that start anew by themselves: what on-policy learners learn from."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvf.envs.auto_reset import AutoReset
from jaxvf.envs.one_step_game import OneStepGame
from jaxvf.envs.protocol import Environment, EnvParams, View
from jaxvf.envs.wrappers import AgentId, EpisodeStatistics
from jaxvf.training.evaluation import carry_batch
from jaxvf.trust_region.batches import Segment
from jaxvf.trust_region.distributions import Categorical, Distribution

Sums = dict[str, Float[Array, ""]]


class Stage(NamedTuple):
    """Where the environments of a run stand between two segments."""

    states: Any
    carry: Float[Array, "_ N H"]  # what the actors remember
    critic_carry: Float[Array, "_ M H"]
    started: Bool[Array, "_"]  # whether the next frame begins an episode


def first_stage(algorithm: Any, env: Environment, params: EnvParams, key: Key[Array, ""], num_envs: int) -> Stage:
    """Environments at the beginning of an episode."""
    width, agents = carry_batch(env, num_envs)
    states, _ = _stepper(env).init(key, params, num_envs)
    critic_carry = algorithm.initial_critic_carry(width, agents)
    return Stage(states, algorithm.initial_carry((width, agents)), critic_carry, jnp.ones(width, bool))


def collect(
    algorithm: Any,
    actor_params: Any,
    env: Environment,
    params: EnvParams,
    stage: Stage,
    key: Key[Array, ""],
    *,
    num_envs: int,
    length: int,
) -> tuple[Segment, Stage, Sums]:
    """Play `length` steps in each of `num_envs` environments, with drawn actions.

    Returns:
        The segment, the stage to go on from, and sums over the episodes that ended: `episodes`, and the environment's
        metrics, return and length of them all.
    """
    stepper = _stepper(env)
    width = stage.started.shape[0]

    def frame(carried: tuple[Stage, View], t: Int[Array, ""]) -> tuple[tuple[Stage, View], Any]:
        stage, view = carried
        act_key, env_key = jax.random.split(jax.random.fold_in(key, t))
        memory = jnp.where(stage.started[:, None, None], 0.0, stage.carry)
        actions, log_prob, carry = algorithm.act(actor_params, memory, view, act_key, num_envs)
        states, outcome, following, final = stepper.step(env_key, stage.states, actions, params)
        led_to = following if final is None else final
        segment = Segment(
            view.obs, view.state, view.avail, view.alive, stage.started, memory, actions, log_prob,
            outcome.reward, outcome.terminated, outcome.truncated, led_to.obs, led_to.state,
            stage.critic_carry, _baseline(algorithm, actor_params, env, params, stage, memory, view, width),
        )  # fmt: skip
        sums = {name: values.sum() for name, values in outcome.metrics.items()}
        sums["episodes"] = outcome.done.sum().astype(jnp.float32)
        stage = Stage(states, carry, stage.critic_carry, outcome.done[:width])
        return (stage, following), (segment, sums)

    view = env.observe_batch(stage.states.inner, params)
    (stage, _), (segment, sums) = jax.lax.scan(frame, (stage, view), jnp.arange(length))
    # The critic looks at a segment as a whole; its memory is that of the first frame.
    segment = segment._replace(critic_carry=segment.critic_carry[0])
    return segment, stage, {name: values.sum() for name, values in sums.items()}


def exact_metrics(
    algorithm: Any, actor_params: Any, env: Environment, params: EnvParams, key: Key[Array, ""], num_envs: int
) -> Sums:
    """What a one-step game knows of the team's stochastic policy, averaged over `num_envs` first states."""
    game = one_step_game(env)
    if game is None:
        return {}
    states = env.init_batch(key, params, num_envs)
    view = env.observe_batch(states, params)
    policy, _ = algorithm.look(actor_params, algorithm.initial_carry(carry_batch(env, num_envs)), view)
    known = _vmap_states(game.policy_metrics, policy, states, params, view.obs.shape[0])
    return {f"test_{name}": values.mean() for name, values in known.items()}


def one_step_game(env: Environment) -> OneStepGame | None:
    """The one-step game behind an environment as an algorithm sees it, if it is one."""
    while isinstance(env, AgentId):  # it changes observations alone, so states stay the game's
        env = env.env
    return env if isinstance(env, OneStepGame) else None


def _stepper(env: Environment) -> AutoReset:
    # An episode that always ends by itself is never bootstrapped from behind its last step.
    return AutoReset(EpisodeStatistics(env), keep_final=not env.spec.self_ending)


def _baseline(
    algorithm: Any, actor_params: Any, env: Environment, params: EnvParams, stage: Stage, memory: Array, view: View,
    width: int,
) -> Float[Array, "_"] | None:  # fmt: skip
    if algorithm.baseline == "critic":
        return None
    game = one_step_game(env)
    assert game is not None  # the program has checked
    policy, _ = algorithm.look(actor_params, memory, view)
    return _vmap_states(game.expected_reward, policy, stage.states.inner, params, width)


def _vmap_states(function: Any, policy: Distribution, states: Any, params: EnvParams, width: int) -> Any:
    """`function(policy, state, params)` of the first `width` states: of one, where all look alike."""
    chosen = jax.tree.map(lambda leaf: leaf[:width], states)
    numbers = jnp.exp(policy.logits) if isinstance(policy, Categorical) else (policy.mean, policy.std)
    return jax.vmap(function, in_axes=(0, 0, None))(numbers, chosen, params)

"""Rollouts: steps of B environments side by side, for replay, for on-policy learning and for evaluation."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvf.algorithm import Rollout, restarted
from jaxvf.envs.protocol import Environment, EnvParams, EnvState, View, where_done

# (carry, view, states, key) -> actions [B or 1, N] or [B or 1, N, A], carry, what else to record of the frame
Policy = Callable[[Any, View, EnvState, Key[Array, ""]], tuple[Array, Any, Any]]
Sums = dict[str, Float[Array, ""]]


class Stage(NamedTuple):
    """Where the environments of a run stand between two frames."""

    states: EnvState
    carry: Any  # what the agents remember, leaves [B or 1, N, H]; None is nothing at all
    started: Bool[Array, "_"]  # an episode begins at the next frame
    over: Bool[Array, "_"]  # the next frame shows a final view, in which no step is taken


class Frame(NamedTuple):
    """What there is to record of one frame."""

    view: View
    actions: Array
    started: Bool[Array, "_"]
    extras: Any
    reward: Float[Array, "B"]
    agent_rewards: Float[Array, "B N"] | None
    terminated: Bool[Array, "_"]
    truncated: Bool[Array, "_"]
    filled: Bool[Array, "_"]


@dataclasses.dataclass(frozen=True)
class Player:
    """Steps B environments frame by frame, and sums up what they report.

    Attributes:
        env: the environment, which reports `episode_return` and `episode_length` (`EpisodeStatistics`).
        num_envs: B.
        restart: whether an episode that is over makes room for the next, or stands still.
    """

    env: Environment
    num_envs: int
    restart: bool

    @property
    def carry_batch(self) -> tuple[int, int]:
        """Leading axes (B, N) of what the agents remember; B is 1 where all environments look alike."""
        return (1 if self.env.spec.fixed_view else self.num_envs), self.env.spec.n_agents

    def begin(self, params: EnvParams, carry: Any, key: Key[Array, ""]) -> Stage:
        """All environments at the beginning of an episode."""
        width = self.carry_batch[0]
        states = self.env.init_batch(key, params, self.num_envs)
        return Stage(states, carry, jnp.ones(width, bool), jnp.zeros(width, bool))

    def frame(
        self,
        params: EnvParams,
        policy: Policy,
        stage: Stage,
        key: Key[Array, ""],
        may_step: Bool[Array, ""] | bool = True,
    ) -> tuple[Stage, Frame, Sums]:
        """Observe, act and step.

        Args:
            params: the environment's numbers.
            policy: chooses joint actions.
            stage: where the environments stand.
            key: random key of this frame.
            may_step: False for a frame in which everybody only observes and acts.

        Returns:
            The stage after the frame, what to record of it, and sums over environments: `steps` taken, `episodes` that
            ended, and the environment's metrics.
        """
        act_key, env_key = jax.random.split(key)
        step_key, reset_key = jax.random.split(env_key) if self.restart else (env_key, env_key)
        carry = restarted(stage.started, stage.carry) if self.restart else stage.carry
        view = self.env.observe_batch(stage.states, params)
        actions, carry_after, extras = policy(carry, view, stage.states, act_key)
        actions = jnp.broadcast_to(actions, (self.num_envs, *actions.shape[1:]))
        moved, outcome = self.env.transition_batch(step_key, stage.states, actions, params)

        taken = ~stage.over & may_step
        stepped, width = jnp.broadcast_to(taken, outcome.done.shape), taken.shape[0]
        reward = jnp.where(stepped, outcome.reward, 0.0)
        terminated, truncated = ((stepped & flag)[:width] for flag in (outcome.terminated, outcome.truncated))
        sums = {name: jnp.where(stepped, values, 0.0).sum() for name, values in outcome.metrics.items()}
        sums["steps"] = jnp.sum(stepped, dtype=jnp.float32)
        sums["episodes"] = jnp.sum(stepped & outcome.done, dtype=jnp.float32)
        rewards = outcome.agent_rewards
        rewards = None if rewards is None else jnp.where(stepped[:, None], rewards, 0.0)
        frame = Frame(view, actions, stage.started, extras, reward, rewards, terminated, truncated, taken)
        if not self.restart:
            over = stage.over | terminated | truncated
            states = where_done(stage.over, stage.states, moved)
            return Stage(states, carry_after, jnp.zeros_like(over), over), frame, sums
        states, carry_after = where_done(taken, (moved, carry_after), (stage.states, carry))
        # Who was cut off has shown its final view by now; who terminated has none to show.
        anew = terminated | stage.over
        states = where_done(anew, self.env.init_batch(reset_key, params, self.num_envs), states)
        return Stage(states, carry_after, anew | (~taken & stage.started), truncated), frame, sums


@dataclasses.dataclass(frozen=True)
class Collector:
    """Plays rollouts of T steps.

    Attributes:
        player: whose environments.
        steps: T.
        final_view: whether a rollout has a frame after its last step, in which everybody only observes and acts.
        stored: whether observations and states are recorded as replay keeps them (`EnvSpec.storage`).
    """

    player: Player
    steps: int
    final_view: bool
    stored: bool = False

    def play(self, params: EnvParams, policy: Policy, stage: Stage, key: Key[Array, ""]) -> tuple[Rollout, Stage, Sums]:
        """The rollout from `stage` on, the stage that it leaves, and sums over its frames (`Player.frame`)."""
        unpack: list[Callable[[Array], Sums]] = []

        def one(stage: Stage, t: Int[Array, ""]) -> tuple[Stage, tuple[Frame, Float[Array, "K"]]]:
            may_step = t < self.steps if self.final_view else True
            stage, frame, sums = self.player.frame(params, policy, stage, jax.random.fold_in(key, t), may_step)
            numbers, as_sums = ravel_pytree(sums)  # one array, for a loop writes each in a kernel of its own
            unpack.append(as_sums)
            return stage, (frame._replace(view=self._recorded(frame.view)), numbers)

        first = jax.tree.map(lambda leaf: leaf[None], restarted(stage.started, stage.carry))
        if self.steps + self.final_view == 1:  # no loop; and where episodes begin, nothing to remember
            stage, played = one(stage if self.player.restart else stage._replace(carry=None), jnp.int32(0))
            frames, numbers = jax.tree.map(lambda leaf: leaf[None], played)
        else:
            stage, (frames, numbers) = jax.lax.scan(one, stage, jnp.arange(self.steps + self.final_view))
        steps: Frame = jax.tree.map(lambda leaf: leaf[: self.steps], frames)
        view = frames.view
        rollout = Rollout(
            view.obs, view.state, view.avail, frames.actions,
            steps.reward, steps.terminated, steps.truncated, steps.filled,
            frames.started, first, view.alive, steps.agent_rewards, frames.extras,
        )  # fmt: skip
        return rollout, stage, unpack[-1](numbers.sum(axis=0))

    def _recorded(self, view: View) -> View:
        if not self.stored:
            return view
        spec = self.player.env.spec
        return view._replace(obs=spec.obs_storage.stored(view.obs), state=spec.state_storage.stored(view.state))

"""What learners from replay share: the form and size of replay, and the target network's pace."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from jaxvf.algorithm import Metrics, Progress, Rollout
from jaxvf.envs.protocol import Environment, EnvSpec
from jaxvf.errors import InputError
from jaxvf.hyperparameters import hyperparameters, static, traced
from jaxvf.value.agents import LearnerState, ValueAgents

REPLAYS = ("auto", "sequences", "episodes")
SEQUENCES = ("replay", "auto", "sequences")  # where there may be any


@hyperparameters
class ValueLearner(ValueAgents):
    """Base of every learner that learns from replayed rollouts. Defaults: PyMARL's."""

    replay: str = static(
        "auto",
        "what replay keeps: whole episodes, padded to the longest (PyMARL); sequences of steps through the ends of "
        "episodes, without padding where lengths vary; auto takes episodes where every one has the same length",
        choices=REPLAYS,
    )
    sequence_length: int = static(64, "steps of a replayed sequence", low=1, needs=SEQUENCES)
    buffer_size: int = static(
        5000, "rollouts (episodes or sequences) that replay holds, a multiple of num_envs", low=1, high=2**31 - 1
    )
    batch_size: int = static(32, "rollouts in a gradient update", low=1)
    learning_starts: int = static(0, "rollouts stored before the first update; at least batch_size", low=0)
    updates_per_episode: float = static(1.0, "gradient updates per collected episode, however many num_envs", low=0)
    updates_per_step: float = static(
        0.0,
        "gradient updates per environment step where sequences are replayed; 0 stands for updates_per_episode / "
        "sequence_length, with which every step is learned from as often as in PyMARL: batch_size x "
        "updates_per_episode times",
        low=0,
        needs=SEQUENCES,
    )
    target_update_interval: int = static(
        200,
        "rollouts between hard copies of the target network, in whole updates",
        low=1,
        needs=("target_update", "hard"),
    )
    target_update: str = static(
        "hard", "copy the target network at intervals, or move it a little in every update", choices=("hard", "soft")
    )
    target_tau: float = traced(
        0.01,
        "τ, share of the parameters in an update of a soft target",
        low=0,
        high=1,
        needs=("target_update", "soft"),
    )
    target_networks: int = static(
        1, "K, hard copies whose mean value targets bootstrap from: the last K (averaged DQN)", low=1
    )

    def replays_sequences(self, spec: EnvSpec) -> bool:
        """Whether rollouts of this environment are sequences."""
        same_length = spec.fixed_length or spec.fixed_view
        return self.replay == "sequences" or (self.replay == "auto" and not same_length)

    def check(self, env: Environment) -> None:
        """Whether the fields agree with each other and with the environment.

        Raises:
            InputError: as `ValueAgents`, for sequences of a game whose views are stored once that do not hold whole
                episodes, for updates counted by steps where episodes are replayed, and for several target networks that
                are no hard copies.
        """
        super().check(env)
        if self.target_networks > 1 and self.target_update == "soft":
            raise InputError(
                f"target_networks={self.target_networks} keeps hard copies, and target_update='soft' makes none; use "
                "target_update='hard' or target_networks=1"
            )
        spec = env.spec
        if self.updates_per_step > 0 and not self.replays_sequences(spec):
            raise InputError(
                f"updates_per_step={self.updates_per_step} does nothing where episodes are replayed, as "
                f"replay={self.replay!r} does of {spec.name}; use updates_per_episode or replay='sequences'"
            )
        # A cut-off episode takes one frame more, in which it shows its final view.
        frames = spec.limit_max + (not spec.self_ending)
        if self.replays_sequences(spec) and spec.fixed_view and self.sequence_length % frames:
            raise InputError(
                f"sequence_length={self.sequence_length} is not a multiple of the {frames} frames of every episode of "
                f"{spec.name}, whose views replay keeps once for all; use replay='episodes'"
            )

    def start_targets(self, params: Any) -> Any:
        """The target networks of a fresh learner: copies of `params`, with a leading axis K if they are several."""
        if self.target_networks == 1:
            return jax.tree.map(jnp.copy, params)
        return jax.tree.map(lambda leaf: jnp.repeat(leaf[None], self.target_networks, axis=0), params)

    def each_target(self, function: Callable[..., Any], *targets: Any) -> Any:
        """`function` of every target network's parameters, or of what it gave before, along their axis K if any."""
        return (function if self.target_networks == 1 else jax.vmap(function))(*targets)

    def mean_target(self, function: Callable[..., Any], *targets: Any) -> Any:
        """The mean of `each_target` (Anschel et al. 2017, eq. 7, arXiv 1611.01929)."""
        values = self.each_target(function, *targets)
        return values if self.target_networks == 1 else jax.tree.map(lambda leaf: leaf.mean(axis=0), values)

    def regress(
        self,
        loss: Callable[..., Any],
        copied: Callable[[Any], Any],
        state: LearnerState,
        batch: Rollout,
        progress: Progress,
    ) -> tuple[LearnerState, Metrics]:
        """One gradient step on `loss(params, target_params, batch, progress)`; then the target of a part is updated.

        Args:
            loss: gives its value and metrics.
            copied: which part of the parameters the targets are copies of.
            state: what learning changes.
            batch: rollouts, leaves [F or T, B or 1, ...].
            progress: how far the run is.
        """
        params, opt_state, means, metrics = self.gradient_step(
            loss, state.params, state.opt_state, state.target_params, batch, progress
        )
        targets = self.update_target(copied(params), state.target_params, progress, batch)
        return LearnerState(params, targets, opt_state), {**metrics, **means}

    def update_target(self, params: Any, target_params: Any, progress: Progress, batch: Rollout) -> Any:
        """The target after an update on `batch`; of several the newest comes first, and the oldest goes."""
        if self.target_update == "soft":
            return optax.incremental_update(params, target_params, self.target_tau)
        per_rollout = self.updates_per_episode
        if batch.started is not None and self.updates_per_step > 0:  # sequences are replayed
            per_rollout = self.updates_per_step * batch.steps
        interval = max(1, round(self.target_update_interval * per_rollout))
        due = (progress.updates + 1) % interval == 0

        if self.target_networks > 1:
            params = jax.tree.map(lambda new, old: jnp.concatenate([new[None], old[:-1]]), params, target_params)

        def chosen(due: Array, params: Any, old: Any) -> Any:
            return jax.tree.map(lambda new, before: jnp.where(due, new, before), params, old)

        def looped(due: Array, params: Any, old: Any) -> Any:
            return jax.lax.fori_loop(0, due.astype(jnp.int32), lambda _, old: chosen(due, params, old), old)

        # All runs share `due`. On a GPU the choice is part of the optimizer's kernels. A CPU would read and write all
        # targets in every update, so there it is a loop of none or one step, which touches nothing between intervals.
        return jax.lax.platform_dependent(due, params, target_params, cpu=looped, default=chosen)

"""MRVF: rounds of value factorization, each fitting only what improves on the greedy joint action of the one before.

    F^k(u) = M^k(a(u)) - M^k(0) + Σ_i a_i(u_i)    regresses    max(0, Q_J(u) - Q_J(p^{k-1}) - ξ),    k >= 2

Every joint action not better than p^{k-1} has target 0, so local optima below it are cut off. That each round fits the
gains over the one before, clipped at a threshold, is what Tao et al. 2026 state; their equations and networks were not
at hand: the form of F^k, the bonus of staying and all numbers are chosen here. How agents act is `multi_round`'s.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvf.algorithm import Metrics, Progress, Rollout
from jaxvf.envs.protocol import EnvSpec
from jaxvf.hyperparameters import hyperparameters, static, traced
from jaxvf.value.agents import LearnerState
from jaxvf.value.central import CentralParams, CentralValue
from jaxvf.value.frames import Frames, Unrolled, mean_over_steps
from jaxvf.value.imagination import imagined_actions
from jaxvf.value.multi_round import LATER_ROUNDS, Choice, MultiRoundLearner, Round

ERROR_MEMORY = 0.99  # share of the running error of Q_J that an update keeps


class MrvfParams(NamedTuple):
    """Parameters of the agents (with the values of round 1), its mixer, later rounds, and Q_J."""

    agent: Any
    mixer: Any
    rounds: tuple[Round, ...]
    central: CentralParams


@hyperparameters
class Mrvf(MultiRoundLearner):
    """Multi-round value factorization. With rounds=1 it is the mixer's method, bootstrapped from Q_J."""

    central_width: int = static(256, "width of the unconstrained mixer of Q_J", low=1)
    imagined: int = static(
        0,
        "imagined joint actions per frame for rounds >= 2, random ones and both anchors",
        low=0,
        needs=LATER_ROUNDS,
    )
    deviations: int = static(0, "imagined single-agent deviations from the anchor per frame", low=0, needs=LATER_ROUNDS)
    judge: str = static(
        "online",
        "whose Q_J says what later rounds can gain: the one that learns, or its target, which errs less where it is "
        "averaged (target_update=soft, or several target_networks)",
        choices=("online", "target"),
        needs=LATER_ROUNDS,
    )
    error_margin: float = static(
        0.0,
        "cut off gains below so many times the judge's running error too; 0 leaves it to the threshold",
        low=0,
        needs=LATER_ROUNDS,
    )
    anchors: str = static(
        "all",
        "where rounds from the third on learn: everywhere, or only where by the judge the round before chose "
        "no worse than all earlier ones (improving)",
        choices=("all", "improving"),
        needs=("rounds", 3, ...),
    )
    threshold: float = traced(0.02, "ξ, gains that are cut off", low=0, needs=LATER_ROUNDS)
    gain_penalty: float = traced(
        0.0, "λ_a, weight of the mean squared advantage of rounds >= 2", low=0, needs=LATER_ROUNDS
    )
    central_rate: float = traced(10.0, "step size of Q_J as a multiple of learning_rate", low=0)

    @property
    def central(self) -> CentralValue:
        """The unconstrained value Q_J."""
        return CentralValue(self, self.central_width)

    @property
    def n_networks(self) -> int:
        """The acting agents and those of Q_J."""
        return 2

    def agent_networks(self, params: Any) -> tuple[Any, ...]:
        """Their parameters."""
        return params.agent, params.central.agent

    def init(self, key: Key[Array, ""], spec: EnvSpec) -> LearnerState:
        """Fresh networks; values of later rounds start at 0. Only Q_J has a target copy."""
        agent_key, mixer_key, central_key, *round_keys = jax.random.split(key, 3 + 2 * (self.rounds - 1))
        agent, width = self.init_agent(agent_key, spec)
        later = tuple(
            Round(self.init_head(head_key, spec, width), self.init_mixer(round_key, spec, width))
            for head_key, round_key in zip(round_keys[::2], round_keys[1::2], strict=True)
        )
        mixer = self.init_mixer(mixer_key, spec, width)
        params = MrvfParams(agent, mixer, later, self.central.init(central_key, spec))
        running = jnp.zeros(()) if self.error_margin > 0 else ()
        return LearnerState(
            params, self.start_targets(params.central), self.make_optimizer().init(params), running=running
        )

    def update(
        self, state: LearnerState, batch: Rollout, key: Key[Array, ""], progress: Progress
    ) -> tuple[LearnerState, Metrics]:
        """One gradient step on the K + 1 regressions; then the target of Q_J is updated."""
        params, opt_state, (running, means), metrics = self.gradient_step(
            self._loss, state.params, state.opt_state, state.target_params, batch, key, progress, state.running
        )
        target_params = self.update_target(params.central, state.target_params, progress, batch)
        return LearnerState(params, target_params, opt_state, running=running), {**metrics, **means}

    def scale_steps(self, steps: Any) -> Any:
        """Q_J moves faster, because later rounds chase its errors."""
        return steps._replace(central=jax.tree.map(lambda step: self.central_rate * step, steps.central))

    def joint_values(self, params: MrvfParams, batch: Rollout) -> dict[str, Float[Array, "F _ _"]]:
        """F^1, Q_J and the increments F^2 ... F^K of the stored actions."""
        frames, unrolled = Frames.of(batch), self.unroll(params.agent, batch)
        central = self.central.unroll(params.central, batch)
        values = {
            "q_tot": self.mix(params.mixer, unrolled, frames, frames.actions)[0],
            "q_joint": self.central.value(params.central, central, frames, frames.actions),
        }
        gains = self.choose(params, unrolled, frames.avail).gains
        for index, (each, gain) in enumerate(zip(params.rounds, gains, strict=True)):
            values[f"increment_{index + 2}"] = self.increment(each, gain, unrolled, frames, frames.actions)
        return values

    def _loss(
        self, params: MrvfParams, target: Any, batch: Rollout, key: Key[Array, ""], progress: Progress, running: Any
    ) -> tuple[Float[Array, ""], tuple[Any, Metrics]]:
        steps = batch.reward.shape[0]
        now = Frames.of(batch, 0, steps)
        unrolled, central_unrolled = self.unroll(params.agent, batch), self.central.unroll(params.central, batch)
        choice = self.choose(params, unrolled, batch.avail)
        target_value = self.central.by_target(target, batch)
        y = self.td_targets(batch, progress, choice.actions[-1][1:], target_value)
        choice = Choice([each[:steps] for each in choice.actions], [each[:steps] for each in choice.gains])
        unrolled, central_unrolled = unrolled.frames(0, steps), central_unrolled.frames(0, steps)

        def joint(actions: Array) -> Array:
            return self.central.value(params.central, central_unrolled, now, actions)

        def judged(actions: Array) -> Array:
            return joint(actions) if self.judge == "online" else target_value(actions, 0, steps)

        taken, (first, penalty) = joint(now.actions), self.mix(params.mixer, unrolled, now, now.actions)
        errors = ((taken - y) ** 2, (first - y) ** 2, penalty)
        loss = sum((mean_over_steps(error, batch.filled) for error in errors), jnp.zeros(()))
        metrics = {"value": mean_over_steps(taken, batch.filled), "target": mean_over_steps(y, batch.filled)}
        running, threshold = self._threshold(running, judged(now.actions) - y, batch.filled, progress.updates)
        for index, each in enumerate(params.rounds):
            round_key = jax.random.fold_in(key, index)
            loss += self._round_loss(index, each, choice, judged, threshold, unrolled, now, batch.filled, round_key)
            changed = jnp.any(choice.actions[index] != choice.actions[index + 1], axis=-1, keepdims=True)
            metrics[f"changed_{index + 2}"] = mean_over_steps(changed.astype(jnp.float32), batch.filled)
        for index, actions in enumerate(choice.actions):
            metrics[f"value_of_round_{index + 1}"] = mean_over_steps(joint(actions), batch.filled)
        return loss, (running, metrics)

    def _threshold(
        self, running: Any, error: Float[Array, "T _ 1"], filled: Any, updates: Int[Array, ""]
    ) -> tuple[Any, Any]:
        """The mean squared error of about the last hundred updates, and the gain below which all is cut off."""
        if self.error_margin == 0:
            return running, self.threshold
        squared = jax.lax.stop_gradient(mean_over_steps(error**2, filled))
        running = ERROR_MEMORY * running + (1 - ERROR_MEMORY) * squared
        mean = running / (1 - ERROR_MEMORY ** (updates + 1.0))  # it began at 0
        return running, jnp.maximum(self.threshold, self.error_margin * jnp.sqrt(mean))

    def _round_loss(
        self,
        index: int,
        each: Round,
        choice: Choice,
        judged: Callable[[Array], Array],
        threshold: float | Float[Array, ""],
        unrolled: Unrolled,
        now: Frames,
        filled: Bool[Array, "T _"] | Float[Array, "T _"],
        key: Key[Array, ""],
    ) -> Float[Array, ""]:
        """Regression of F^k on the clipped gain over the anchor, on stored and imagined joint actions."""
        anchor, gain = choice.actions[index], choice.gains[index]
        if index > 0 and self.anchors == "improving":
            # An agent knows its own previous action alone. What it learns from a joint one that is a passing error of
            # an earlier round would also move it where that round has chosen well.
            best = jnp.stack([judged(earlier) for earlier in choice.actions[:index]]).max(axis=0)
            filled = filled * jax.lax.stop_gradient(judged(anchor) >= best - threshold)[..., 0]
        more = imagined_actions(key, anchor, choice.actions[index + 1], now.avail, self.imagined, self.deviations)
        loss = self.gain_penalty * mean_over_steps(jnp.mean(gain**2, axis=(-2, -1))[..., None], filled)
        for tried in (now.actions, *more):
            aim = jax.lax.stop_gradient(jnp.maximum(0.0, judged(tried) - judged(anchor) - threshold))
            loss += mean_over_steps((self.increment(each, gain, unrolled, now, tried) - aim) ** 2, filled)
        return loss

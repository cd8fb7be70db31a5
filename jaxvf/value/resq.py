"""ResQ: a monotonic value plus a masked, never positive residual (Shen et al. 2022)."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jaxvf.algorithm import Metrics, Progress, Rollout
from jaxvf.envs.protocol import EnvSpec
from jaxvf.hyperparameters import hyperparameters, static
from jaxvf.value.agents import LearnerState
from jaxvf.value.central import CentralParams, CentralValue
from jaxvf.value.frames import Frames, Unrolled, greedy_actions, mean_over_steps
from jaxvf.value.mixed_learner import MixedLearner


class ResqParams(NamedTuple):
    """Parameters of the agents, their mixer, the residual Q_res and the central value Q_C."""

    agent: Any
    mixer: Any
    residual: CentralParams
    central: CentralParams


@hyperparameters
class Resq(MixedLearner):
    """Q_J = Q_T + μ Q_res with μ = 0 at the greedy joint action of Q_T and 1 elsewhere, Q_res <= 0.

    The residual can lower every value but the greedy one, so argmax Q_J = argmax Q_T, and Q_T need only be an
    optimistic envelope. The sign is enforced by -|·| in the regression itself, as POW's code does; then the third loss
    term vanishes, which is all that the authors' own code enforces it by.
    """

    central_width: int = static(128, "width of the unconstrained mixers", low=1)

    @property
    def central(self) -> CentralValue:
        """The unconstrained value Q_C."""
        return CentralValue(self, self.central_width, network=2)

    @property
    def residual(self) -> CentralValue:
        """The residual Q_res."""
        return CentralValue(self, self.central_width, non_positive=True)

    @property
    def n_networks(self) -> int:
        """The acting agents and those of Q_res and Q_C."""
        return 3

    def agent_networks(self, params: Any) -> tuple[Any, ...]:
        """Their parameters."""
        return params.agent, params.residual.agent, params.central.agent

    def init(self, key: Key[Array, ""], spec: EnvSpec) -> LearnerState:
        """Fresh networks; the residual's agents start as copies of the acting ones, the target as one of Q_C."""
        agent_key, mixer_key, residual_key, central_key = jax.random.split(key, 4)
        agent, features = self.init_agent(agent_key, spec)
        residual = self.residual.init(residual_key, spec)._replace(agent=jax.tree.map(jnp.copy, agent))
        mixer = self.init_mixer(mixer_key, spec, features)
        params = ResqParams(agent, mixer, residual, self.central.init(central_key, spec))
        return LearnerState(params, self.start_targets(params.central), self.make_optimizer().init(params))

    def update(
        self, state: LearnerState, batch: Rollout, key: Key[Array, ""], progress: Progress
    ) -> tuple[LearnerState, Metrics]:
        """One gradient step on both regressions; then the central target is updated."""
        return self.regress(self._loss, lambda params: params.central, state, batch, progress)

    def joint_values(self, params: ResqParams, batch: Rollout) -> dict[str, Float[Array, "F _ _"]]:
        """Q_T, Q_J and Q_C of the stored actions."""
        frames, unrolled = Frames.of(batch), self.unroll(params.agent, batch)
        total = self.mix(params.mixer, unrolled, frames, frames.actions)[0]
        central = self.central.value(params.central, self.central.unroll(params.central, batch), frames, frames.actions)
        return {
            "q_tot": total,
            "q_joint": total + self._masked_residual(params, unrolled, batch, frames),
            "q_central": central,
        }

    def _loss(
        self, params: ResqParams, target: Any, batch: Rollout, progress: Progress
    ) -> tuple[Float[Array, ""], Metrics]:
        steps = batch.reward.shape[0]
        now = Frames.of(batch, 0, steps)
        unrolled = self.unroll(params.agent, batch)
        total, penalty = self.mix(params.mixer, unrolled.frames(0, steps), now, now.actions)
        joint = total + self._masked_residual(params, unrolled, batch, now)
        central_unrolled = self.central.unroll(params.central, batch).frames(0, steps)
        central = self.central.value(params.central, central_unrolled, now, now.actions)
        following = greedy_actions(unrolled.outputs, batch.avail)[1:]
        y = self.td_targets(batch, progress, following, self.central.by_target(target, batch))
        joint_loss = mean_over_steps((joint - y) ** 2 + penalty, batch.filled)
        central_loss = mean_over_steps((central - y) ** 2, batch.filled)
        metrics = {"value": joint, "target": y, "q_tot": total}
        metrics = {name: mean_over_steps(values, batch.filled) for name, values in metrics.items()}
        return joint_loss + central_loss, {**metrics, "central_loss": central_loss}

    def _masked_residual(
        self, params: ResqParams, unrolled: Unrolled, batch: Rollout, frames: Frames
    ) -> Float[Array, "F _ 1"]:
        """μ Q_res in the first frames of the batch, as many as `frames` has."""
        count = frames.state.shape[0]
        residual_unrolled = self.residual.unroll(params.residual, batch).frames(0, count)
        residual = self.residual.value(params.residual, residual_unrolled, frames, frames.actions)
        greedy = greedy_actions(unrolled.outputs[:count], frames.avail)
        elsewhere = jnp.any(frames.actions != greedy, axis=-1, keepdims=True)
        return jnp.where(elsewhere, residual, 0.0)

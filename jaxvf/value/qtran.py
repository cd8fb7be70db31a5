"""QTRAN-base: a free joint value J, and local values whose sum must agree with it at the greedy joint action.

    T(u) = Σ_i q_i(u_i);    T - J + V = 0 at the joint ū of local greedy actions,    T - J + V >= 0 elsewhere

Son et al. 2019, with the networks and losses of PyMARL.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from jaxvf.algorithm import Metrics, Progress, Rollout
from jaxvf.envs.protocol import EnvSpec
from jaxvf.hyperparameters import hyperparameters, static, traced
from jaxvf.mixers import utilities_of
from jaxvf.networks.qtran import JointNetwork
from jaxvf.value.agents import LearnerState
from jaxvf.value.frames import Frames, Unrolled, greedy_actions, mean_over_steps
from jaxvf.value.learner import ValueLearner


class QtranParams(NamedTuple):
    """Parameters of the agents and of J with its bias V."""

    agent: Any
    joint: Any


@hyperparameters
class Qtran(ValueLearner):
    """Regresses J on its own bootstrap, and holds the sum of local values to it by two penalties."""

    joint: nn.Module = static(JointNetwork(), "the networks of J and V")
    opt_coefficient: float = traced(1.0, "weight of the equality at the greedy joint action", low=0)
    nopt_coefficient: float = traced(0.1, "weight of the inequality at the taken joint action", low=0)

    def init(self, key: Key[Array, ""], spec: EnvSpec) -> LearnerState:
        """Fresh networks; the target starts as a copy."""
        agent_key, joint_key = jax.random.split(key)
        agent, width = self.init_agent(agent_key, spec)
        features = jnp.zeros((1, 1, spec.n_agents, width))
        actions = jnp.zeros((1, 1, spec.n_agents, spec.n_actions))
        joint = self.joint.init(joint_key, jnp.zeros((1, 1, spec.state_dim)), features, actions)
        params = QtranParams(agent, joint)
        return LearnerState(params, self.start_targets(params), self.make_optimizer().init(params))

    def update(
        self, state: LearnerState, batch: Rollout, key: Key[Array, ""], progress: Progress
    ) -> tuple[LearnerState, Metrics]:
        """One gradient step on the three losses; then the target is updated."""
        return self.regress(self._loss, lambda params: params, state, batch, progress)

    def joint_values(self, params: QtranParams, batch: Rollout) -> dict[str, Float[Array, "F _ _"]]:
        """The sum of local values T, J and V at the stored actions."""
        frames, unrolled = Frames.of(batch), self.unroll(params.agent, batch)
        joint, bias = self.evaluate(params, unrolled, frames, frames.actions)
        return {"q_tot": self._sum_of_chosen(unrolled, frames, frames.actions), "q_joint": joint, "bias": bias}

    def evaluate(
        self, params: QtranParams, unrolled: Unrolled, frames: Frames, actions: Int[Array, "F #B N"]
    ) -> tuple[Float[Array, "F #B 1"], Float[Array, "F #B 1"]]:
        """The value that a target bootstraps from and the losses hold T to, and V; QTRAN-alt has its own."""
        return self._network(params, unrolled, frames, actions)

    def _network(self, params: QtranParams, unrolled: Unrolled, frames: Frames, actions: Int[Array, "F _ N"]) -> Any:
        """What the joint network gives for joint actions."""
        one_hot = jax.nn.one_hot(actions, frames.avail.shape[-1])
        return self.joint.apply(params.joint, frames.state, unrolled.features, one_hot)

    def _loss(
        self, params: QtranParams, target_params: Any, batch: Rollout, progress: Progress
    ) -> tuple[Float[Array, ""], Metrics]:
        unrolled = self.unroll(params.agent, batch)
        steps = batch.reward.shape[0]
        now, then = Frames.of(batch, 0, steps), Frames.of(batch, 1)
        greedy = greedy_actions(unrolled.outputs, batch.avail)
        target = self.each_target(lambda each: self.unroll(each.agent, batch).frames(1, None), target_params)

        def value_of(actions: Int[Array, "_ _ N"]) -> Float[Array, "_ _ 1"]:
            return self.mean_target(
                lambda each, unrolled: self.evaluate(each, unrolled, then, actions)[0], target_params, target
            )

        y = self.td_targets(batch, progress, greedy[1:], value_of)
        return self._losses(params, unrolled.frames(0, steps), now, greedy[:steps], y, batch)

    def _losses(
        self,
        params: QtranParams,
        unrolled: Unrolled,
        now: Frames,
        greedy: Int[Array, "T _ N"],
        y: Float[Array, "T B 1"],
        batch: Rollout,
    ) -> tuple[Float[Array, ""], Metrics]:
        """L_td + λ_opt L_opt + λ_nopt L_nopt. J is stopped in the last two, which train the q_i and V."""
        stop = jax.lax.stop_gradient
        taken, bias = self.evaluate(params, unrolled, now, now.actions)
        best, _ = self.evaluate(params, unrolled, now, greedy)
        utilities = utilities_of(unrolled.outputs, unrolled.features, now.avail, now.actions)
        sum_taken, sum_best = (q.sum(axis=-1, keepdims=True) for q in (utilities.chosen, utilities.greedy))
        td = mean_over_steps((taken - y) ** 2, batch.filled)
        equality = mean_over_steps((sum_best - stop(best) + bias) ** 2, batch.filled)
        inequality = mean_over_steps(jnp.minimum(0.0, sum_taken - stop(taken) + bias) ** 2, batch.filled)
        metrics = {"td_loss": td, "opt_loss": equality, "nopt_loss": inequality}
        metrics["target"] = mean_over_steps(y, batch.filled)
        return td + self.opt_coefficient * equality + self.nopt_coefficient * inequality, metrics

    def _sum_of_chosen(
        self, unrolled: Unrolled, frames: Frames, actions: Int[Array, "F #B N"]
    ) -> Float[Array, "F #B 1"]:
        utilities = utilities_of(unrolled.outputs, unrolled.features, frames.avail, actions)
        return utilities.chosen.sum(axis=-1, keepdims=True)

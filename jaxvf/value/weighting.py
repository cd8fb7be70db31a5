"""Weighted regression of a factored value on an unconstrained one: CW-QMIX, OW-QMIX and POW, on any mixer.

    loss = c_T Σ m w(s, u) (Q_T - y)² / Σ m  +  c_C Σ m (Q_C - y)² / Σ m

y bootstraps from the target copy of the unconstrained Q_C at the joint of the online greedy actions. The algorithms
differ in the weight w alone (Rashid et al. 2020, in their code's form; Huang et al. 2026).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Key

from jaxvf.algorithm import Metrics, Progress, Rollout
from jaxvf.envs.protocol import EnvSpec
from jaxvf.hyperparameters import hyperparameters, static, traced
from jaxvf.mixers import utilities_of
from jaxvf.value import recognizer as recognition
from jaxvf.value.agents import LearnerState
from jaxvf.value.central import CentralParams, CentralValue
from jaxvf.value.frames import Frames, Unrolled, greedy_actions, mean_over_steps
from jaxvf.value.mixed_learner import MixedLearner
from jaxvf.value.recognizer import Recognizer, Sampled

RECOGNIZED = ("weighting", "potentially_optimal")  # where there is a recognizer


class WeightedParams(NamedTuple):
    """Parameters of the agents (θ_a), the mixer (θ_m), the central value (θ_c) and the recognizer (φ; POW only)."""

    agent: Any
    mixer: Any
    central: CentralParams
    recognizer: Any = ()


class WeightedOptimizers(NamedTuple):
    """One optimizer for agents, mixer and central value; one for the recognizer."""

    main: optax.OptState
    recognizer: Any = ()


@hyperparameters
class WeightedLearner(MixedLearner):
    """Weighs each sampled joint action by how good it may be, so that a constrained value ranks the best ones right."""

    weighting: str = static(
        "central", "the rule of the weights", choices=("central", "optimistic", "potentially_optimal")
    )
    central_width: int = static(256, "width of the unconstrained mixer", low=1)
    recognizer: Recognizer = static(Recognizer(), "networks of Q_R", needs=RECOGNIZED)
    inner_steps: int = static(10, "Adam steps of the recognizer in an update", low=1, needs=RECOGNIZED)
    first_inner_steps: int = static(20, "the same in the very first update", low=1, needs=RECOGNIZED)
    alpha: float = traced(0.1, "α, weight of joint actions that the rule does not favour", low=0, high=1)
    tolerance: float = traced(
        0.1, "C, how far below the greedy value a recognized joint action may be", low=0, needs=RECOGNIZED
    )
    unweighted_steps: float = traced(0.0, "environment steps in which all weights are 1", low=0)
    total_coefficient: float = traced(1.0, "c_T, weight of the factored value's loss", low=0)
    central_coefficient: float = traced(0.5, "c_C, weight of the central value's loss", low=0)

    @property
    def central(self) -> CentralValue:
        """The unconstrained value Q_C."""
        return CentralValue(self, self.central_width)

    @property
    def n_networks(self) -> int:
        """The acting agents and those of Q_C."""
        return 2

    def agent_networks(self, params: Any) -> tuple[Any, ...]:
        """Their parameters."""
        return params.agent, params.central.agent

    def init(self, key: Key[Array, ""], spec: EnvSpec) -> LearnerState:
        """Fresh networks for the shapes of `spec`; only the central value has a target copy."""
        agent_key, mixer_key, central_key, recognizer_key = jax.random.split(key, 4)
        agent, features = self.init_agent(agent_key, spec)
        params = WeightedParams(agent, self.init_mixer(mixer_key, spec, features), self.central.init(central_key, spec))
        optimizers = WeightedOptimizers(self.make_optimizer().init(params))
        if self.weighting == "potentially_optimal":
            local = jnp.zeros((1, 1, spec.n_agents))
            state, actions = jnp.zeros((1, 1, spec.state_dim)), jnp.zeros((*local.shape, spec.n_actions))
            phi = self.recognizer.init(recognizer_key, state, actions, local)
            params = params._replace(recognizer=phi)
            optimizers = optimizers._replace(recognizer=self.recognizer_rule().init(phi))
        return LearnerState(params, self.start_targets(params.central), optimizers)

    def update(
        self, state: LearnerState, batch: Rollout, key: Key[Array, ""], progress: Progress
    ) -> tuple[LearnerState, Metrics]:
        """Targets, weights (for POW after fitting the recognizer), then one step of the other heads together."""
        phi, main = state.params.recognizer, state.params._replace(recognizer=())
        fitted = phi, state.opt_state.recognizer
        params, opt_state, (fitted, means), metrics = self.gradient_step(
            self._loss, main, state.opt_state.main, state.target_params, fitted, batch, progress
        )
        target_params = self.update_target(params.central, state.target_params, progress, batch)
        optimizers = WeightedOptimizers(opt_state, fitted[1])
        return LearnerState(params._replace(recognizer=fitted[0]), target_params, optimizers), {**metrics, **means}

    def joint_values(self, params: WeightedParams, batch: Rollout) -> dict[str, Float[Array, "F _ _"]]:
        """Q_T, Q_C, and with POW Q_R and which joint actions are recognized, of the stored actions."""
        frames, unrolled = Frames.of(batch), self.unroll(params.agent, batch)
        central = self.central.unroll(params.central, batch)
        values = {
            "q_tot": self.mix(params.mixer, unrolled, frames, frames.actions)[0],
            "q_central": self.central.value(params.central, central, frames, frames.actions),
        }
        if self.weighting == "potentially_optimal":
            utilities = utilities_of(unrolled.outputs, unrolled.features, frames.avail, frames.actions)
            advantage = utilities.chosen - utilities.greedy
            value, difference = self._recognizer_values(params.recognizer, frames.state, utilities.actions, advantage)
            values["q_recognizer"] = value + difference
            values["recognized"] = (jnp.abs(difference) < self.tolerance).astype(jnp.float32)
        return values

    def _loss(
        self, params: WeightedParams, target: Any, fitted: Any, batch: Rollout, progress: Progress
    ) -> tuple[Float[Array, ""], tuple[Any, Metrics]]:
        steps = batch.reward.shape[0]
        now = Frames.of(batch, 0, steps)
        unrolled, central_unrolled = self.unroll(params.agent, batch), self.central.unroll(params.central, batch)
        greedy = greedy_actions(unrolled.outputs, batch.avail)
        q_tot, penalty = self.mix(params.mixer, unrolled.frames(0, steps), now, now.actions)
        q_central = self.central.value(params.central, central_unrolled.frames(0, steps), now, now.actions)
        target_value = self.central.by_target(target, batch)
        y = self.td_targets(batch, progress, greedy[1:], target_value)
        if self.weighting == "optimistic":
            favoured = q_tot < y
        elif self.weighting == "central":
            at_greedy = target_value(greedy[:steps], 0, steps)
            taken = jnp.all(now.actions == greedy[:steps], axis=-1, keepdims=True)
            favoured = taken | (y > at_greedy)
        else:
            fitted, favoured = self._recognize(fitted, unrolled.frames(0, steps), now, y, batch, progress)
        everyone = progress.env_steps <= self.unweighted_steps
        weights = jax.lax.stop_gradient(jnp.where(favoured | (everyone & (self.unweighted_steps > 0)), 1.0, self.alpha))
        filled = batch.filled
        total = mean_over_steps(weights * (q_tot - y) ** 2, filled)
        central = mean_over_steps((q_central - y) ** 2, filled)
        means = {"value": q_tot, "target": y, "weight": jnp.broadcast_to(weights, y.shape)}
        metrics = {name: mean_over_steps(values, filled) for name, values in means.items()}
        metrics["central_loss"] = central
        loss = self.total_coefficient * total + self.central_coefficient * central
        return loss + mean_over_steps(penalty, filled), (fitted, metrics)

    def _recognize(
        self, fitted: Any, unrolled: Unrolled, now: Frames, y: Array, batch: Rollout, progress: Progress
    ) -> tuple[Any, Bool[Array, "T B 1"]]:
        """Fit Q_R to the batch, then say which of its joint actions lie within the tolerance of the greedy value."""
        utilities = utilities_of(unrolled.outputs, unrolled.features, now.avail, now.actions)
        advantage = utilities.chosen - utilities.greedy
        sampled = jax.lax.stop_gradient(Sampled(now.state, utilities.actions, advantage, y, batch.filled))
        count = jnp.where(progress.updates == 0, self.first_inner_steps, self.inner_steps)
        phi, opt_state = fitted
        phi, opt_state, _ = recognition.fit(self.recognizer, phi, opt_state, sampled, count, self.recognizer_rule())
        _, difference = self._recognizer_values(phi, sampled.state, sampled.actions, sampled.advantage)
        return (phi, opt_state), jnp.abs(difference) < self.tolerance

    def _recognizer_values(self, phi: Any, state: Array, actions: Array, advantage: Array) -> tuple[Array, Array]:
        values: Any = self.recognizer.apply(phi, state, actions, advantage)
        return values

    def recognizer_rule(self) -> optax.GradientTransformation:
        return recognition.optimizer(self.learning_rate, self.max_grad_norm)

"""PQN: value learning without replay and without a target network, from the newest rollouts."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from jaxvf.algorithm import Metrics, Progress, Rollout
from jaxvf.envs.protocol import Environment, EnvSpec
from jaxvf.errors import InputError
from jaxvf.hyperparameters import hyperparameters, static, traced
from jaxvf.minibatches import epochs, nearest_divisor
from jaxvf.mixers import MIXERS, Mixer, VdnMixer
from jaxvf.value.agents import LearnerState
from jaxvf.value.exploration import linear_schedule
from jaxvf.value.frames import Frames, greedy_actions, mean_over_steps
from jaxvf.value.mixed_learner import MixedAgents, Networks
from jaxvf.value.optimizers import OPTIMIZERS, make_optimizer


@hyperparameters
class Pqn(MixedAgents):
    """Regresses mixed values of a rollout on its own λ-returns, in several passes over it (Gallici et al. 2024).

        G_t = r_t + γ [(1 - λ) m_{t+1} + λ G_{t+1}],   m the mixed value of the greedy actions, without gradient

    of the same network, computed anew for every mini-batch. Their code ends returns at a time limit; here such a step
    bootstraps from its final view, as everywhere. The recurrent state before the first frame is the acting network's;
    the code goes through four earlier steps first, and learns from them once more.
    """

    needs_mixer: ClassVar[bool] = False
    num_envs: int = static(128, "environments that collect side by side", low=1)
    rollout_length: int = static(128, "steps of each in an iteration", low=1)
    epochs: int = static(4, "passes over a rollout", low=1)
    minibatches: int = static(16, "equal parts of a pass, each of whole environments", low=1)
    mixer: Mixer = static(VdnMixer(), "how local values become a team value", registry=MIXERS)
    optimizer: str = static("radam", "the rule of gradient updates", choices=OPTIMIZERS)
    learning_rate: float = traced(2.5e-4, "step size of the optimizer", low=0)
    learning_rate_anneal: float = traced(0.0, "steps in which the step size falls to 0 in a line; 0 for never", low=0)
    td_lambda: float = traced(0.85, "λ of the returns: 0 for one step, 1 for Monte Carlo", low=0, high=1)
    epsilon_end: float = traced(0.01, "ε after annealing", low=0, high=1)
    max_grad_norm: float = traced(1.0, "global L2 norm to which gradients are clipped", low=1e-6)
    reward_scale: float = traced(1.0, "factor of rewards in the returns; their code's is 10", low=0)

    @property
    def reads_state(self) -> bool:
        """The mixer alone may."""
        return False

    def check(self, env: Environment) -> None:
        """Whether the fields agree with each other and with the environment.

        Raises:
            InputError: as every value learner, and for mini-batches that do not share the environments out evenly.
        """
        super().check(env)
        if self.num_envs % self.minibatches:
            nearest = nearest_divisor(self.num_envs, self.minibatches)
            raise InputError(
                f"minibatches={self.minibatches} does not divide num_envs={self.num_envs}; "
                f"the nearest valid one is {nearest}"
            )

    def init(self, key: Key[Array, ""], spec: EnvSpec) -> LearnerState:
        """Fresh networks for the shapes of `spec`; there is no target."""
        agent_key, mixer_key = jax.random.split(key)
        agent, features = self.init_agent(agent_key, spec)
        params = Networks(agent, self.init_mixer(mixer_key, spec, features))
        return LearnerState(params, (), self._optimizer(jnp.float32(0)).init(params))

    def update(
        self, state: LearnerState, batch: Rollout, key: Key[Array, ""], progress: Progress
    ) -> tuple[LearnerState, Metrics]:
        """Several passes over a rollout in mini-batches of environments.

        Args:
            state: what learning changes.
            batch: the newest rollout, leaves [F or T, B or 1, ...].
            key: random key of this update.
            progress: how far the run is.
        """
        optimizer = self._optimizer(self._rate(progress))
        rewards = batch.reward, batch.agent_rewards if self.learns_from_agent_rewards else None
        reward, own = jax.tree.map(lambda each: self.reward_scale * each, rewards)
        # What mini-batches are cut from: no extras, no masks of the living, which value learners do not use.
        batch = batch._replace(extras=(), alive=None, reward=reward, agent_rewards=own)

        def step(carry: tuple[Networks, Any], part: Rollout) -> tuple[tuple[Networks, Any], Metrics]:
            params, opt_state = carry
            (loss, means), gradient = jax.value_and_grad(self.scaled(self._loss), has_aux=True)(params, part, progress)
            steps, opt_state = optimizer.update(gradient, opt_state, params)
            moved: Any = optax.apply_updates(params, steps)
            return (moved, opt_state), {"loss": loss, **means}

        start = state.params, state.opt_state
        (params, opt_state), metrics = epochs(step, start, batch, key, count=self.epochs, minibatches=self.minibatches)
        return LearnerState(params, (), opt_state), metrics

    def _loss(self, params: Networks, batch: Rollout, progress: Progress) -> tuple[Float[Array, ""], Metrics]:
        unrolled = self.unroll(params.agent, batch)
        steps = batch.reward.shape[0]
        now, then = Frames.of(batch, 0, steps), Frames.of(batch, 1)
        value, penalty = self.mix(params.mixer, unrolled.frames(0, steps), now, now.actions)
        ahead = unrolled.frames(1, None)
        target = self.td_targets(
            batch,
            progress,
            greedy_actions(ahead.outputs, then.avail),
            lambda actions: self.mix(params.mixer, ahead, then, actions)[0],  # the targets stop the gradient
        )
        loss = mean_over_steps((value - target) ** 2 + penalty, batch.filled)
        return loss, {"value": mean_over_steps(value, batch.filled), "target": mean_over_steps(target, batch.filled)}

    def _rate(self, progress: Progress) -> Float[Array, ""]:
        annealed = linear_schedule(progress.env_steps, self.learning_rate, 0.0, self.learning_rate_anneal)
        return jnp.where(self.learning_rate_anneal > 0, annealed, self.learning_rate)

    def _optimizer(self, rate: Float[Array, ""]) -> optax.GradientTransformation:
        return make_optimizer(self.optimizer, rate, self.max_grad_norm)

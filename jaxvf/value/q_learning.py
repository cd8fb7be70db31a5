"""Q-learning with value factorization: one learner for IQL, VDN, QMIX and non-monotonic QMIX.

The mixer is a field. Everything else (target, exploration, optimizer) is shared, as in PyMARL's `q_learner`.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key

from jaxvf.envs.protocol import EnvSpec
from jaxvf.errors import InputError
from jaxvf.hyperparameters import hyperparameters, static, traced
from jaxvf.mixers import MIXERS, QmixMixer
from jaxvf.networks.agents import AGENTS, RecurrentAgent, TabularAgent
from jaxvf.value import exploration
from jaxvf.value.optimizers import OPTIMIZERS, make_optimizer
from jaxvf.value.replay import Episodes
from jaxvf.value.targets import td_lambda_targets


class Networks(NamedTuple):
    """Parameters of the agent network and of the mixer."""

    agent: Any
    mixer: Any


class LearnerState(NamedTuple):
    """What learning changes."""

    params: Networks
    target_params: Networks
    opt_state: optax.OptState


@hyperparameters
class QLearning:
    """A value-factorization learner on replayed episodes. Defaults: PyMARL's column of baselines.md, section 1.2."""

    mixer: nn.Module = static(QmixMixer(), "how local values become a team value", registry=MIXERS)
    agent: nn.Module = static(RecurrentAgent(), "the agent network", registry=AGENTS)
    agent_id: bool = static(True, "append the agent's index to its observation")
    last_action: bool = static(True, "append the agent's previous action to its observation")
    num_envs: int = static(8, "environments that collect side by side; one episode each per iteration", low=1)
    buffer_size: int = static(5000, "episodes that replay holds, a multiple of num_envs", low=1)
    batch_size: int = static(32, "episodes in a gradient update", low=1)
    learning_starts: int = static(0, "episodes stored before the first update; at least batch_size", low=0)
    updates_per_episode: float = static(1.0, "gradient updates per collected episode, however many num_envs", low=0)
    target_update_interval: int = static(
        200, "episodes between hard copies of the target network, in whole updates", low=1
    )
    target_update: str = static("hard", "copy the target at intervals or follow softly", choices=("hard", "soft"))
    bootstrap: str = static(
        "double_q",
        "which action the target values: the online network's, the target's own, or the stored one",
        choices=("double_q", "max", "sarsa"),
    )
    behaviour: str = static("epsilon_greedy", "who collects", choices=("epsilon_greedy", "uniform"))
    optimizer: str = static("rmsprop", "update rule", choices=OPTIMIZERS)
    learning_rate: float = traced(5e-4, "step size of the optimizer", low=0)
    discount: float = traced(0.99, "γ", low=0, high=1)
    td_lambda: float = traced(0.0, "λ of the targets: 0 one step, 1 Monte Carlo", low=0, high=1)
    epsilon_start: float = traced(1.0, "ε at the first step", low=0, high=1)
    epsilon_end: float = traced(0.05, "ε after annealing", low=0, high=1)
    epsilon_anneal: float = traced(50_000, "environment steps of the linear annealing", low=0)
    max_grad_norm: float = traced(10.0, "global L2 norm to which gradients are clipped", low=1e-6)
    target_tau: float = traced(0.01, "rate at which a soft target follows", low=0, high=1)

    def init(self, key: Key[Array, ""], spec: EnvSpec) -> LearnerState:
        """Fresh networks for the shapes of `spec`; the target starts as a copy.

        Raises:
            InputError: for a table over observations that are not one-hot.
        """
        if isinstance(self.agent, TabularAgent) and not spec.one_hot_obs:
            appended = "; set agent_id=False last_action=False" if self.agent_id or self.last_action else ""
            raise InputError(f"agent=tabular needs one-hot observations, which {spec.name} does not give{appended}")
        agent_key, mixer_key = jax.random.split(key)
        obs = jnp.zeros((1, 1, spec.n_agents, spec.obs_dim))
        agent = self.agent.init(agent_key, obs, None, spec.n_actions)
        mixer = self.mixer.init(mixer_key, jnp.zeros((1, 1, spec.n_agents)), jnp.zeros((1, 1, spec.state_dim)))
        params = Networks(agent, mixer)
        return LearnerState(params, jax.tree.map(jnp.copy, params), self._optimizer().init(params))

    def initial_carry(self, batch: tuple[int, ...]) -> Any:
        """What the agents remember before an episode; `batch` is (B or 1, N)."""
        return self.agent.initial_carry(batch)

    def act(
        self, state: LearnerState, carry: Any, view: Any, key: Key[Array, ""], env_steps: Int[Array, ""], num_envs: int
    ) -> tuple[Int[Array, "B N"], Any]:
        """Behaviour: ε-greedy on local values, ε following the run's own step count; or uniform."""
        if self.behaviour == "uniform":
            return exploration.uniform(key, view.avail, num_envs), carry
        q, carry = self._local_values(state.params.agent, carry, view)
        epsilon = exploration.linear_schedule(env_steps, self.epsilon_start, self.epsilon_end, self.epsilon_anneal)
        return exploration.epsilon_greedy(key, q, view.avail, epsilon, num_envs), carry

    def greedy(self, params: Networks, carry: Any, view: Any) -> tuple[Int[Array, "B N"], Any]:
        """Decentralised execution: every agent's best action by its own value and history."""
        q, carry = self._local_values(params.agent, carry, view)
        return exploration.greedy(q, view.avail), carry

    def update(
        self, state: LearnerState, batch: Episodes, updates: Int[Array, ""]
    ) -> tuple[LearnerState, dict[str, Float[Array, ""]]]:
        """One gradient step on a batch of episodes; then the target follows.

        Args:
            state: what learning changes.
            batch: episodes, leaves [F or T, B or 1, ...].
            updates: gradient updates done so far by every run of the program, unbatched.
        """
        (loss, metrics), grads = jax.value_and_grad(self._loss, has_aux=True)(state.params, state.target_params, batch)
        steps, opt_state = self._optimizer().update(grads, state.opt_state, state.params)
        params: Any = optax.apply_updates(state.params, steps)
        target_params = self._follow(params, state.target_params, updates + 1)
        metrics = {"loss": loss, "grad_norm": optax.tree.norm(grads), **metrics}
        return LearnerState(params, target_params, opt_state), metrics

    def joint_value(
        self, params: Networks, q: Float[Array, "*batch N"], state: Float[Array, "*batch S"]
    ) -> Float[Array, "*batch M"]:
        """The mixed value of chosen local values: M = 1 for a team value, N where nothing is mixed."""
        value: Any = self.mixer.apply(params.mixer, q, state)
        return value

    def _optimizer(self) -> optax.GradientTransformation:
        return make_optimizer(self.optimizer, self.learning_rate, self.max_grad_norm)

    def _local_values(self, agent_params: Any, carry: Any, view: Any) -> tuple[Float[Array, "B N A"], Any]:
        q, carry = self.agent.apply(agent_params, view.obs[None], carry, view.avail.shape[-1])
        return q[0], carry

    def _unroll(self, agent_params: Any, batch: Episodes) -> Float[Array, "F B N A"]:
        obs = batch.obs.astype(jnp.float32)
        q, _ = self.agent.apply(agent_params, obs, None, batch.avail.shape[-1])
        return q

    def _loss(
        self, params: Networks, target_params: Networks, batch: Episodes
    ) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
        q = self._unroll(params.agent, batch)
        steps = batch.reward.shape[0]
        chosen = _of_actions(q[:steps], batch.actions[:steps])
        value = self.joint_value(params, chosen, batch.state[:steps].astype(jnp.float32))
        target = self._targets(jax.lax.stop_gradient(q), target_params, batch, value.shape[-1])
        filled = jnp.broadcast_to(batch.filled[..., None], target.shape)
        squared = jnp.where(filled, (value - target) ** 2, 0.0)
        count = jnp.maximum(jnp.sum(filled), 1)
        means = {"value": jnp.sum(filled * value) / count, "target": jnp.sum(filled * target) / count}
        return jnp.sum(squared) / count, means

    def _targets(
        self, online_q: Float[Array, "F B N A"], target_params: Networks, batch: Episodes, width: int
    ) -> Float[Array, "T B M"]:
        """TD(λ) targets around the target network's value of the next frame (baselines.md 1.3; nm_qmix.md 2)."""
        target_q = self._unroll(target_params.agent, batch)[1:]
        avail = batch.avail[1:]
        if self.bootstrap == "sarsa":
            next_actions = batch.actions[1:]
        else:
            next_actions = exploration.greedy(online_q[1:] if self.bootstrap == "double_q" else target_q, avail)
        following = _of_actions(target_q, next_actions)
        bootstrap = self.joint_value(target_params, following, batch.state[1:].astype(jnp.float32))
        # From here on every leaf has all of B: rewards differ even where views do not.
        steps, num_envs = batch.reward.shape
        shape = (steps, num_envs, width)
        reward, terminated, truncated = (
            jnp.broadcast_to(leaf[..., None], shape) for leaf in (batch.reward, batch.terminated, batch.truncated)
        )
        bootstrap = jnp.broadcast_to(bootstrap, (bootstrap.shape[0], num_envs, width))
        # No frame behind the last step means that it always terminates: any value will do.
        bootstrap = jnp.pad(bootstrap, ((0, steps - bootstrap.shape[0]), (0, 0), (0, 0)))
        return td_lambda_targets(reward, terminated, truncated, bootstrap, discount=self.discount, trace=self.td_lambda)

    def _follow(self, params: Any, target_params: Any, updates: Int[Array, ""]) -> Any:
        if self.target_update == "soft":
            return optax.incremental_update(params, target_params, self.target_tau)
        interval = max(1, round(self.target_update_interval * self.updates_per_episode))
        # The clock is shared by all runs, so this stays a branch: no copy is made between intervals.
        return jax.lax.cond(updates % interval == 0, lambda new, _: new, lambda _, old: old, params, target_params)


def _of_actions(q: Float[Array, "T _ N A"], actions: Int[Array, "T _ N"]) -> Float[Array, "T B N"]:
    """Values of the actions taken. A product: it broadcasts over size-one axes, and its gradient is no scatter."""
    return jnp.einsum("...a,...a->...", q, jax.nn.one_hot(actions, q.shape[-1]))

"""What all value learners share: their common hyperparameters, acting, the target network's pace, the loss's mask."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key

from jaxvf.envs.protocol import EnvSpec
from jaxvf.errors import InputError
from jaxvf.hyperparameters import hyperparameters, static, traced
from jaxvf.networks.agents import AGENTS, RecurrentAgent, TabularAgent
from jaxvf.value import exploration
from jaxvf.value.frames import Unrolled, greedy_actions
from jaxvf.value.optimizers import OPTIMIZERS, make_optimizer
from jaxvf.value.replay import Episodes
from jaxvf.value.targets import td_lambda_targets


class LearnerState(NamedTuple):
    """What learning changes. Every learner's `params` and `target_params` are records of its own."""

    params: Any
    target_params: Any
    opt_state: Any
    novelty: Any = ()  # networks of a novelty bonus, where there is one


class Progress(NamedTuple):
    """How far a run is when it updates."""

    updates: Int[Array, ""]  # gradient updates so far; the same for all runs of a program, and never batched
    env_steps: Int[Array, ""]  # environment steps this run has taken


@hyperparameters
class ValueLearner:
    """Base of every value learner: ε-greedy agents on replayed episodes. Defaults: PyMARL's (baselines.md, 1.2).

    A learner adds its networks and how they learn: `init`, `update`, and `joint_values` for whoever looks inside.
    """

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

    @property
    def streams(self) -> int:
        """Outputs of the agent network beside its action values."""
        return 0

    @property
    def on_policy(self) -> bool:
        """It learns from replayed episodes."""
        return False

    @property
    def noisy_state(self) -> bool:
        """Whether noise takes the state's place in replay (duelmix.md, section 4)."""
        return False

    def initial_carry(self, batch: tuple[int, ...]) -> Any:
        """What the agents remember before an episode; `batch` is (B or 1, N)."""
        return self.agent.initial_carry(batch)

    def act(
        self, state: LearnerState, carry: Any, view: Any, key: Key[Array, ""], env_steps: Int[Array, ""], num_envs: int
    ) -> tuple[Int[Array, "B N"], Any]:
        """Behaviour: ε-greedy on local values, ε following the run's own step count; or uniform."""
        if self.behaviour == "uniform":
            return exploration.uniform(key, view.avail, num_envs), carry
        seen, carry = self.look(state.params.agent, carry, view)
        q = seen.outputs[..., : view.avail.shape[-1]]
        return exploration.epsilon_greedy(key, q, view.avail, self.epsilon(env_steps), num_envs), carry

    def greedy(self, params: Any, carry: Any, view: Any) -> tuple[Int[Array, "B N"], Any]:
        """Decentralised execution: every agent's best action by its own value and history."""
        seen, carry = self.look(params.agent, carry, view)
        return greedy_actions(seen.outputs, view.avail), carry

    def epsilon(self, env_steps: Int[Array, ""]) -> Float[Array, ""]:
        """ε after this many steps."""
        return exploration.linear_schedule(env_steps, self.epsilon_start, self.epsilon_end, self.epsilon_anneal)

    def look(self, agent_params: Any, carry: Any, view: Any) -> tuple[Unrolled, Any]:
        """One frame through the agent network: outputs and features [B or 1, N, ·], and what it remembers then."""
        n_outputs = view.avail.shape[-1] + self.streams
        seen: Any = self.agent.apply(agent_params, view.obs[None], carry, n_outputs)
        outputs, features, carry = seen
        return Unrolled(outputs[0], features[0]), carry

    def unroll(self, agent_params: Any, batch: Episodes) -> Unrolled:
        """The agent network over whole episodes."""
        obs = batch.obs.astype(jnp.float32)
        seen: Any = self.agent.apply(agent_params, obs, None, batch.avail.shape[-1] + self.streams)
        return Unrolled(*seen[:2])

    def init_agent(self, key: Key[Array, ""], spec: EnvSpec) -> tuple[Any, int]:
        """Parameters of the agent network for the shapes of `spec`, and the width of its features.

        Raises:
            InputError: for continuous actions, or a table over observations that are not one-hot.
        """
        if spec.continuous:
            raise InputError(f"{spec.name} has continuous actions; a value learner needs discrete ones to choose from")
        if isinstance(self.agent, TabularAgent) and not spec.one_hot_obs:
            appended = "; set agent_id=False last_action=False" if self.agent_id or self.last_action else ""
            raise InputError(f"agent=tabular needs one-hot observations, which {spec.name} does not give{appended}")
        obs = jnp.zeros((1, 1, spec.n_agents, spec.obs_dim))
        (_, features, _), params = self.agent.init_with_output(key, obs, None, spec.n_actions + self.streams)
        return params, features.shape[-1]

    def make_optimizer(self) -> optax.GradientTransformation:
        """The update rule with this run's numbers."""
        return make_optimizer(self.optimizer, self.learning_rate, self.max_grad_norm)

    def descend(
        self, loss: Callable[..., Any], params: Any, opt_state: Any, *arguments: Any
    ) -> tuple[Any, Any, Any, dict[str, Float[Array, ""]]]:
        """One optimizer step along the gradient of `loss(params, *arguments) -> value, extra`.

        Returns:
            Parameters, optimizer state, the extra, and the metrics `loss` and `grad_norm`.
        """
        (value, extra), grads = jax.value_and_grad(loss, has_aux=True)(params, *arguments)
        steps, opt_state = self.make_optimizer().update(grads, opt_state, params)
        params = optax.apply_updates(params, self.scale_steps(steps))
        return params, opt_state, extra, {"loss": value, "grad_norm": optax.tree.norm(grads)}

    def scale_steps(self, steps: Any) -> Any:
        """The optimizer's steps, where some parameters are to move faster."""
        return steps

    def follow(self, params: Any, target_params: Any, progress: Progress) -> Any:
        """The target after an update."""
        if self.target_update == "soft":
            return optax.incremental_update(params, target_params, self.target_tau)
        interval = max(1, round(self.target_update_interval * self.updates_per_episode))
        due = (progress.updates + 1) % interval == 0
        # The clock is shared by all runs, so this stays a branch: no copy is made between intervals.
        return jax.lax.cond(due, lambda new, _: new, lambda _, old: old, params, target_params)

    def td_targets(self, batch: Episodes, bootstrap: Float[Array, "_ _ M"]) -> Float[Array, "T B M"]:
        """TD(λ) targets around the values of the frames 1 ... F-1 (baselines.md, 1.3; nm_qmix.md, 2; pow.md, 4)."""
        # From here on every leaf has all of B: rewards differ even where views do not.
        steps, num_envs = batch.reward.shape
        width = bootstrap.shape[-1]
        shape = (steps, num_envs, width)
        reward, terminated, truncated = (
            jnp.broadcast_to(leaf[..., None], shape) for leaf in (batch.reward, batch.terminated, batch.truncated)
        )
        bootstrap = jnp.broadcast_to(bootstrap, (bootstrap.shape[0], num_envs, width))
        # No frame behind the last step means that it always terminates: any value will do.
        bootstrap = jnp.pad(bootstrap, ((0, steps - bootstrap.shape[0]), (0, 0), (0, 0)))
        return td_lambda_targets(reward, terminated, truncated, bootstrap, discount=self.discount, trace=self.td_lambda)

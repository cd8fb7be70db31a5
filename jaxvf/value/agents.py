"""What value learners with and without replay share: ε-greedy agents on local values, their optimizer, the targets."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvf.algorithm import Metrics, Progress, Rollout
from jaxvf.envs.protocol import Environment, EnvParams, EnvSpec, View
from jaxvf.errors import InputError
from jaxvf.hyperparameters import check_needs, hyperparameters, static, traced
from jaxvf.networks.agents import AGENTS, RecurrentAgent, TabularAgent
from jaxvf.networks.sharing import apply_team, groups_of, init_team
from jaxvf.value import exploration
from jaxvf.value.frames import Unrolled, greedy_actions
from jaxvf.value.optimizers import OPTIMIZERS, global_norm, make_optimizer
from jaxvf.value.returns import Returns


class LearnerState(NamedTuple):
    """What learning changes. Every learner's `params` and `target_params` are records of its own."""

    params: Any
    target_params: Any
    opt_state: Any
    novelty: Any = ()  # networks of a novelty bonus, where there is one
    running: Any = ()  # running means, where a learner keeps any


@hyperparameters
class ValueAgents(Returns):
    """Agents that act ε-greedily on local values, of one network or of several. Defaults: PyMARL's.

    A learner adds its networks and how they learn: `init`, `update`, and `joint_values` for inspection.
    """

    agent: nn.Module = static(RecurrentAgent(), "the agent network", registry=AGENTS)
    sharing: str = static(
        "shared",
        "which agents share the parameters of an agent network: all (shared), none (independent), or groups, named for "
        "every agent: 0-0-1-1",
    )
    agent_id: bool = static(True, "append the agent's index to its observation")
    last_action: bool = static(True, "append the agent's previous action to its observation")
    num_envs: int = static(8, "environments that collect side by side; one rollout each per iteration", low=1)
    behaviour: str = static(
        "epsilon_greedy",
        "how actions are chosen while collecting; uniform play has no ε",
        choices=("epsilon_greedy", "uniform"),
    )
    optimizer: str = static("rmsprop", "the rule of gradient updates", choices=OPTIMIZERS)
    learning_rate: float = traced(5e-4, "step size of the optimizer", low=0)
    epsilon_start: float = traced(1.0, "ε at the first step", low=0, high=1)
    epsilon_end: float = traced(0.05, "ε after annealing", low=0, high=1)
    epsilon_anneal: float = traced(50_000, "environment steps of the linear annealing", low=0)
    max_grad_norm: float = traced(10.0, "global L2 norm to which gradients are clipped", low=1e-6)
    loss_factor: float = static(
        1.0,
        "factor of the whole loss, before gradients are clipped; PyMARL2's is 0.5, and its clipping at 10 is that of "
        "the plain loss at 20",
        low=1e-6,
    )

    @property
    def streams(self) -> int:
        """Outputs of the agent network beside its action values."""
        return 0

    @property
    def n_networks(self) -> int:
        """Agent networks that the learner unrolls over a batch, so that replay keeps what each remembers."""
        return 1

    def agent_networks(self, params: Any) -> tuple[Any, ...]:
        """Their parameters, those of the acting one first."""
        return (params.agent,)

    @property
    def noisy_state(self) -> bool:
        """Whether noise takes the state's place in replay, the control for mixers that read it."""
        return False

    def check(self, env: Environment) -> None:
        """Whether the fields agree with each other and with the environment.

        Raises:
            InputError: for fields that do nothing beside others, continuous actions, a table over observations that
                are not one-hot, groups of other agents, or rewards of agents that the environment or the team's value
                does not know.
        """
        check_needs(self)
        spec = env.spec
        groups_of(self.sharing, spec.n_agents)
        if spec.continuous:
            raise InputError(f"{spec.name} has continuous actions; a value learner needs discrete ones to choose from")
        if isinstance(self.agent, TabularAgent) and not spec.one_hot_obs:
            appended = "; set agent_id=False last_action=False" if self.agent_id or self.last_action else ""
            raise InputError(f"agent=tabular needs one-hot observations, which {spec.name} does not give{appended}")
        if isinstance(self.agent, TabularAgent) and self.sharing != "shared":
            raise InputError(
                f"sharing={self.sharing!r} does nothing to agent=tabular, which has a table for each agent; "
                "leave it at 'shared'"
            )
        if self.learns_from_agent_rewards and not self.values_agents_apart:
            raise InputError("reward='agents' needs a value of every agent; use algorithm iql or reward='team'")
        if self.learns_from_agent_rewards and not spec.agent_rewards:
            raise InputError(f"reward='agents': {spec.name} rewards the team alone; use reward='team'")

    def test_metrics(
        self, params: Any, env: Environment, env_params: EnvParams, key: Key[Array, ""], episodes: int
    ) -> Metrics:
        """Nothing beside greedy episodes."""
        return {}

    def initial_carry(self, batch: tuple[int, ...]) -> Any:
        """What each agent network remembers before an episode; `batch` is (B or 1, N)."""
        return (self.agent.initial_carry(batch),) * self.n_networks

    def act(
        self, state: LearnerState, carry: Any, view: View, key: Key[Array, ""], progress: Progress
    ) -> tuple[Int[Array, "B N"], Any, tuple[()]]:
        """Behaviour: ε-greedy on local values, with ε by the run's own step count; or uniform."""
        outputs, after = self.forward_all(state.params, carry, view)
        if self.behaviour == "uniform":
            return exploration.uniform(key, view.avail, self.num_envs), after, ()
        return self.explore(state.params, outputs[0], view, key, self.epsilon(progress.env_steps)), after, ()

    def explore(
        self, params: Any, online: Unrolled, view: View, key: Key[Array, ""], epsilon: Float[Array, ""]
    ) -> Int[Array, "B N"]:
        """ε-greedy actions for what the acting network gave."""
        q = online.outputs[..., : view.avail.shape[-1]]
        return exploration.epsilon_greedy(key, q, view.avail, epsilon, self.num_envs)

    def greedy(self, params: Any, carry: Any, view: View) -> tuple[Int[Array, "_ N"], Any]:
        """Decentralised execution: every agent's best action by its own value and history."""
        online, first = self.forward(params.agent, carry[0], view)
        return self.greedy_of(params, online, view), (first, *carry[1:])

    def greedy_of(self, params: Any, online: Unrolled, view: View) -> Int[Array, "_ N"]:
        """The greedy actions for what the acting network gave."""
        return greedy_actions(online.outputs, view.avail)

    def epsilon(self, env_steps: Int[Array, ""]) -> Float[Array, ""]:
        """ε after this many steps."""
        return exploration.linear_schedule(env_steps, self.epsilon_start, self.epsilon_end, self.epsilon_anneal)

    def forward(self, agent_params: Any, carry: Any, view: View) -> tuple[Unrolled, Any]:
        """One frame through an agent network: outputs and features [B or 1, N, ·], and what it remembers then."""
        n_outputs = view.avail.shape[-1] + self.streams
        outputs, features, carry = self.apply_agents(agent_params, view.obs[None], carry, n_outputs)
        return Unrolled(outputs[0], features[0]), carry

    def forward_all(self, params: Any, carry: Any, view: View) -> tuple[list[Unrolled], Any]:
        """One frame through every agent network: what each gives, the acting one first, and remembers then."""
        memories = (None,) * self.n_networks if carry is None else carry
        applied = [
            self.forward(network, memory, view)
            for network, memory in zip(self.agent_networks(params), memories, strict=True)
        ]
        return [given for given, _ in applied], tuple(memory for _, memory in applied)

    def unroll(self, agent_params: Any, batch: Rollout, network: int = 0) -> Unrolled:
        """An agent network over whole rollouts; `network` says whose memory before the first frame is its own."""
        obs, carry = batch.obs.astype(jnp.float32), None
        if batch.carry is not None:
            carry = jax.tree.map(lambda leaf: leaf[0], batch.carry[network])
        n_outputs = batch.avail.shape[-1] + self.streams
        return Unrolled(*self.apply_agents(agent_params, obs, carry, n_outputs, batch.started)[:2])

    def apply_agents(
        self, agent_params: Any, obs: Any, carry: Any, n_outputs: int, started: Bool[Array, "T _"] | None = None
    ) -> tuple[Float[Array, "T _ N U"], Float[Array, "T _ N H"], Any]:
        """An agent network on sequences [T, B or 1, N, O]: outputs, features, and what agents remember at the end."""

        def apply(params: Any, obs: Array, carry: Any) -> Any:
            return self.agent.apply(params, obs, carry, n_outputs, started)

        return apply_team(self.sharing, apply, agent_params, obs, carry)

    def init_agent(self, key: Key[Array, ""], spec: EnvSpec) -> tuple[Any, int]:
        """Parameters of the agent network for the shapes of `spec`, and the width of its features."""
        n_outputs = spec.n_actions + self.streams

        def init(key: Key[Array, ""], members: int) -> Any:
            return self.agent.init(key, jnp.zeros((1, 1, members, spec.obs_dim)), None, n_outputs)

        params, obs = init_team(self.sharing, init, key, spec.n_agents), jnp.zeros((1, 1, spec.n_agents, spec.obs_dim))
        _, features, _ = jax.eval_shape(lambda: self.apply_agents(params, obs, None, n_outputs))
        return params, features.shape[-1]

    def make_optimizer(self) -> optax.GradientTransformation:
        """The update rule with this run's numbers."""
        return make_optimizer(self.optimizer, self.learning_rate, self.max_grad_norm)

    def gradient_step(
        self, loss: Callable[..., Any], params: Any, opt_state: Any, *arguments: Any
    ) -> tuple[Any, Any, Any, Metrics]:
        """One optimizer step along the gradient of `loss(params, *arguments) -> value, extra`.

        Returns:
            Parameters, optimizer state, the extra, and the metrics `loss` and `grad_norm`.
        """
        (value, extra), grads = jax.value_and_grad(self.scaled(loss), has_aux=True)(params, *arguments)
        steps, opt_state = self.make_optimizer().update(grads, opt_state, params)
        params = optax.apply_updates(params, self.scale_steps(steps))
        return params, opt_state, extra, {"loss": value, "grad_norm": global_norm(grads)}

    def scaled(self, loss: Callable[..., Any]) -> Callable[..., Any]:
        """`loss(...) -> value, extra`, its value times `loss_factor`."""
        if self.loss_factor == 1:
            return loss

        def times_factor(*arguments: Any) -> tuple[Float[Array, ""], Any]:
            value, extra = loss(*arguments)
            return self.loss_factor * value, extra

        return times_factor

    def scale_steps(self, steps: Any) -> Any:
        """The optimizer's steps, where some parameters are to move faster."""
        return steps

"""Actors and critics of a team: one network per agent with stacked parameters, or one network for all.

Where networks are as wide as agents' own observations and actions (`sizes="own"`), that holds within each group of
agents of one size, and parameters are `Grouped`.
"""

import dataclasses
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from jaxvf.envs.protocol import EnvSpec
from jaxvf.networks.members import Group, Grouped, by_group, each_member, entries, init_members
from jaxvf.trust_region.distributions import Categorical, DiagonalGaussian, Distribution
from jaxvf.trust_region.sizes import action_mask, input_groups, input_width, padded, size_groups

# Le & Ta 2025.
ACTOR_GAIN = 0.01
CRITIC_GAIN = 1.0
INITIAL_XI = 1.0


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """Networks of M members: parameters of their own, stacked along a leading axis, or `shared`."""

    module: nn.Module
    n_outputs: int
    gain: float
    shared: bool

    def init(self, key: Key[Array, ""], width: int, members: int) -> Any:
        """Parameters for inputs of this width."""

        def one(key: Key[Array, ""]) -> Any:
            x, started = jnp.zeros((1, 1, width)), jnp.zeros((1, 1), bool)
            return self.module.init(key, x, self.initial_carry((1,)), started, self.n_outputs, self.gain)

        return one(key) if self.shared else init_members(one, key, members)

    def unroll(
        self, params: Any, x: Float[Array, "T B M I"], carry: Float[Array, "B M H"], started: Bool[Array, "T B"]
    ) -> tuple[Float[Array, "T B M U"], Float[Array, "T B M H"]]:
        """Outputs of all members, and what they remember after every frame."""

        def one(params: Any, x: Array, carry: Array) -> tuple[Array, Array]:
            return self.unroll_one(params, x, carry, started)

        return each_member(one, params, x, carry, shared=self.shared)

    def unroll_one(
        self, params: Any, x: Float[Array, "T B I"], carry: Float[Array, "B H"], started: Bool[Array, "T B"]
    ) -> tuple[Float[Array, "T B U"], Float[Array, "T B H"]]:
        """Outputs of one member, of its own parameters."""
        applied: Any = self.module.apply(params, x, carry, started, self.n_outputs, self.gain)
        return applied

    def initial_carry(self, batch: tuple[int, ...]) -> Float[Array, "*batch H"]:
        """What is remembered before an episode."""
        module: Any = self.module
        return module.initial_carry(batch)


class ActorParams(NamedTuple):
    """Parameters of the actors: their networks, and ξ of the standard deviation where actions are continuous."""

    network: Any
    xi: Float[Array, "*N A"] | None


@dataclasses.dataclass(frozen=True)
class Actors:
    """The policies of a team."""

    module: nn.Module
    shared: bool
    own_sizes: bool = False

    def init(self, key: Key[Array, ""], spec: EnvSpec) -> ActorParams | Grouped:
        """Fresh parameters for the shapes of `spec`."""
        groups = size_groups(spec) if self.own_sizes else ()
        if not groups:
            everyone = Group(tuple(range(spec.n_agents)), None, spec.n_actions)
            return self._init_group(key, everyone, spec)
        keys = jax.random.split(key, len(groups))
        parts = (self._init_group(own, group, spec) for own, group in zip(keys, groups, strict=True))
        return Grouped(tuple(parts), groups)

    def _init_group(self, key: Key[Array, ""], group: Group, spec: EnvSpec) -> ActorParams:
        members, n_actions = len(group.agents), group.outputs or spec.n_actions
        network = self.ensemble(n_actions).init(key, input_width(group, spec.obs_dim), members)
        shape = (n_actions,) if self.shared else (members, n_actions)
        return ActorParams(network, jnp.full(shape, INITIAL_XI) if spec.continuous else None)

    def policies(
        self,
        params: ActorParams | Grouped,
        obs: Float[Array, "T B N O"],
        carry: Float[Array, "B N H"],
        started: Bool[Array, "T B"],
        avail: Bool[Array, "T B N A"],
    ) -> tuple[Distribution, Float[Array, "T B N H"]]:
        """All agents' action distributions [T, B, N], and what they remember after every frame."""
        if isinstance(params, Grouped):
            return self._policies_by_group(params, obs, carry, started, avail)
        outputs, states = self.ensemble(avail.shape[-1]).unroll(params.network, obs, carry, started)
        return distribution(outputs, params.xi, avail), states

    def _policies_by_group(
        self, params: Grouped, obs: Array, carry: Array, started: Array, avail: Array
    ) -> tuple[Distribution, Array]:
        """Every group's networks on its own entries; distributions are padded with actions that nobody has."""
        n_actions = avail.shape[-1]

        def unrolled(part: ActorParams, group: Group, obs: Array, carry: Array) -> tuple[Array, Array]:
            own = entries(obs, group.inputs)
            outputs, states = self.ensemble(group.outputs or n_actions).unroll(part.network, own, carry, started)
            return padded(outputs, n_actions), states

        def deviations(part: ActorParams, group: Group) -> Array:
            assert part.xi is not None
            return padded(jnp.broadcast_to(part.xi, (len(group.agents), part.xi.shape[-1])), n_actions)

        outputs, states = by_group(unrolled, params, obs, carry)
        xi = None if params.parts[0].xi is None else by_group(deviations, params)
        return distribution(outputs, xi, avail & action_mask(params.groups, n_actions)), states

    def policy(
        self,
        params: ActorParams,
        obs: Float[Array, "T B O"],
        carry: Float[Array, "B H"],
        started: Bool[Array, "T B"],
        avail: Bool[Array, "T B A"],
    ) -> Distribution:
        """One agent's action distributions [T, B], of its own (or the shared) parameters."""
        outputs, _ = self.ensemble(avail.shape[-1]).unroll_one(params.network, obs, carry, started)
        return distribution(outputs, params.xi, avail)

    def ensemble(self, n_outputs: int) -> Ensemble:
        """The networks alone."""
        return Ensemble(self.module, n_outputs, ACTOR_GAIN, self.shared)


def distribution(
    outputs: Float[Array, "*b A"], xi: Float[Array, "*n A"] | None, avail: Bool[Array, "*b A"]
) -> Distribution:
    """Logits, or means beside ξ, as a distribution over actions."""
    return Categorical.of(outputs, avail) if xi is None else DiagonalGaussian.of(outputs, xi, avail)


CRITICS = ("state", "agent_state", "own_state", "state_per_agent", "observation")


@dataclasses.dataclass(frozen=True)
class Critic:
    """State values, with an axis M: 1 for "state", else N.

    "state": one network on the state; "agent_state": one network for all agents, on the state with the agent's own
    observation appended (the simplest form of the agent-specific state that Le & Ta 2025 use in StarCraft);
    "own_state": one network for all agents, on each agent's part of a state that has one for each
    (`EnvSpec.agent_states`); "state_per_agent": a network per agent on the state; "observation": on the agent's own
    observation.
    """

    module: nn.Module
    inputs: str
    shared: bool
    own_sizes: bool = False

    def init(self, key: Key[Array, ""], spec: EnvSpec) -> Any:
        """Fresh parameters for the shapes of `spec`."""
        widths = {
            "observation": spec.obs_dim,
            "agent_state": spec.state_dim + spec.obs_dim,
            "own_state": spec.state_dim // spec.n_agents,
        }
        width = widths.get(self.inputs, spec.state_dim)
        groups = self._groups(spec)
        if not groups:
            return self._ensemble().init(key, width, self.members(spec.n_agents))
        parts = (
            self._ensemble().init(own, input_width(group, width), len(group.agents))
            for own, group in zip(jax.random.split(key, len(groups)), groups, strict=True)
        )
        return Grouped(tuple(parts), groups)

    def _groups(self, spec: EnvSpec) -> tuple[Group, ...]:
        """Agents whose inputs have one size, where those differ and are not to be padded; else nothing."""
        if not self.own_sizes or self.inputs not in ("observation", "agent_state"):
            return ()
        return input_groups(spec, spec.state_dim if self.inputs == "agent_state" else 0)

    @property
    def stacked(self) -> bool:
        """Whether every agent has value parameters of its own."""
        return not self.shared and self.inputs in ("state_per_agent", "observation")

    def members(self, n_agents: int) -> int:
        """M."""
        return 1 if self.inputs == "state" else n_agents

    def inputs_of(self, obs: Float[Array, "T B N O"], state: Float[Array, "T B S"]) -> Float[Array, "T B M I"]:
        """What each of the M values is predicted from."""
        if self.inputs == "observation":
            return obs
        if self.inputs == "own_state":
            return state.reshape(*state.shape[:2], obs.shape[2], -1)
        state = jnp.repeat(state[:, :, None], self.members(obs.shape[2]), axis=2)
        return jnp.concatenate([state, obs], axis=-1) if self.inputs == "agent_state" else state

    def unroll(
        self, params: Any, inputs: Float[Array, "T B M I"], carry: Float[Array, "B M H"], started: Bool[Array, "T B"]
    ) -> tuple[Float[Array, "T B M"], Float[Array, "T B M H"]]:
        """Values in the critic's own units, and what it remembers after every frame."""

        def unrolled(part: Any, group: Group, own: Array, carry: Array) -> tuple[Array, Array]:
            return self._ensemble().unroll(part, entries(own, group.inputs), carry, started)

        if isinstance(params, Grouped):
            outputs, states = by_group(unrolled, params, inputs, carry)
        else:
            outputs, states = self._ensemble().unroll(params, inputs, carry, started)
        return outputs[..., 0], states

    def initial_carry(self, batch: tuple[int, ...]) -> Float[Array, "*batch H"]:
        """What is remembered before an episode."""
        return self._ensemble().initial_carry(batch)

    def _ensemble(self) -> Ensemble:
        return Ensemble(self.module, 1, CRITIC_GAIN, not self.stacked)

"""The unconstrained joint value Q_C that weighted QMIX, POW, ResQ, MRVF and S2Q bootstrap from."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from jaxvf.algorithm import Rollout
from jaxvf.envs.protocol import EnvSpec
from jaxvf.mixers import UnrestrictedMixer, init_mixer, utilities_of
from jaxvf.value.frames import Frames, Unrolled
from jaxvf.value.learner import ValueLearner


class CentralParams(NamedTuple):
    """Agent networks of its own, one value per action each, and the unrestricted mixer."""

    agent: Any
    mixer: Any


class CentralValue(NamedTuple):
    """Q_C(τ, u, s) = FF(s, c_1(u_1) ... c_n(u_n)) + V(s) (Huang et al. 2026, their code; so do Rashid et al. 2020).

    Attributes:
        learner: whose kind of agent network is used, with other parameters.
        width: of the mixer's hidden layers.
        non_positive: pass it through -|·|, as ResQ's residual is.
        network: its place among the learner's agent networks (`ValueLearner.agent_networks`).
    """

    learner: ValueLearner
    width: int
    non_positive: bool = False
    network: int = 1

    @property
    def mixer(self) -> UnrestrictedMixer:
        """The mixer's module."""
        return UnrestrictedMixer(self.width, self.non_positive)

    def init(self, key: Key[Array, ""], spec: EnvSpec) -> CentralParams:
        """Fresh networks."""
        agent_key, mixer_key = jax.random.split(key)
        agent, features = self.learner.init_agent(agent_key, spec)
        mixer = init_mixer(self.mixer, mixer_key, spec.n_agents, spec.n_actions, features, spec.state_dim)
        return CentralParams(agent, mixer)

    def unroll(self, params: CentralParams, batch: Rollout) -> Unrolled:
        """Its agents over whole rollouts."""
        return self.learner.unroll(params.agent, batch, self.network)

    def value(
        self, params: CentralParams, unrolled: Unrolled, frames: Frames, actions: Int[Array, "*#b N"]
    ) -> Float[Array, "*#b 1"]:
        """The value of joint actions in the given frames."""
        utilities = utilities_of(unrolled.outputs, unrolled.features, frames.avail, actions)
        value: Any = self.mixer.apply(params.mixer, utilities, frames.state)
        return jnp.asarray(value)

    def by_target(self, target: Any, batch: Rollout) -> Callable[..., Float[Array, "*#b 1"]]:
        """`value_of(actions, first=1, last=None)`: the (mean) value by target networks in frames `[first, last)`."""
        unrolled = self.learner.each_target(lambda each: self.unroll(each, batch), target)

        def value_of(actions: Int[Array, "*#b N"], first: int = 1, last: int | None = None) -> Float[Array, "*#b 1"]:
            frames = Frames.of(batch, first, last)
            return self.learner.mean_target(
                lambda each, mine: self.value(each, mine.frames(first, last), frames, actions), target, unrolled
            )

        return value_of

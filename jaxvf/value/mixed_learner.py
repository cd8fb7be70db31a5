"""What the learners share that mix local values by a registered mixer, with and without replay."""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from jaxvf.algorithm import Rollout
from jaxvf.envs.protocol import Environment, EnvSpec
from jaxvf.errors import InputError
from jaxvf.hyperparameters import hyperparameters, static
from jaxvf.mixers import MIXERS, Mixer, NoMixer, QmixMixer, init_mixer, utilities_of
from jaxvf.value.agents import ValueAgents
from jaxvf.value.frames import Frames, Unrolled
from jaxvf.value.learner import ValueLearner


class Networks(NamedTuple):
    """Parameters of the agent network and of the mixer, where a learner has no others."""

    agent: Any
    mixer: Any


@hyperparameters
class MixedAgents(ValueAgents):
    """Agents whose local values any registered mixer mixes."""

    mixer: Mixer = static(QmixMixer(), "how local values become a team value", registry=MIXERS)
    needs_mixer: ClassVar[bool] = True  # a value of the team is fitted, whatever the mixer

    @property
    def values_agents_apart(self) -> bool:
        """Whether nothing is mixed."""
        return isinstance(self.mixer, NoMixer)

    @property
    def streams(self) -> int:
        """One value beside the advantages of a duelling mixer's agents."""
        return int(self.mixer.duelling)

    @property
    def noisy_state(self) -> bool:
        """Whether the mixer's context is noise."""
        return getattr(self.mixer, "context", None) == "noise"

    def check(self, env: Environment) -> None:
        """Whether the fields agree with each other and with the environment.

        Raises:
            InputError: as every value learner; for noise where the state is read elsewhere too: only the mixer's input
                may be replaced; for no mixer where a value of the team is fitted, and for parts of a mixer that see
                different contexts.
        """
        super().check(env)
        if self.needs_mixer and self.values_agents_apart:
            raise InputError(
                f"mixer=none gives each agent a value, and {type(self).__name__} fits one of the team; use mixer=vdn"
            )
        inner = getattr(self.mixer, "monotone", None)
        if inner is not None and self.mixer.fixee == "monotone" and inner.context != self.mixer.context:
            raise InputError(
                f"mixer.monotone.context={inner.context!r} beside mixer.context={self.mixer.context!r}: all weights "
                "see one context; set both"
            )
        if self.noisy_state and self.reads_state:
            raise InputError("mixer.context=noise would replace the state of other networks too; use zeros")

    @property
    def reads_state(self) -> bool:
        """Whether anything but the mixer depends on the state."""
        return True

    def init_mixer(self, key: Key[Array, ""], spec: EnvSpec, features: int) -> Any:
        """Parameters of the mixer for the shapes of `spec`."""
        return init_mixer(self.mixer, key, spec.n_agents, spec.n_actions, features, spec.state_dim)

    def mix(
        self, mixer_params: Any, unrolled: Unrolled, frames: Frames, actions: Int[Array, "*#b N"]
    ) -> tuple[Float[Array, "*#b M"], Float[Array, "*#b 1"]]:
        """The mixed value of joint actions, and what the mixer asks the loss to add in each frame."""
        utilities = utilities_of(unrolled.outputs, unrolled.features, frames.avail, actions)
        value, sown = self.mixer.apply(mixer_params, utilities, frames.state, mutable=["losses"])
        return value, sum(jax.tree.leaves(sown), jnp.zeros((1,) * value.ndim))

    def joint_values(self, params: Any, batch: Rollout) -> dict[str, Float[Array, "F _ _"]]:
        """The team value of the stored actions; one for each agent where nothing is mixed."""
        frames = Frames.of(batch)
        return {"q_tot": self.mix(params.mixer, self.unroll(params.agent, batch), frames, frames.actions)[0]}


@hyperparameters
class MixedLearner(MixedAgents, ValueLearner):
    """Base of the learners from replay that mix local values by any registered mixer."""

"""Stepping environments forever."""

import dataclasses

import jax
from jaxtyping import Array, Key

from jaxvf.envs.protocol import Environment, EnvParams, EnvState, JointActions, Outcome, View, where_done


@dataclasses.dataclass(frozen=True)
class AutoReset:
    """Steps a batch of environments forever: whoever is done starts anew within the same step.

    Attributes:
        env: the environment to step.
        keep_final: also return the view *before* the reset, which a truncated step bootstraps from.
    """

    env: Environment
    keep_final: bool = False

    def init(self, key: Key[Array, ""], params: EnvParams, num_envs: int) -> tuple[EnvState, View]:
        """First states and views of `num_envs` environments."""
        states = self.env.init_batch(key, params, num_envs)
        return states, self.env.observe_batch(states, params)

    def step(
        self, key: Key[Array, ""], states: EnvState, actions: JointActions, params: EnvParams
    ) -> tuple[EnvState, Outcome, View, View | None]:
        """One step of every environment.

        Returns:
            The states to go on from; the outcome of the step just taken; the view to act on next (already of the new
            episode where the old one ended); with `keep_final` the view that the step itself led to, else None.
        """
        step_key, reset_key = jax.random.split(key)
        states, outcome = self.env.transition_batch(step_key, states, actions, params)
        final = self.env.observe_batch(states, params) if self.keep_final else None
        fresh = self.env.init_batch(reset_key, params, actions.shape[0])
        states = where_done(outcome.done, fresh, states)
        return states, outcome, self.env.observe_batch(states, params), final

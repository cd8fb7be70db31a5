"""For environments that are written for B instances at once: one instance is a batch of one."""

from typing import Any

import jax
from jaxtyping import Array, Key

from jaxvf.envs.protocol import Environment, EnvParams, EnvState, JointAction, Outcome, View


class NativeBatch(Environment):
    """Subclasses give `init_batch`, `transition_batch` and `observe_batch`; B comes first in what goes in and out.

    Random numbers are drawn for all instances at once, so a trajectory depends on B.
    """

    def init(self, key: Key[Array, ""], params: EnvParams) -> EnvState:
        return _only(self.init_batch(key, params, 1))

    def transition(
        self, key: Key[Array, ""], state: EnvState, actions: JointAction, params: EnvParams
    ) -> tuple[EnvState, Outcome]:
        return _only(self.transition_batch(key, _batch_of(state), actions[None], params))

    def observe(self, state: EnvState, params: EnvParams) -> View:
        return _only(self.observe_batch(_batch_of(state), params))


def _batch_of(one: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf[None], one)


def _only(batch: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf[0], batch)

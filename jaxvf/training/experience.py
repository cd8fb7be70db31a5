"""The contract between a program and where its batches come from: replay, or the newest rollouts."""

from typing import Any, Protocol, TypeVar, runtime_checkable

from jaxtyping import Array, Int, Key

from jaxvf.algorithm import Algorithm, Progress, Rollout
from jaxvf.envs.protocol import EnvParams
from jaxvf.training.clock import Clock
from jaxvf.training.rollout import Sums

Learner = TypeVar("Learner", bound=Algorithm, contravariant=True)


@runtime_checkable
class Experience(Protocol[Learner]):
    """Where batches of a kind of algorithm come from. Everything is of one run, except `store`."""

    @property
    def length(self) -> int:
        """Steps of a rollout."""
        ...

    @property
    def described(self) -> str:
        """What is learned from, in a few words of the plan."""
        ...

    @property
    def steps(self) -> int:
        """Environment steps of an iteration; final views, in which nobody steps, are counted as steps here."""
        ...

    def init(self, algorithm: Learner, learner: Any, env_params: EnvParams, key: Key[Array, ""]) -> Any:
        """The memory before the first iteration: a record of whatever lasts from one to the next."""
        ...

    def collect(
        self,
        algorithm: Learner,
        learner: Any,
        memory: Any,
        env_params: EnvParams,
        key: Key[Array, ""],
        progress: Progress,
    ) -> tuple[Any, Rollout, Sums]:
        """Play: the memory afterwards, what was collected, and sums (`Player.frame`)."""
        ...

    def store(self, memory: Any, fresh: Rollout, clock: Clock) -> Any:
        """Keep what ALL runs collected. Outside the map over runs a ring write is one slice, inside a scatter."""
        ...

    def updates(self, clock: Clock) -> int | Int[Array, ""]:
        """Gradient updates with which this iteration ends; the same for all runs."""
        ...

    def batch(self, memory: Any, fresh: Rollout, key: Key[Array, ""], clock: Clock) -> Rollout:
        """What one update learns from."""
        ...

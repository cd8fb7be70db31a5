"""On-policy experience: every iteration learns once from the rollout that it has just collected, and forgets it."""

import dataclasses
from typing import Any

from jaxtyping import Array, Key

from jaxvf.algorithm import BaselineLearner, OnPolicyLearner, Progress, Rollout
from jaxvf.envs.one_step_game import one_step_game
from jaxvf.envs.protocol import Environment, EnvParams
from jaxvf.envs.wrappers import EpisodeStatistics
from jaxvf.training.clock import Clock
from jaxvf.training.rollout import Collector, Player, Stage, Sums


@dataclasses.dataclass(frozen=True)
class OnPolicy:
    """The newest rollout is the batch.

    Attributes:
        env: the environment as the algorithm sees it.
        num_envs: environments that collect side by side.
        length: steps of each in an iteration.
    """

    env: Environment
    num_envs: int
    length: int

    @staticmethod
    def of(algorithm: OnPolicyLearner, env: Environment) -> "OnPolicy":
        """As the algorithm's fields ask for it."""
        return OnPolicy(env, algorithm.num_envs, algorithm.rollout_length)

    @property
    def described(self) -> str:
        """Where batches come from, for the plan."""
        return f"rollouts of {self.length} step{'s' if self.length > 1 else ''}"

    @property
    def steps(self) -> int:
        """Environment steps of an iteration."""
        return self.num_envs * self.length

    @property
    def collector(self) -> Collector:
        """Plays the rollouts; a last step that ends the episode by itself has no view after it."""
        player = Player(EpisodeStatistics(self.env), self.num_envs, restart=True)
        return Collector(player, self.length, final_view=not self.env.spec.ends_within(self.length))

    def init(self, algorithm: OnPolicyLearner, learner: Any, env_params: EnvParams, key: Key[Array, ""]) -> Stage:
        """Environments at the beginning of an episode."""
        player = self.collector.player
        return player.begin(env_params, algorithm.initial_carry(player.carry_batch), key)

    def collect(
        self,
        algorithm: OnPolicyLearner,
        learner: Any,
        memory: Stage,
        env_params: EnvParams,
        key: Key[Array, ""],
        progress: Progress,
    ) -> tuple[Stage, Rollout, Sums]:
        """Play on from where the last rollout ended, with drawn actions."""
        game = one_step_game(self.env)

        def policy(carry: Any, view: Any, states: Any, key: Key[Array, ""]) -> tuple[Array, Any, Any]:
            actions, after, extras = algorithm.act(learner, carry, view, key, progress)
            if isinstance(algorithm, BaselineLearner) and algorithm.baseline == "exact":
                extras = extras._replace(
                    baseline=algorithm.exact_value(learner.params, carry, view, game, states.inner, env_params)
                )
            return actions, after, extras

        rollout, stage, sums = self.collector.play(env_params, policy, memory, key)
        return stage, rollout, sums

    def store(self, memory: Stage, fresh: Rollout, clock: Clock) -> Stage:
        """Nothing is kept."""
        return memory

    def updates(self, clock: Clock) -> int:
        """One."""
        return 1

    def batch(self, memory: Stage, fresh: Rollout, key: Key[Array, ""], clock: Clock) -> Rollout:
        """The newest rollout."""
        return fresh

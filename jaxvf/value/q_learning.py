"""Q-learning with value factorization: IQL, VDN, QMIX, QPLEX, DuelMIX and non-monotonic QMIX are one learner.

The mixer is a field. Everything else (target, exploration, optimizer) is shared, as in PyMARL's `q_learner`.
"""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from jaxvf.algorithm import Metrics, Progress, Rollout
from jaxvf.envs.protocol import Environment, EnvSpec
from jaxvf.errors import InputError
from jaxvf.hyperparameters import hyperparameters, static, traced
from jaxvf.value import exploration, rnd
from jaxvf.value.agents import LearnerState
from jaxvf.value.frames import Frames, Unrolled, greedy_actions, mean_over_steps
from jaxvf.value.mixed_learner import MixedLearner, Networks
from jaxvf.value.moments import Moments
from jaxvf.value.returns import OFF_POLICY

NOVELTIES = ("none", "state", "observations")
BONUS = ("novelty", *NOVELTIES[1:])  # where there is one


@hyperparameters
class QLearning(MixedLearner):
    """Regresses the mixed value of stored actions on a bootstrapped target.

    With `novelty` the reward is r + β·bonus (Hu et al. 2026, eq. 31), β falling to 0 in `novelty_anneal` steps. The
    paper states neither β nor the sizes of the bonus's networks; they are chosen here.
    """

    needs_mixer: ClassVar[bool] = False
    bootstrap: str = static(
        "double_q",
        "which action the target values: the online network's, the target's own, or the stored one",
        choices=("double_q", "max", "sarsa"),
    )
    standardize: str = static(
        "none",
        "rewards, or the returns that values regress on, in running deviations from their running mean (EPyMARL)",
        choices=("none", "rewards", "returns"),
    )
    noise_mode: str = static(
        "per_step",
        "when mixer.context='noise' is drawn: once a step, to be kept in replay, or anew in every update",
        choices=("per_step", "per_update"),
    )
    novelty: str = static("none", "what earns a bonus for its novelty (RND)", choices=NOVELTIES)
    novelty_width: int = static(64, "width of the bonus's networks", low=1)
    novelty_weight: float = traced(0.01, "β, weight of the bonus at the first step", low=0, needs=BONUS)
    novelty_anneal: float = traced(
        5_000_000, "environment steps in which β falls to 0: half of the paper's 10M", low=0, needs=BONUS
    )
    novelty_learning_rate: float = traced(1e-4, "Adam's step size for the bonus's predictor", low=0, needs=BONUS)

    def check(self, env: Environment) -> None:
        """Whether the fields agree with each other and with the environment.

        Raises:
            InputError: as every value learner, for noise that is drawn anew where no noise is, and for returns that
                treat stored actions apart where targets value those.
        """
        super().check(env)
        if self.returns in OFF_POLICY and self.bootstrap == "sarsa":
            raise InputError(
                f"returns={self.returns!r} asks where stored actions are not greedy, and bootstrap='sarsa' values the "
                "stored ones; use returns='td_lambda' or bootstrap='double_q'"
            )
        if self.noise_mode == "per_update" and not self.noisy_state:
            raise InputError("noise_mode='per_update' needs mixer.context='noise'; use noise_mode='per_step'")

    @property
    def reads_state(self) -> bool:
        """The bonus may; nothing else does."""
        return self.novelty == "state"

    def init(self, key: Key[Array, ""], spec: EnvSpec) -> LearnerState:
        """Fresh networks for the shapes of `spec`; the target starts as a copy."""
        agent_key, mixer_key, novelty_key = jax.random.split(key, 3)
        agent, features = self.init_agent(agent_key, spec)
        params = Networks(agent, self.init_mixer(mixer_key, spec, features))
        size = {"none": 0, "state": spec.state_dim, "observations": spec.obs_dim}[self.novelty]
        novelty = rnd.init(novelty_key, size, self.novelty_width) if size else ()
        optimizer, targets = self.make_optimizer().init(params), self.start_targets(params)
        values = spec.n_agents if self._apart else 1
        running = () if self.standardize == "none" else Moments.start(values, standard=True)
        return LearnerState(params, targets, optimizer, novelty, running)

    @property
    def _apart(self) -> bool:
        """Whether statistics are of each agent."""
        return self.values_agents_apart if self.standardize == "returns" else self.learns_from_agent_rewards

    def update(
        self, state: LearnerState, batch: Rollout, key: Key[Array, ""], progress: Progress
    ) -> tuple[LearnerState, Metrics]:
        """One gradient step on a batch; then the target is updated.

        Args:
            state: what learning changes.
            batch: rollouts, leaves [F or T, B or 1, ...].
            key: random key of this update.
            progress: how far the run is.
        """
        if self.noise_mode == "per_update":
            batch = batch._replace(state=jax.random.normal(key, batch.state.shape))
        batch, running = self._standardized_rewards(batch, state.running)
        batch, novelty, bonus = self._reward(state.novelty, batch, progress)
        params, opt_state, (running, means), metrics = self.gradient_step(
            self._loss, state.params, state.opt_state, state.target_params, batch, progress, running
        )
        target_params = self.update_target(params, state.target_params, progress, batch)
        return LearnerState(params, target_params, opt_state, novelty, running), {**metrics, **means, **bonus}

    def _loss(
        self, params: Networks, target_params: Any, batch: Rollout, progress: Progress, running: Any
    ) -> tuple[Float[Array, ""], tuple[Any, Metrics]]:
        unrolled = self.unroll(params.agent, batch)
        steps = batch.reward.shape[0]
        now = Frames.of(batch, 0, steps)
        value, penalty = self.mix(params.mixer, unrolled.frames(0, steps), now, now.actions)
        target = self._targets(unrolled, target_params, batch, progress, running)
        if self.standardize == "returns":
            running = running.including_steps(target, batch.filled)
            target = running.standardized(target)
        loss = mean_over_steps((value - target) ** 2 + penalty, batch.filled)
        means = {"value": mean_over_steps(value, batch.filled), "target": mean_over_steps(target, batch.filled)}
        if self.standardize != "none":
            means |= {f"{self.standardize}_mean": running.mean.mean()}
            means |= {f"{self.standardize}_deviation": jnp.sqrt(running.variance).mean()}
        return loss, (running, means)

    def _targets(
        self, online: Unrolled, target_params: Any, batch: Rollout, progress: Progress, running: Any
    ) -> Float[Array, "T B M"]:
        """Targets around the target network's value of the next frame; SARSA's are Hu et al. 2026, eq. 29 and 30.

        In units of rewards: where values are standardized they are restored by the statistics so far.
        """
        target = self.each_target(lambda each: self.unroll(each.agent, batch).frames(1, None), target_params)
        then = Frames.of(batch, 1)
        if self.bootstrap == "sarsa":
            following = then.actions
        elif self.bootstrap == "double_q":
            following = greedy_actions(online.frames(1, None).outputs, then.avail)
        else:
            following = greedy_actions(self.mean_target(lambda each: each.outputs, target), then.avail)

        def value_of(actions: Int[Array, "_ _ N"]) -> Float[Array, "_ _ M"]:
            value = self.mean_target(
                lambda each, unrolled: self.mix(each.mixer, unrolled, then, actions)[0], target_params, target
            )
            return running.restored(value) if self.standardize == "returns" else value

        return self.td_targets(batch, progress, following, value_of)

    def _standardized_rewards(self, batch: Rollout, running: Any) -> tuple[Rollout, Any]:
        """The batch with standardized rewards, and the statistics with these rewards."""
        if self.standardize != "rewards":
            return batch, running
        rewards = batch.agent_rewards if self.learns_from_agent_rewards else batch.reward[..., None]
        assert rewards is not None  # the program has checked
        running = running.including_steps(rewards, batch.filled)
        rewards = running.standardized(rewards)
        if self.learns_from_agent_rewards:
            return batch._replace(agent_rewards=rewards), running
        return batch._replace(reward=rewards[..., 0]), running

    def _reward(self, novelty: Any, batch: Rollout, progress: Progress) -> tuple[Rollout, Any, Metrics]:
        """The batch with the bonus added to its rewards; a step whose successor is not stored earns none."""
        if self.novelty == "none":
            return batch, novelty, {}
        following = (batch.state if self.novelty == "state" else batch.obs)[1:].astype(jnp.float32)
        mask = batch.filled[: following.shape[0]]
        if batch.started is not None:  # an episode that terminated made room for the next: its last view is not stored
            mask = mask * ~batch.terminated[: following.shape[0]]  # a row of a payoff batch counts several times
        shape = jnp.broadcast_shapes(mask.shape, following.shape[:2])  # rows of a payoff batch count, but look alike
        following, mask = jnp.broadcast_to(following, (*shape, *following.shape[2:])), jnp.broadcast_to(mask, shape)
        if self.novelty == "observations":
            mask = jnp.broadcast_to(mask[..., None], following.shape[:3])
        bonus, novelty = rnd.bonus(
            novelty, following, mask, width=self.novelty_width, learning_rate=self.novelty_learning_rate
        )
        if self.novelty == "observations":
            bonus = bonus.mean(axis=-1)
        bonus = jnp.pad(bonus, ((0, batch.reward.shape[0] - bonus.shape[0]), (0, 0)))
        weight = exploration.linear_schedule(progress.env_steps, self.novelty_weight, 0.0, self.novelty_anneal)
        batch = batch._replace(reward=batch.reward + weight * bonus)
        if self.learns_from_agent_rewards:
            assert batch.agent_rewards is not None  # the program has checked
            batch = batch._replace(agent_rewards=batch.agent_rewards + (weight * bonus)[..., None])
        return batch, novelty, {"novelty": mean_over_steps(bonus[..., None], batch.filled)}

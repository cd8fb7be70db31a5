"""The trust-region learner: IPPO, MAPPO, HAPPO, HATRPO, their clipped forms, CoPPO and A2PO by configuration."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jaxvf.envs.protocol import EnvSpec, View
from jaxvf.errors import InputError
from jaxvf.hyperparameters import hyperparameters
from jaxvf.trust_region import advantages
from jaxvf.trust_region.actor_critic import ActorParams, Actors, Critic
from jaxvf.trust_region.actor_update import ActorState, learning_rate
from jaxvf.trust_region.batches import Metrics, Samples, Segment, make_optimizer
from jaxvf.trust_region.critic_update import CriticState, Regression, critic_update
from jaxvf.trust_region.diagnostics import by_position_and_agent
from jaxvf.trust_region.distributions import Distribution, repeated
from jaxvf.trust_region.joint import update_jointly
from jaxvf.trust_region.networks import Table
from jaxvf.trust_region.sequential import update_in_turn, update_order, update_shared_in_turn
from jaxvf.trust_region.settings import Settings
from jaxvf.trust_region.value_norm import ValueNorm
from jaxvf.value.learner import Progress

SMALLEST_VALUE = 1e-6  # where A/V is a score


class Params(NamedTuple):
    """Parameters of actors and critic."""

    actor: ActorParams
    critic: Any


class LearnerState(NamedTuple):
    """What learning changes."""

    params: Params
    opt_state: Any
    norm: ValueNorm


class Estimates(NamedTuple):
    """What the critic makes of a segment, [T, B, M]; M is 1 where one value serves all agents."""

    value: Float[Array, "T B M"]
    td: Float[Array, "T B M"]
    advantage: Float[Array, "T B M"]
    regression: Regression | None


@hyperparameters
class TrustRegion(Settings):
    """On-policy actors that move within a trust region, one after another or at once, and a central critic."""

    def check(self) -> None:
        """Whether numbers that are known agree with each other.

        Raises:
            InputError: for weights whose bounds are crossed.
        """
        low, high = self.weight_low, self.weight_high
        if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
            raise InputError(f"weight_low={low!r} is above weight_high={high!r}; the lowest weight comes first")

    @property
    def on_policy(self) -> bool:
        """It learns from what it has just collected, and from nothing older."""
        return True

    @property
    def noisy_state(self) -> bool:
        """No noise takes the state's place."""
        return False

    @property
    def remembers(self) -> bool:
        """Whether gradients run through sequences: the actor or the critic is recurrent."""
        return any(carry.shape[-1] for carry in (self.initial_carry((1, 1)), self.initial_critic_carry(1, 1)))

    @property
    def shared(self) -> bool:
        """Whether all agents are one network."""
        return self.parameters == "shared"

    @property
    def actors(self) -> Actors:
        """The policies, without their parameters."""
        return Actors(self.actor, self.shared)

    @property
    def values(self) -> Critic:
        """The critic, without its parameters."""
        return Critic(self.critic, self.critic_inputs, self.shared)

    def init(self, key: Key[Array, ""], spec: EnvSpec) -> LearnerState:
        """Fresh networks for the shapes of `spec`.

        Raises:
            InputError: for fields that contradict each other, or a table over observations that are not one-hot.
        """
        self._check(spec)
        actor_key, critic_key = jax.random.split(key)
        actor = self.actors.init(actor_key, spec)
        critic = self.values.init(critic_key, spec) if self.baseline == "critic" else ()
        init: Any = make_optimizer(0.0, 1.0).init  # the state does not depend on these numbers
        actor_init = init if self.shared else jax.vmap(init)
        critic_init = jax.vmap(init) if self.values.stacked and critic != () else init
        return LearnerState(Params(actor, critic), (actor_init(actor), critic_init(critic)), ValueNorm.start())

    def initial_carry(self, batch: tuple[int, ...]) -> Any:
        """What the actors remember before an episode; `batch` is (B or 1, N)."""
        return self.actors.ensemble(1).initial_carry(batch)

    def initial_critic_carry(self, num_envs: int, n_agents: int) -> Any:
        """What the critic remembers before an episode."""
        return self.values.initial_carry((num_envs, self.values.members(n_agents)))

    def critic_memory(self, state: LearnerState, segment: Segment) -> Float[Array, "_ M H"]:
        """What the critic remembers after a segment."""
        if self.baseline == "exact":
            return segment.critic_carry
        seen = self.values.seen(segment.obs, segment.state)
        return self.values.unroll(state.params.critic, seen, segment.critic_carry, segment.started)[1][-1]

    def look(self, params: ActorParams, carry: Any, view: View) -> tuple[Distribution, Any]:
        """One frame: distributions [B or 1, N], and what the actors remember then."""
        started = jnp.zeros((1, view.obs.shape[0]), bool)
        seen, states = self.actors.policies(params, view.obs[None], carry, started, view.avail[None])
        return jax.tree.map(lambda leaf: leaf[0], seen), states[0]

    def act(
        self, params: ActorParams, carry: Any, view: View, key: Key[Array, ""], num_envs: int
    ) -> tuple[Array, Float[Array, "B N"], Any]:
        """Drawn actions, their log-probabilities, and what the actors remember then."""
        seen, carry = self.look(params, carry, view)
        seen = repeated(seen, num_envs)
        actions = seen.sample(key)
        return actions, seen.log_prob(actions), carry

    def greedy(self, params: Params, carry: Any, view: View) -> tuple[Array, Any]:
        """Decentralised execution: every agent's likeliest action by its own history."""
        seen, carry = self.look(params.actor, carry, view)
        return seen.mode(), carry

    def update(
        self, state: LearnerState, segment: Segment, key: Key[Array, ""], progress: Progress
    ) -> tuple[LearnerState, Metrics]:
        """All actors, then the critic, on one segment (low_variance_trust_region.md, 2.2).

        Returns:
            The learner, and its metrics: numbers, and vectors [N] named `..._by_position` and `..._by_agent`.
        """
        order_key, actor_key, critic_key = jax.random.split(key, 3)
        estimates = self.estimate(state, segment)
        actor = ActorState(state.params.actor, state.opt_state[0])
        rate = learning_rate(self, self.learning_rate, progress.env_steps)
        actor, facts = self._update_actors(actor, segment, estimates, order_key, actor_key, rate)
        critic = CriticState(state.params.critic, state.opt_state[1], state.norm)
        learned: Metrics = {}
        if estimates.regression is not None:
            rate = learning_rate(self, self.critic_learning_rate, progress.env_steps)
            critic, learned = critic_update(self, self.values, critic, estimates.regression, critic_key, rate)
            learned["critic_skipped"] = learned.pop("skipped")
        learned |= {"value": estimates.value.mean(), "advantage_std": estimates.advantage.std()}
        params = Params(actor.params, critic.params)
        return LearnerState(params, (actor.opt_state, critic.opt_state), critic.norm), learned | facts

    def estimate(self, state: LearnerState, segment: Segment) -> Estimates:
        """Values, TD errors and advantages, with the statistics of returns as they were before this update."""
        if segment.baseline is not None:
            # A one-step game: the return is the reward.
            td = (segment.reward - segment.baseline)[..., None]
            return Estimates(jnp.broadcast_to(segment.baseline, segment.reward.shape)[..., None], td, td, None)
        seen = self.values.seen(segment.obs, segment.state)
        old, states = self.values.unroll(state.params.critic, seen, segment.critic_carry, segment.started)
        after = self.values.seen(segment.next_obs, segment.next_state)
        units = state.norm.restore if self.value_norm else (lambda values: values)
        value, following = (units(each) for each in (old, self.values.look(state.params.critic, after, states)))
        last = segment.terminated | segment.truncated if self.truncation == "terminate" else segment.terminated
        reward, last = segment.reward[..., None], last[..., None]
        td = advantages.td_errors(reward, value, following, last, discount=self.discount)
        advantage = self._advantages(td, segment, self.td_lambda)
        carry = jnp.concatenate([segment.critic_carry[None], states[:-1]])
        regression = Regression(seen, carry, segment.started, jnp.broadcast_to(old, td.shape), advantage + value)
        return Estimates(jnp.broadcast_to(value, td.shape), td, advantage, regression)

    def _advantages(self, td: Float[Array, "T B M"], segment: Segment, trace: float | Array) -> Float[Array, "T B M"]:
        ends = (jnp.broadcast_to(flag[..., None], td.shape) for flag in (segment.terminated, segment.truncated))
        return advantages.generalized_advantages(
            td, *ends, discount=self.discount, trace=trace, truncation=self.truncation
        )

    def _update_actors(
        self,
        actor: ActorState,
        segment: Segment,
        estimates: Estimates,
        order_key: Key[Array, ""],
        key: Key[Array, ""],
        rate: Float[Array, ""],
    ) -> tuple[ActorState, Metrics]:
        shape = segment.log_prob.shape
        advantage = jnp.broadcast_to(estimates.advantage, shape)
        advantage = advantages.normalize(advantage, segment.alive, self.normalization)
        samples = Samples(
            segment.obs, segment.avail, segment.alive, segment.carry, segment.actions, segment.log_prob,
            advantage, None, segment.started,
        )  # fmt: skip

        def advantage_of(agent: Array, log_weight: Float[Array, "T B"]) -> Float[Array, "T B"]:
            mine = advantage if self.trace == "gae" else self.reestimated(estimates, segment, log_weight)
            return jnp.take(mine, agent, axis=2)

        agents = shape[-1]
        order = jnp.arange(agents)
        if self.updates == "joint":
            actor, facts = update_jointly(self, self.actors, actor, samples, key, rate)
        else:
            order = update_order(self, order_key, self._scores(estimates, segment))
            if self.shared:
                actor, facts = update_shared_in_turn(self, self.actors, actor, samples, order, rate)
            else:
                actor, facts = update_in_turn(self, self.actors, actor, samples, advantage_of, order, key, rate)
        total = {name: facts[name].mean() for name in ("actor_loss", "entropy", "kl_mean", "trials")}
        total["skipped"] = facts["skipped"].sum()
        return actor, total | by_position_and_agent(facts, order)

    def reestimated(
        self, estimates: Estimates, segment: Segment, log_weight: Float[Array, "T B"]
    ) -> Float[Array, "T B N"]:
        """A2PO: later TD errors count by min(1, ratio of the agents that moved) in each step (section 3)."""
        trace = self.td_lambda * jnp.exp(jnp.minimum(log_weight, 0.0))
        again = self._advantages(estimates.td, segment, trace[..., None])
        again = jnp.broadcast_to(again, segment.log_prob.shape)
        return advantages.normalize(again, segment.alive, self.normalization)

    def _scores(self, estimates: Estimates, segment: Segment) -> Float[Array, "N"]:
        """Mean |A/V| by agent over its living samples: who has most to gain moves first (A2PO, section 3)."""
        scores = jnp.abs(estimates.advantage) / jnp.maximum(jnp.abs(estimates.value), SMALLEST_VALUE)
        scores = jnp.broadcast_to(scores, segment.log_prob.shape)
        return advantages.masked_mean(scores, segment.alive, (0, 1))[0, 0]

    def _check(self, spec: EnvSpec) -> None:
        one_hot = spec.one_hot_obs
        appended = "; set agent_id=False last_action=False" if self.agent_id or self.last_action else ""
        if isinstance(self.actor, Table) and not one_hot:
            raise InputError(f"actor=tabular needs one-hot observations, which {spec.name} does not give{appended}")
        if isinstance(self.critic, Table) and self.critic_inputs == "observation" and not one_hot:
            raise InputError(f"critic=tabular needs one-hot observations, which {spec.name} does not give{appended}")
        if self.shared and self.step == "natural":
            raise InputError("parameters='shared' has no natural-gradient step; use parameters='independent'")
        if self.updates == "joint" and self.step == "natural":
            raise InputError("updates='joint' has no natural-gradient step; use updates='sequential'")
        if self.updates == "joint" and (self.trace, self.clip_schedule) != ("gae", "constant"):
            raise InputError("updates='joint' has no positions; use trace='gae' clip_schedule='constant'")
        if self.shared and self.updates == "sequential" and self.trace != "gae":
            raise InputError("parameters='shared' has no off-policy trace; use trace='gae'")
        if self.shared and self.updates == "sequential" and self.minibatches != 1:
            raise InputError(
                f"minibatches={self.minibatches} with parameters='shared' would count ratios twice; use minibatches=1"
            )
        if spec.continuous and self.kl != "exact":
            raise InputError(
                f"kl={self.kl!r} is of discrete actions, and {spec.name} has continuous ones; use kl='exact'"
            )
        if self.entropy_reduction == "sum_over_batch" and not spec.continuous:
            raise InputError(
                f"entropy_reduction='sum_over_batch' is of continuous actions, and {spec.name} has discrete ones; "
                "use entropy_reduction='mean'"
            )
        if self.weight_place == "inside" and self.step == "natural":
            raise InputError("weight_place='inside' needs a clipped own ratio; use step='clip'")

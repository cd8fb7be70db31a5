"""The trust-region learner: IPPO, MAPPO, HAPPO, HATRPO, their clipped forms, CoPPO and A2PO by configuration."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jaxvf.algorithm import Metrics, Progress, Rollout
from jaxvf.envs.one_step_game import OneStepGame, one_step_game
from jaxvf.envs.protocol import Environment, EnvParams, EnvSpec, EnvState, View
from jaxvf.hyperparameters import hyperparameters
from jaxvf.networks.members import Grouped, over_groups
from jaxvf.trust_region import advantages
from jaxvf.trust_region.actor_critic import ActorParams, Actors, Critic
from jaxvf.trust_region.actor_update import ActorState, learning_rate
from jaxvf.trust_region.batches import Extras, Samples, make_optimizer
from jaxvf.trust_region.checks import check_fields
from jaxvf.trust_region.critic_update import CriticState, critic_update
from jaxvf.trust_region.diagnostics import by_position_and_agent
from jaxvf.trust_region.distributions import Categorical, Distribution, repeated
from jaxvf.trust_region.estimates import Estimates, advantages_of, estimate, exact_estimates
from jaxvf.trust_region.joint import update_jointly
from jaxvf.trust_region.sequential import update_in_turn, update_order, update_shared_in_turn
from jaxvf.trust_region.settings import Settings
from jaxvf.trust_region.value_norm import ValueNorm

SMALLEST_VALUE = 1e-6  # where A/V is a score


class Params(NamedTuple):
    """Parameters of actors and critic."""

    actor: ActorParams | Grouped
    critic: Any


class LearnerState(NamedTuple):
    """What learning changes, and what the critic remembers from one rollout to the next."""

    params: Params
    opt_state: Any
    norm: ValueNorm
    critic_carry: Float[Array, "_ M H"]


@hyperparameters
class TrustRegion(Settings):
    """On-policy actors that move within a trust region, one after another or at once, and a central critic."""

    @property
    def noisy_state(self) -> bool:
        """No noise takes the state's place."""
        return False

    def check(self, env: Environment) -> None:
        """Whether the fields agree with each other and with the environment.

        Raises:
            InputError: if they do not.
        """
        check_fields(self, env, remembers=self.remembers)

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
        return Actors(self.actor, self.shared, self.sizes == "own")

    @property
    def values(self) -> Critic:
        """The critic, without its parameters."""
        return Critic(self.critic, self.critic_inputs, self.shared, self.sizes == "own")

    def init(self, key: Key[Array, ""], spec: EnvSpec) -> LearnerState:
        """Fresh networks for the shapes of `spec`."""
        actor_key, critic_key = jax.random.split(key)
        actor = self.actors.init(actor_key, spec)
        critic = self.values.init(critic_key, spec) if self.baseline == "critic" else ()
        init: Any = make_optimizer(0.0, 1.0).init  # the state does not depend on these numbers
        actor_init = init if self.shared else jax.vmap(init)
        critic_init = jax.vmap(init) if self.values.stacked and critic != () else init
        carry = self.initial_critic_carry(1 if spec.fixed_view else self.num_envs, spec.n_agents)
        optimizers = over_groups(actor_init, actor), over_groups(critic_init, critic)
        return LearnerState(Params(actor, critic), optimizers, ValueNorm.start(), carry)

    def initial_carry(self, batch: tuple[int, ...]) -> Any:
        """What the actors remember before an episode; `batch` is (B or 1, N)."""
        return self.actors.ensemble(1).initial_carry(batch)

    def initial_critic_carry(self, num_envs: int, n_agents: int) -> Any:
        """What the critic remembers before an episode."""
        return self.values.initial_carry((num_envs, self.values.members(n_agents)))

    def forward(self, params: ActorParams | Grouped, carry: Any, view: View) -> tuple[Distribution, Any]:
        """One frame: distributions [B or 1, N], and what the actors remember then."""
        started = jnp.zeros((1, view.obs.shape[0]), bool)
        policies, states = self.actors.policies(params, view.obs[None], carry, started, view.avail[None])
        return jax.tree.map(lambda leaf: leaf[0], policies), states[0]

    def act(
        self, state: LearnerState, carry: Any, view: View, key: Key[Array, ""], progress: Progress
    ) -> tuple[Array, Any, Extras]:
        """Drawn actions, what the actors remember then, and what they need to learn from the frame."""
        policy, after = self.forward(state.params.actor, carry, view)
        policy = repeated(policy, self.num_envs)
        actions = policy.sample(key)
        return actions, after, Extras(policy.log_prob(actions), carry)

    def greedy(self, params: Params, carry: Any, view: View) -> tuple[Array, Any]:
        """Decentralised execution: every agent's likeliest action by its own history."""
        policy, carry = self.forward(params.actor, carry, view)
        return policy.mode(), carry

    def exact_value(
        self, params: Params, carry: Any, view: View, game: OneStepGame, states: EnvState, env_params: EnvParams
    ) -> Float[Array, "_"]:
        """Expected reward of a one-step game under the present policies, [B or 1]."""
        policy, _ = self.forward(params.actor, carry, view)
        return _vmap_states(game.expected_reward, policy, states, env_params, view.obs.shape[0])

    def test_metrics(
        self, params: Params, env: Environment, env_params: EnvParams, key: Key[Array, ""], episodes: int
    ) -> Metrics:
        """What a one-step game knows of the team's stochastic policy, averaged over `episodes` first states."""
        game = one_step_game(env)
        if game is None:
            return {}
        states = env.init_batch(key, env_params, episodes)
        view = env.observe_batch(states, env_params)
        width = view.obs.shape[0]
        policy, _ = self.forward(params.actor, self.initial_carry((width, env.spec.n_agents)), view)
        known = _vmap_states(game.policy_metrics, policy, states, env_params, width)
        return {f"test_{name}": values.mean() for name, values in known.items()}

    def update(
        self, state: LearnerState, batch: Rollout, key: Key[Array, ""], progress: Progress
    ) -> tuple[LearnerState, Metrics]:
        """All actors, then the critic, on one rollout.

        Returns:
            The learner, and its metrics: numbers, and vectors [N] named `..._by_position` and `..._by_agent`.
        """
        order_key, actor_key, critic_key = jax.random.split(key, 3)
        estimates = self.estimate(state, batch)
        actor = ActorState(state.params.actor, state.opt_state[0])
        rate = learning_rate(self, self.learning_rate, progress.env_steps)
        actor, facts = self._update_actors(actor, batch, estimates, order_key, actor_key, rate)
        critic = CriticState(state.params.critic, state.opt_state[1], state.norm)
        learned: Metrics = {}
        if estimates.regression is not None:
            rate = learning_rate(self, self.critic_learning_rate, progress.env_steps)
            critic, learned = critic_update(self, self.values, critic, estimates.regression, critic_key, rate)
            learned["critic_skipped"] = learned.pop("skipped")
        filled = batch.filled[..., None]
        value, advantage = (advantages.masked_mean(each, filled) for each in (estimates.value, estimates.advantage))
        spread = advantages.masked_mean((estimates.advantage - advantage) ** 2, filled)
        learned |= {"value": value, "advantage_std": jnp.sqrt(spread)}
        params = Params(actor.params, critic.params)
        opt_state = (actor.opt_state, critic.opt_state)
        return LearnerState(params, opt_state, critic.norm, estimates.carry), learned | facts

    def estimate(self, state: LearnerState, rollout: Rollout) -> Estimates:
        """What the critic, or a game that knows its expected reward, makes of a rollout."""
        if self.baseline == "exact":
            return exact_estimates(rollout, state.critic_carry)
        critic = CriticState(state.params.critic, (), state.norm)
        return estimate(self, self.values, critic, state.critic_carry, rollout)

    def _update_actors(
        self,
        actor: ActorState,
        rollout: Rollout,
        estimates: Estimates,
        order_key: Key[Array, ""],
        key: Key[Array, ""],
        rate: Float[Array, ""],
    ) -> tuple[ActorState, Metrics]:
        shape = (*rollout.reward.shape, rollout.avail.shape[-2])
        samples = Samples.of(rollout, jnp.broadcast_to(estimates.advantage, shape))
        samples = samples._replace(advantage=advantages.normalize(samples.advantage, samples.alive, self.normalization))

        def reestimated(agent: Array, log_weight: Float[Array, "T B"]) -> Float[Array, "T B"]:
            """A2PO: later TD errors count by min(1, ratio of the agents that moved) in each step."""
            trace = self.td_lambda * jnp.exp(jnp.minimum(log_weight, 0.0))
            again = jnp.broadcast_to(advantages_of(self, estimates.td, rollout, trace[..., None]), shape)
            return jnp.take(advantages.normalize(again, samples.alive, self.normalization), agent, axis=2)

        order = jnp.arange(shape[-1])
        if self.updates == "joint":
            actor, facts = update_jointly(self, self.actors, actor, samples, key, rate)
        else:
            order = update_order(self, order_key, self._scores(estimates, samples))
            if self.shared:
                actor, facts = update_shared_in_turn(self, self.actors, actor, samples, order, rate)
            else:
                reestimate = reestimated if self.trace == "off_policy" else None
                actor, facts = update_in_turn(self, self.actors, actor, samples, reestimate, order, key, rate)
        total = {name: facts[name].mean() for name in ("actor_loss", "entropy", "kl_mean", "trials")}
        total["skipped"] = facts["skipped"].sum()
        return actor, total | by_position_and_agent(facts, order)

    def _scores(self, estimates: Estimates, samples: Samples) -> Float[Array, "N"]:
        """Mean |A/V| by agent over its living samples: in A2PO who has most to gain moves first."""
        scores = jnp.abs(estimates.advantage) / jnp.maximum(jnp.abs(estimates.value), SMALLEST_VALUE)
        scores = jnp.broadcast_to(scores, samples.log_prob.shape)
        return advantages.masked_mean(scores, samples.alive, (0, 1))[0, 0]


def _vmap_states(function: Any, policy: Distribution, states: EnvState, params: EnvParams, width: int) -> Any:
    """`function(policy, state, params)` of the first `width` states: of one, where all look alike."""
    chosen = jax.tree.map(lambda leaf: leaf[:width], states)
    numbers = jnp.exp(policy.logits) if isinstance(policy, Categorical) else (policy.mean, policy.std)
    return jax.vmap(function, in_axes=(0, 0, None))(numbers, chosen, params)

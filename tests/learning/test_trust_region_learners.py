"""Small, real training of the trust-region family: what the correction does to sampling, and that critics serve."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvf
from jaxvf.algorithms import make
from jaxvf.envs import Environment, EnvSpec, GaussianTeam, Outcome, SoftmaxChain, View
from jaxvf.envs.team_games import target
from jaxvf.trust_region import FeedForward, Table, TrustRegion, weight_bounds

pytestmark = pytest.mark.learning


def test_the_product_of_many_ratios_collapses_and_its_clip_does_not():
    """Softmax agents in a chain: 32 agents, 100 samples; 8 seeds of either rule in one program.

    The weight's variance on the batch explodes; clipped, it is at most B/(B - 1), and the score is higher.
    """
    batch = 100
    algorithm = TrustRegion(
        actor=Table(), baseline="exact", num_envs=batch, rollout_length=1, learning_rate=0.05, max_grad_norm=1e6
    )
    result = jaxvf.run(
        SoftmaxChain(32), algorithm, seeds=8, env_steps=100 * batch, test_episodes=1, progress="none",
        sweep={"weight_low,weight_high": [weight_bounds("is"), weight_bounds("clip1")]},
    )  # fmt: skip
    score, variance = (result.metric(name) for name in ("test_expected_return", "variance_by_position/31"))
    product, clipped = np.arange(8), np.arange(8, 16)
    assert variance[product].max() > 100
    assert (variance[clipped] <= batch / (batch - 1)).all()
    assert score[clipped, -1].mean() > score[product, -1].mean() + 0.02
    assert score[clipped, -1].mean() > 0.9


def test_agents_that_share_a_budget_learn_the_chain():
    """Four softmax agents, 24 iterations of 200 samples: four seeds play the best chain.

    While they learn, radii add up to the budget, and are unequal; when all play one chain, nobody expects a gain.
    """
    algorithm = dataclasses.replace(
        make("hatrpo_shared"), actor=Table(), baseline="exact", num_envs=200, rollout_length=1, kl_radius=0.02
    )
    result = jaxvf.run(
        SoftmaxChain(4), algorithm, seeds=4, env_steps=24 * 200, test_interval=200, test_episodes=1, progress="none"
    )
    assert (result.metric("test_expected_return")[:, -1] > 0.9).all()
    radii = np.stack([result.metric(f"radius_by_agent/{agent}") for agent in range(4)])
    np.testing.assert_allclose(radii.sum(axis=0)[:, :10], 0.08, rtol=1e-4)
    assert (radii[:, :, :3].max(axis=0) > 0.025).any() and radii.sum(axis=0).max() < 0.0801


def test_the_gaussian_team_is_learned_with_a_learned_critic(tmp_path):
    """Untrained, the team's expected reward is about -0.75; 10k steps take it beyond -0.15, action noise included.

    Its greedy policy gives real actions, and the same ones when it is saved and loaded.
    """
    small = FeedForward(hidden=16, layers=1, activation="tanh", layer_norm=False)
    algorithm = dataclasses.replace(
        make("clip_hatrpo"), actor=small, critic=small, num_envs=250, rollout_length=1,
        critic_learning_rate=5e-3, kl_radius=0.02,
    )  # fmt: skip
    options = {"env_steps": 10_000, "test_interval": 5_000, "test_episodes": 512, "progress": "none"}
    result = jaxvf.run(GaussianTeam(3), algorithm, seeds=2, **options)
    assert (result.metric("test_expected_return")[:, -1] > -0.15).all()
    policy, obs, avail = result.policy(0), jnp.ones((3, 4)), jnp.ones((3, 1), bool)
    actions, _ = policy.act(obs, avail, policy.start())
    assert actions.shape == (3, 1) and abs(actions.sum() / 3**0.5 - target(obs[0])) < 0.4
    policy.save(tmp_path)
    again = jaxvf.Policy.load(tmp_path)
    np.testing.assert_array_equal(again.act(obs, avail, again.start())[0], actions)


@dataclasses.dataclass(frozen=True)
class Whisper(Environment):
    """One of three goals is shown. Agent 0 (3 of 5 entries, 2 of 3 actions) must say its parity, agent 1 the goal."""

    @property
    def spec(self):
        return EnvSpec(
            "whisper", 1, 2, 3, 5, 3, 1, self_ending=True, fixed_length=True,
            own_obs=(((0, 3),), ((0, 5),)), own_actions=(2, 3),
        )  # fmt: skip

    def default_params(self):
        return {}

    def init(self, key, params):
        return jax.random.randint(key, (), 0, 3)

    def transition(self, key, state, actions, params):
        reward = ((actions[0] == state % 2) & (actions[1] == state)).astype(jnp.float32)
        return state, Outcome(reward, jnp.bool_(True), jnp.bool_(False), {})

    def observe(self, state, params):
        goal = jax.nn.one_hot(state, 3)
        obs = jnp.stack([jnp.concatenate([goal, own]) for own in (jnp.zeros(2), jnp.ones(2))])
        return View(obs, goal, jnp.array([[True, True, False], [True] * 3]), jnp.ones(2, bool))


def test_agents_of_two_sizes_learn_one_after_another():
    """Random play earns 1/6; both agents right earn 1. Networks 3 -> 8 -> 2 and 5 -> 8 -> 3, in random orders."""
    small = FeedForward(hidden=8, layers=1, layer_norm=False)
    algorithm = dataclasses.replace(
        make("happo"), actor=small, critic=small, sizes="own", num_envs=64, rollout_length=1,
        learning_rate=2e-2, critic_learning_rate=2e-2,
    )  # fmt: skip
    result = jaxvf.run(Whisper(), algorithm, seeds=2, env_steps=6_400, test_episodes=64, progress="none")
    np.testing.assert_array_equal(result.metric("test_return")[:, -1], 1.0)
    widths = [part.network["params"]["output"]["kernel"].shape for part in result.policy(0).params.actor.parts]
    assert widths == [(1, 8, 2), (1, 8, 3)]

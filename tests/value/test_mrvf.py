"""MRVF: what the rounds choose, who needs to know what, imagined joint actions, and improvement on random games."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from mrvf_cases import QUICK, small

from jaxvf.algorithm import Progress, Rollout
from jaxvf.envs.protocol import EnvSpec, View
from jaxvf.hyperparameters import hyperparameters, traced
from jaxvf.mixers import QmixMixer
from jaxvf.networks import FeedForwardAgent, TabularAgent
from jaxvf.value import Mrvf
from jaxvf.value.central import CentralParams
from jaxvf.value.frames import Unrolled
from jaxvf.value.imagination import imagined_actions

KEY = jax.random.key(0)


def unrolled_of(q: np.ndarray) -> Unrolled:
    """Agents of one observation id whose values in round 1 are `q` [N, A]."""
    return Unrolled(jnp.asarray(q, jnp.float32)[None, None], jnp.ones((1, 1, len(q), 1)))


def chosen_by(tables: list[np.ndarray], q, avail=None, **fields) -> list[list[int]]:
    """Joint actions of all rounds; one table [N, previous, action] per later round."""
    learner = small(agent=TabularAgent(), rounds=1 + len(tables), **fields)
    spec = EnvSpec("table", 1, n_agents=2, n_actions=3, obs_dim=1, state_dim=1, limit_max=1, one_hot_obs=True)
    shapes = jax.eval_shape(lambda key: learner.init(key, spec), KEY).params
    heads = [jnp.asarray(table, jnp.float32)[:, None] for table in tables]
    params = shapes._replace(
        rounds=tuple(
            each._replace(head={"params": {"table": head}}) for each, head in zip(shapes.rounds, heads, strict=True)
        )
    )
    avail = jnp.ones((2, 3), bool) if avail is None else jnp.asarray(avail, bool)
    choice = learner.choose(params, unrolled_of(np.asarray(q)), avail[None, None])
    return [np.asarray(joint)[0, 0].tolist() for joint in choice.actions]


Q1 = [[0, 1, 0], [3, 0, 2]]  # p^1 = (1, 0)


def test_a_round_leaves_the_anchor_only_for_more_than_the_bonus_of_staying():
    """ζ = 0.1: an advantage of 0.09 stays, of 0.11 moves; only the row of the own previous action is read."""
    for gain, action in ((0.09, 1), (0.11, 2)):
        table = np.zeros((2, 3, 3))
        table[0, 1] = [0, 5, 5 + gain]
        table[:, 2, 0] = 9  # rows of actions that nobody chose before
        assert chosen_by([table], Q1, anchor_bonus=0.1) == [[1, 0], [action, 0]]


def test_a_round_stays_when_nothing_is_better():
    """Values of later rounds start at 0, are equal, or are largest at the anchor: p^1 = p^2 = p^3."""
    best_at_anchor = np.eye(3) + np.zeros((2, 1, 1))
    for table in (np.zeros((2, 3, 3)), np.full((2, 3, 3), 7.0), best_at_anchor):
        assert chosen_by([table, table], Q1) == [[1, 0]] * 3


def test_an_unavailable_action_is_never_chosen():
    """Worth 9 in both later rounds, but not available; and with a single available action there is no choice."""
    table = np.broadcast_to([0.0, 1.0, 9.0], (2, 3, 3))
    assert chosen_by([table, table], Q1, [[1, 1, 0], [1, 0, 1]]) == [[1, 0], [1, 2], [1, 2]]
    assert chosen_by([table, table], Q1, [[1, 0, 0], [0, 1, 0]]) == [[0, 1]] * 3


def test_execution_is_decentralized(random_episodes, state_for):
    """Agent 0's action in no round changes with what agent 1 observes; agent 1's own does."""
    learner, batch = small(rounds=3, agent=FeedForwardAgent(6)), random_episodes(envs=50, steps=1, available=1.0)
    params = state_for(learner, batch, scale=1.0).params
    other = batch.obs.copy()
    other[:, :, 1] = np.random.default_rng(1).normal(size=other[:, :, 1].shape)

    @functools.partial(jax.jit, compiler_options=QUICK)
    def play(obs):
        view = View(obs, batch.state[0], jnp.asarray(batch.avail[0]), jnp.ones((50, 2), bool))
        carry = learner.initial_carry((50, 2))
        unrolled, _ = learner.forward(params.agent, carry[0], view)
        return learner.choose(params, unrolled, view.avail).actions, learner.greedy(params, carry, view)[0]

    (rounds, executed), (others, _) = play(batch.obs[0]), play(other[0])
    np.testing.assert_array_equal(executed, rounds[-1])
    for one, two in zip(rounds, others, strict=True):
        np.testing.assert_array_equal(one[:, 0], two[:, 0])
        assert (one[:, 1] != two[:, 1]).any()
    assert (rounds[0] != rounds[1]).any()


def test_the_cost_of_a_decision_is_linear_in_the_rounds(random_episodes, state_for):
    """Matrix products of `greedy` for K = 1 ... 4: three of the trunk and q^1, then as many again for each round."""
    batch = random_episodes(envs=2, steps=1)
    view = jax.tree.map(jnp.asarray, View(batch.obs[0], batch.state[0], batch.avail[0], np.ones((2, 2), bool)))
    counts = []
    for rounds in range(1, 5):
        learner = small(rounds=rounds)
        params, carry = state_for(learner, batch).params, learner.initial_carry((2, 2))
        jaxpr = jax.make_jaxpr(lambda params, carry, learner=learner: learner.greedy(params, carry, view))(
            params, carry
        )
        counts.append(str(jaxpr).count("dot_general["))
    assert counts[0] == 3
    assert len(set(np.diff(counts))) == 1 and counts[1] > counts[0]


def test_imagined_joint_actions():
    """Anchor and the round's choice first, then uniform available ones; deviations leave the anchor in one agent."""
    generator = np.random.default_rng(0)
    avail = generator.random((2, 30, 3, 4)) < 0.6
    anchor, following = jnp.asarray(generator.integers(0, 4, (2, 2, 30, 3)))
    for joint in (anchor, following):
        avail |= np.asarray(joint)[..., None] == np.arange(4)
    avail = jnp.asarray(avail)
    imagine = jax.jit(imagined_actions, static_argnums=(4, 5))
    tried, deviations = (np.asarray(each) for each in imagine(KEY, anchor, following, avail, 40, 50))
    assert tried.shape == (40, 2, 30, 3) and deviations.shape == (50, 2, 30, 3)
    np.testing.assert_array_equal(tried[0], anchor)
    np.testing.assert_array_equal(tried[1], following)
    for joint in (tried, deviations):
        assert (avail | (joint[..., None] != np.arange(4))).all()
    apart = (deviations != anchor).sum(axis=-1)
    assert set(np.unique(apart)) == {0, 1}  # a random action may be the anchor's
    left = (deviations != anchor).any(axis=(0, 1, 2))
    assert left.all()  # each agent leaves somewhere
    # Every available action of every agent is imagined somewhere: 38 draws of at most four.
    covered = (tried[2:, ..., None] == np.arange(4)).any(axis=0)
    assert (covered == avail).mean() > 0.99
    assert imagined_actions(KEY, anchor, following, avail, 0, 0) == []
    assert [each.shape[0] for each in imagined_actions(KEY, anchor, following, avail, 1, 0)] == [1]


class Known(NamedTuple):
    """A joint value that needs no learning: a payoff table in the place of `CentralValue`."""

    payoff: Any

    def init(self, key, spec) -> CentralParams:
        """Nothing to learn."""
        return CentralParams((), ())

    def unroll(self, params, batch) -> Unrolled:
        """Nothing to unroll."""
        return Unrolled(jnp.zeros(batch.avail.shape), jnp.zeros(batch.avail.shape))

    def value(self, params, unrolled, frames, actions):
        """The payoff."""
        return self.payoff[actions[..., 0], actions[..., 1]][..., None]

    def by_target(self, target, batch):
        """It needs no target: the payoff again."""
        return lambda actions, first=1, last=None: self.value(None, None, None, actions)


@hyperparameters
class KnownMrvf(Mrvf):
    """MRVF whose Q_J is exact."""

    payoff: Any = traced(0.0, "the game")

    @property
    def central(self) -> Any:
        """Q_J is the payoff."""
        return Known(self.payoff)


def test_rounds_never_lose_with_an_exact_joint_value():
    """Eight random 3x3 games, a constant one and one whose optimum (0, 0) round 1 finds: Q(p^2) >= Q(p^1) in each
    after 3000 updates on all nine joint actions; no move where nothing is better.
    """
    joint = jnp.indices((3, 3)).reshape(2, -1).T
    games = np.random.default_rng(0).normal(size=(10, 3, 3)).astype(np.float32)
    games[8], games[9] = 1.0, np.add.outer([2, 0, 1], [3, 1, 0])
    spec = EnvSpec("game", 1, n_agents=2, n_actions=3, obs_dim=1, state_dim=1, limit_max=1, one_hot_obs=True)

    @jax.jit
    @jax.vmap
    def play(payoff, key):
        batch = Rollout(
            obs=jnp.ones((1, 1, 2, 1)),
            state=jnp.ones((1, 1, 1)),
            avail=jnp.ones((1, 1, 2, 3), bool),
            actions=joint[None],
            reward=payoff.reshape(1, 9),
            terminated=jnp.ones((1, 1), bool),
            truncated=jnp.zeros((1, 1), bool),
            filled=jnp.ones((1, 1), bool),
        )
        learner = KnownMrvf(
            payoff=payoff,
            agent=TabularAgent(),
            mixer=QmixMixer(embed=8, hypernet_layers=1),
            optimizer="adam",
            learning_rate=5e-3,
        )

        def step(state, count):
            return learner.update(state, batch, key, Progress(count, count))[0], None

        state, _ = jax.lax.scan(step, learner.init(key, spec), jnp.arange(3000))
        choice = learner.choose(state.params, learner.unroll(state.params.agent, batch), batch.avail)
        return jnp.stack([joint[0, 0] for joint in choice.actions])

    rounds = np.asarray(play(games, jax.random.split(KEY, 10)))  # [game, round, agent]
    value = np.take_along_axis(games.reshape(10, 9), rounds @ [3, 1], axis=-1)
    assert (value[:, 1] >= value[:, 0]).all(), value
    assert (value[:8, 1] > value[:8, 0]).any(), value
    np.testing.assert_array_equal(rounds[8, 1], rounds[8, 0])
    np.testing.assert_array_equal(rounds[9], 0)

"""MRVF: increments over an anchor, what the rounds choose, whom each loss reaches, and improvement on random games."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.algorithm import Progress, Rollout
from jaxvf.envs.protocol import EnvSpec, View
from jaxvf.hyperparameters import hyperparameters, traced
from jaxvf.mixers import QmixMixer
from jaxvf.networks import FeedForwardAgent, TabularAgent
from jaxvf.value import Mrvf, QLearning
from jaxvf.value.central import CentralParams
from jaxvf.value.frames import Frames, Unrolled
from jaxvf.value.imagination import imagined_actions

KEY = jax.random.key(0)
# Compiling is most of the time of these tests.
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


@functools.partial(jax.jit, compiler_options=QUICK)
def update(learner, state, batch):
    return learner.update(state, batch, KEY, Progress(jnp.int32(0), jnp.int32(0)))


class Pieces(NamedTuple):
    """What the loss is made of, in the frames of a batch."""

    actions: list[Any]  # p^1 ... p^K
    gains: list[Any]
    increments: list[Any]  # F^k of the stored joint actions
    increments_at_anchor: list[Any]
    slopes: list[Any]  # derivative of F^k of the stored joint actions with respect to the gains
    joint: Any  # Q_J of the stored joint actions
    joint_of: list[Any]  # Q_J of p^1 ... p^K
    first: Any  # F^1


@functools.partial(jax.jit, compiler_options=QUICK)
def pieces_of(learner, params, batch) -> Pieces:
    frames, seen = Frames.of(batch), learner.unroll(params.agent, batch)
    central = learner.central.unroll(params.central, batch)
    choice = learner.choose(params, seen, batch.avail)

    def increments(gains, actions):
        rounds = zip(params.rounds, gains, actions, strict=True)
        return [learner.increment(each, gain, seen, frames, joint) for each, gain, joint in rounds]

    stored = [frames.actions] * len(choice.gains)
    slopes = jax.grad(lambda gains: sum(map(jnp.sum, increments(gains, stored)), jnp.zeros(())))(choice.gains)
    return Pieces(
        choice.actions,
        choice.gains,
        increments(choice.gains, stored),
        increments(choice.gains, choice.actions[:-1]),
        slopes,
        learner.central.value(params.central, central, frames, frames.actions),
        [learner.central.value(params.central, central, frames, joint) for joint in choice.actions],
        learner.mix(params.mixer, seen, frames, frames.actions)[0],
    )


def small(**fields) -> Mrvf:
    """Over little networks; thresholds small enough that random values exceed them."""
    parts = {"mixer": QmixMixer(embed=3, hypernet_layers=1), "agent": FeedForwardAgent(6), "central_width": 5}
    return Mrvf(**{**parts, "optimizer": "adam", "max_grad_norm": 1e9, "learning_rate": 1e-3, **fields})


def test_increments_are_zero_at_the_anchor_and_grow_with_every_gain(random_episodes, state_for):
    """Normal parameters, rounds 2 and 3: F^k(p^{k-1}) = 0 exactly, gains 0 at p; dF^k/da_i >= 1 where u_i is taken."""
    learner, batch = small(rounds=3), random_episodes(envs=20)
    for seed in range(3):
        pieces = pieces_of(learner, state_for(learner, batch, seed=seed, scale=1.0).params, batch)
        for index in range(2):
            at_anchor = np.take_along_axis(pieces.gains[index], pieces.actions[index][..., None], axis=-1)
            assert not at_anchor.any()
            assert not np.any(pieces.increments_at_anchor[index])
            assert np.any(pieces.increments[index])
            taken = np.arange(3) == batch.actions[..., None]
            assert np.asarray(pieces.slopes[index])[taken].min() >= 1.0  # the sum of gains, and a monotonic mixer
            assert not np.asarray(pieces.slopes[index])[~taken].any()


def test_the_loss_by_hand(random_episodes, state_for):
    """Q_J and F^1 on y, F^2 on max(0, Q_J(u) - Q_J(p^1) - ξ), which is 0 at the anchor; λ_a times the mean a². The
    bootstrap is the target copy of Q_J at the online p^2 of the next frame.
    """
    learner, batch = small(threshold=0.05, gain_penalty=0.3, discount=0.5), random_episodes(envs=6, steps=1)
    state = state_for(learner, batch, scale=0.6)
    pieces = jax.tree.map(lambda leaf: np.float64(leaf[:1]), pieces_of(learner, state.params, batch))
    target = state.params._replace(central=state.target_params)
    ahead = np.float64(pieces_of(learner, target, batch).joint_of[1])
    y = batch.reward[..., None] + 0.5 * ahead[1:]
    aim = np.maximum(0, pieces.joint - pieces.joint_of[0] - 0.05)
    assert (aim >= 0).all() and (aim > 0).any() and (aim == 0).any()
    anchored = (pieces.actions[0] == batch.actions[:1]).all(axis=-1)
    assert anchored.any() and not aim[anchored].any()
    parts = (pieces.joint - y, pieces.first - y, pieces.increments[0] - aim)
    expected = sum(np.mean(part**2) for part in parts) + 0.3 * np.mean(pieces.gains[0] ** 2)
    metrics = update(learner, state, batch)[1]
    assert float(metrics["loss"]) == pytest.approx(expected, rel=1e-4)
    assert float(metrics["target"]) == pytest.approx(y.mean(), rel=1e-4)
    assert float(metrics["value_of_round_2"]) == pytest.approx(pieces.joint_of[1].mean(), rel=1e-4)
    changed = (pieces.actions[0] != pieces.actions[1]).any(axis=-1)
    assert float(metrics["changed_2"]) == pytest.approx(changed.mean())


def ended(batch: Rollout) -> Rollout:
    """Every step terminates, so that targets are rewards."""
    return batch._replace(terminated=np.ones_like(batch.terminated), truncated=np.zeros_like(batch.truncated))


def test_each_loss_reaches_its_own_parameters(random_episodes, state_for, gradients_of):
    """Against one round: Q_J, M^1 and the layer of q^1 have the same gradient to rounding: targets carry none and the
    anchor is an argmax; round 2's loss reaches its head, its mixer and the trunk below the heads.
    """
    batch = ended(random_episodes(envs=6, steps=1))
    learner = small()
    state = state_for(learner, batch, scale=0.6)
    single = state_for(small(rounds=1), batch)
    single = single._replace(params=state.params._replace(rounds=()))
    pairs = (learner, state), (small(rounds=1), single)
    two, one = (gradients_of(update(each, start, batch)[0].opt_state) for each, start in pairs)
    assert all(any_nonzero(tree) for tree in (two.rounds[0].head, two.rounds[0].mixer))
    for left, right in ((two.central, one.central), (two.mixer, one.mixer), (output(two), output(one))):
        assert any_nonzero(right)
        for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)
    shared = jax.tree.map(np.subtract, two.agent["params"]["middle"], one.agent["params"]["middle"])
    assert any_nonzero(shared)


def output(grads) -> dict:
    return grads.agent["params"]["output"]


def any_nonzero(tree) -> bool:
    return any(np.any(np.asarray(leaf) != 0) for leaf in jax.tree.leaves(tree))


def test_one_round_is_qmix_on_a_one_step_game(random_episodes, state_for, gradients_of):
    """Initialized alike, agent and mixer have QMIX's gradient; the losses differ by Q_J's own."""
    batch, learner = ended(random_episodes(envs=6, steps=1)), small(rounds=1)
    state = state_for(learner, batch)
    qmix = QLearning(mixer=learner.mixer, agent=learner.agent, optimizer="adam", max_grad_norm=1e9)
    start = state_for(qmix, batch)
    start = start._replace(params=start.params._replace(agent=state.params.agent, mixer=state.params.mixer))
    (after, metrics), (expected, theirs) = update(learner, state, batch), update(qmix, start, batch)
    joint = np.float64(pieces_of(learner, state.params, batch).joint[:1, ..., 0])
    own = np.mean((joint - batch.reward) ** 2)
    assert float(metrics["loss"]) == pytest.approx(float(theirs["loss"]) + own, rel=1e-5)
    grads, qmix_grads = gradients_of(after.opt_state), gradients_of(expected.opt_state)
    for left, right in ((grads.agent, qmix_grads.agent), (grads.mixer, qmix_grads.mixer)):
        for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_the_joint_value_moves_ten_times_as_far(random_episodes, state_for):
    """Adam's first step has size 1e-3 in every entry with a gradient; 1e-2 in those of Q_J."""
    batch, learner = random_episodes(envs=6, steps=1), small()
    state = state_for(learner, batch)
    after = update(learner, state, batch)[0]
    moved = jax.tree.map(lambda new, old: float(np.abs(new - old).max()), after.params, state.params)
    assert max(jax.tree.leaves(moved.central)) == pytest.approx(1e-2, rel=1e-2)
    assert max(jax.tree.leaves(moved._replace(central=()))) == pytest.approx(1e-3, rel=1e-2)


def seen_of(q: np.ndarray) -> Unrolled:
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
    choice = learner.choose(params, seen_of(np.asarray(q)), avail[None, None])
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
        seen, _ = learner.forward(params.agent, carry[0], view)
        return learner.choose(params, seen, view.avail).actions, learner.greedy(params, carry, view)[0]

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
    anchor, following = generator.integers(0, 4, (2, 2, 30, 3))
    for joint in (anchor, following):
        avail |= joint[..., None] == np.arange(4)
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
    seen = (tried[2:, ..., None] == np.arange(4)).any(axis=0)
    assert (seen == avail).mean() > 0.99
    assert imagined_actions(KEY, anchor, following, avail, 0, 0) == []
    assert [each.shape[0] for each in imagined_actions(KEY, anchor, following, avail, 1, 0)] == [1]


class Known(NamedTuple):
    """A joint value that needs no learning: a payoff table in the place of `CentralValue`."""

    payoff: Any

    def init(self, key, spec) -> CentralParams:
        """Nothing to learn."""
        return CentralParams((), ())

    def unroll(self, params, batch) -> Unrolled:
        """Nothing to see."""
        return Unrolled(jnp.zeros(batch.avail.shape), jnp.zeros(batch.avail.shape))

    def value(self, params, seen, frames, actions):
        """The payoff."""
        return self.payoff[actions[..., 0], actions[..., 1]][..., None]


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

"""Replayed sequences and whole episodes give the targets of a brute-force unroll of every episode."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from counting import Counting, CountingParams

import jaxvf
from jaxvf.algorithm import Progress, Rollout
from jaxvf.envs.wrappers import EpisodeStatistics
from jaxvf.errors import InputError
from jaxvf.mixers import VdnMixer
from jaxvf.networks import RecurrentAgent
from jaxvf.training import Replayed, observed_by
from jaxvf.training.rollout import Collector, Player
from jaxvf.value import QLearning

DISCOUNT = 0.9
LEARNER = QLearning(
    agent=RecurrentAgent(hidden=4), mixer=VdnMixer(), num_envs=3, buffer_size=6, batch_size=3, behaviour="uniform",
    discount=DISCOUNT, sequence_length=7,
)  # fmt: skip
# Episodes end where agent 0 draws action 1, after four steps by themselves, or cut off by the limit.
LONG, CUT = CountingParams(end=jnp.int32(4), limit=jnp.int32(5)), CountingParams(end=jnp.int32(99), limit=jnp.int32(3))


@dataclasses.dataclass(frozen=True)
class Shy(Counting):
    """Counting, whose observations are small enough for the network to tell."""

    def observe(self, state, params):
        view = super().observe(state, params)
        return view._replace(obs=view.obs / 10, state=view.state / 10)


@functools.partial(jax.jit, static_argnums=0)
def played(form: str, learner: Any, params: Any) -> tuple[Any, list[Any]]:
    """What `collected` gives, of one compiled program for either form."""
    plain = dataclasses.replace(LEARNER, replay=form)
    env = observed_by(plain, Shy())
    experience, key = Replayed.of(plain, env), jax.random.key(3)
    state = learner.init(key, env.spec)
    memory = experience.init(learner, state, params, jax.random.fold_in(key, 1))
    found = []
    for index in range(2):
        play_key = jax.random.fold_in(key, 2 + index)
        start = Progress(jnp.int32(0), jnp.int32(0))
        memory, fresh, _ = experience.collect(learner, state, memory, params, play_key, start)
        batch = experience.replay.unpacked(fresh)
        online = learner.unroll(state.params.agent, batch)
        found.append((batch, learner._targets(online, state.params, batch, start, ())))
    return state.params, found


def collected(form: str, params: Any, trace: float) -> tuple[Any, list[Any]]:
    """The parameters, and of each of two rollouts in turn the batch that a learner reads and its targets."""
    return played(form, dataclasses.replace(LEARNER, replay=form, td_lambda=trace), params)


unroll = jax.jit(LEARNER.agent.apply, static_argnums=3)


def brute_force(params: Any, batches: list[Any], env: int, trace: float) -> list[list[float]]:
    """Targets of one environment's steps, rollout by rollout: every episode unrolled alone from its first frame."""
    targets: list[list[float]] = []
    memory: list[Any] = []  # observations of the present episode, from its first frame on
    for batch in batches:
        steps = batch.steps
        started = np.zeros(steps + 1, bool) if batch.started is None else np.array(batch.started[:, env])
        started[0] |= batch.started is None
        values = np.zeros(steps + 1)
        for t in range(steps + 1):
            memory = [batch.obs[t, env]] if started[t] else [*memory, batch.obs[t, env]]
            q = unroll(params.agent, np.stack(memory)[:, None], None, 2)[0][-1, 0]
            values[t] = float(q.max(axis=-1).sum())  # every action is available, and the sum is the mixer
        memory.pop()  # the next rollout begins with this frame
        later, found = values[steps], []
        for t in reversed(range(steps)):
            if batch.terminated[t, env]:
                later = float(batch.reward[t, env])
            elif batch.truncated[t, env]:
                later = float(batch.reward[t, env]) + DISCOUNT * values[t + 1]
            else:
                later = float(batch.reward[t, env]) + DISCOUNT * ((1 - trace) * values[t + 1] + trace * later)
            found.append(later)
        targets.append(found[::-1])
    return targets


@pytest.mark.parametrize("params", [LONG, CUT], ids=["terminating", "cut"])
@pytest.mark.parametrize("form", ["sequences", "episodes"])
@pytest.mark.parametrize("trace", [0.0, 0.8])
def test_targets_are_those_of_episodes_unrolled_alone(form, params, trace):
    """No bootstrap across an end, memory from the first frame on, the last frame bootstraps from where it led."""
    learned, found = collected(form, params, trace)
    batches = [jax.tree.map(np.asarray, batch) for batch, _ in found]
    ended = sum(int(batch.terminated.sum() + batch.truncated.sum()) for batch in batches)
    assert ended >= 6  # episodes of different lengths, or there is nothing to see
    for env in range(3):
        for (batch, targets), expected in zip(found, brute_force(learned, batches, env, trace), strict=True):
            filled = np.asarray(batch.filled[:, env])
            np.testing.assert_allclose(np.asarray(targets)[filled, env, 0], np.asarray(expected)[filled], atol=2e-5)


def test_no_frame_of_a_sequence_is_padding():
    """Every frame is a step taken or the final view of a cut-off episode; episodes are padded."""
    for params in (LONG, CUT):
        _, found = collected("sequences", params, 0.0)
        for batch, _ in found:
            after_a_cut = np.concatenate([np.zeros((1, 3), bool), np.asarray(batch.truncated)[:-1]])
            inside = ~np.asarray(batch.filled)[1:]
            np.testing.assert_array_equal(inside, after_a_cut[1:])
    _, found = collected("episodes", LONG, 0.0)
    assert not found[0][0].filled.all()


def test_one_long_rollout_and_two_short_ones_give_the_same_targets():
    """With the stored carry, cutting a rollout in two changes no one-step target."""
    long = dataclasses.replace(LEARNER, sequence_length=14, replay="sequences")
    _, short = collected("sequences", LONG, 0.0)
    halves = jnp.concatenate([targets for _, targets in short])
    env = observed_by(long, Shy())

    @jax.jit
    def whole(key: Any) -> Any:
        params = long.init(key, env.spec).params
        first, second = (batch for batch, _ in short)
        joined = jax.tree.map(lambda a, b: jnp.concatenate([a[:7], b[: a.shape[0]]]), first, second)
        joined = joined._replace(carry=first.carry)
        start = Progress(jnp.int32(0), jnp.int32(0))
        return long._targets(long.unroll(params.agent, joined), params, joined, start, ())

    np.testing.assert_allclose(whole(jax.random.key(3)), halves, atol=1e-5)


def test_auto_takes_episodes_where_every_one_has_the_same_length():
    """Of a game of one step whole episodes, of a battle sequences; a user's choice wins."""
    assert not QLearning().replays_sequences(jaxvf.envs.make("matrix_game/A").spec)
    assert QLearning().replays_sequences(jaxvf.envs.make("combat/3m").spec)
    assert not QLearning(replay="episodes").replays_sequences(jaxvf.envs.make("combat/3m").spec)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"replay": "chunks"}, "replay"),
        ({"replay": "sequences", "sequence_length": 50_000}, "sequence_length=50000 is longer than env_steps=10000"),
        ({"batch_size": 64, "buffer_size": 32}, "batch_size=64 exceeds buffer_size=32"),
    ],
)
def test_bad_replay_is_one_line(fields, message):
    with pytest.raises(InputError, match=message) as error:
        jaxvf.Sweep(Counting(), QLearning(**fields), env_steps=10_000).plan()
    assert "\n" not in str(error.value)


def test_a_step_that_changes_the_state_is_named_before_anything_is_compiled():
    @dataclasses.dataclass(frozen=True)
    class Growing(Counting):
        def transition(self, key, state, actions, params):
            state, outcome = super().transition(key, state, actions, params)
            return state._replace(t=state.t[None]), outcome

    with pytest.raises(InputError, match=r"state.*\.t must stay int32 \(\) of init; transition made it int32 \(1,\)"):
        jaxvf.Sweep(Growing(), QLearning(), env_steps=10_000).plan()


@dataclasses.dataclass(frozen=True)
class Alike(Counting):
    """Counting to five, which all environments see alike."""

    @property
    def spec(self):
        return dataclasses.replace(super().spec, fixed_view=True)


@pytest.mark.parametrize(("length", "fits"), [(5, False), (6, True), (12, True)])
def test_views_kept_once_for_all_need_sequences_of_whole_episodes(length, fits):
    """Five steps and the final view of a cut-off episode are six frames; other lengths would mix them up."""
    learner = QLearning(replay="sequences", sequence_length=length)
    if fits:
        learner.check(Alike())
    else:
        with pytest.raises(InputError, match=r"sequence_length=5 is not a multiple of the 6 frames"):
            learner.check(Alike())


def test_agents_rewards_are_nothing_where_nobody_steps():
    """What an environment gives for the void step of a final view, even NaN, is 0 in the rollout."""

    @dataclasses.dataclass(frozen=True)
    class Apart(Counting):
        def transition(self, key, state, actions, params):
            after, outcome = super().transition(key, state, actions, params)
            own = jnp.where(state.t >= params.limit, jnp.nan, jnp.ones(2))
            return after, outcome._replace(agent_rewards=own)

    player = Player(EpisodeStatistics(Apart()), 3, restart=True)
    stage = player.begin(CUT, jnp.zeros((3, 2, 1)), jax.random.key(0))

    def still(carry, view, states, key):
        return jnp.zeros(view.obs.shape[:-1], jnp.int32), carry, ()

    rollout, _, _ = Collector(player, 5, final_view=True).play(CUT, still, stage, jax.random.key(1))
    np.testing.assert_array_equal(rollout.agent_rewards[:, 0, 0], [1, 1, 1, 0, 1])


@pytest.mark.parametrize(("per_step", "due"), [(0.5, [3, 6]), (0.0, [6])])
def test_the_target_is_copied_after_so_many_sequences(per_step, due):
    """Interval of 3 sequences of 2 steps: at half an update a step that is 3 updates, at 2 a sequence 6."""
    learner = QLearning(target_update_interval=3, updates_per_episode=2.0, updates_per_step=per_step)
    leaf = jnp.zeros((2, 1))
    batch = Rollout(leaf, leaf, leaf, leaf, leaf, leaf, leaf, leaf, started=jnp.zeros((3, 1), bool))
    copied = [
        update + 1
        for update in range(6)
        if learner.update_target(1.0, jnp.float32(0), Progress(jnp.int32(update), jnp.int32(0)), batch) == 1
    ]
    assert copied == due

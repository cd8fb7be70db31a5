"""MRVF's losses: increments over an anchor, the regressions by hand, and whom each loss reaches."""

import functools
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mrvf_cases import QUICK, small

from jaxvf.algorithm import Progress, Rollout
from jaxvf.value import QLearning
from jaxvf.value.frames import Frames

KEY = jax.random.key(0)


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
    frames, unrolled = Frames.of(batch), learner.unroll(params.agent, batch)
    central = learner.central.unroll(params.central, batch)
    choice = learner.choose(params, unrolled, batch.avail)

    def increments(gains, actions):
        rounds = zip(params.rounds, gains, actions, strict=True)
        return [learner.increment(each, gain, unrolled, frames, joint) for each, gain, joint in rounds]

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
        learner.mix(params.mixer, unrolled, frames, frames.actions)[0],
    )


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


@pytest.mark.golden("mrvf")
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
        chex.assert_trees_all_close(left, right, rtol=1e-6, atol=1e-8)
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
    found, theirs = ((each.agent, each.mixer) for each in (grads, qmix_grads))
    chex.assert_trees_all_close(found, theirs, rtol=1e-5, atol=1e-7)


def test_the_joint_value_moves_ten_times_as_far(random_episodes, state_for):
    """Adam's first step has size 1e-3 in every entry with a gradient; 1e-2 in those of Q_J."""
    batch, learner = random_episodes(envs=6, steps=1), small()
    state = state_for(learner, batch)
    after = update(learner, state, batch)[0]
    moved = jax.tree.map(lambda new, old: float(np.abs(new - old).max()), after.params, state.params)
    assert max(jax.tree.leaves(moved.central)) == pytest.approx(1e-2, rel=1e-2)
    assert max(jax.tree.leaves(moved._replace(central=()))) == pytest.approx(1e-3, rel=1e-2)

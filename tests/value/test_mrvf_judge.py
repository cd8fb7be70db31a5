"""Which Q_J says what later rounds of MRVF can gain, and gains that are smaller than its error."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mrvf_cases import small
from test_mrvf_losses import pieces_of, update

from jaxvf.algorithm import Progress
from jaxvf.errors import InputError
from jaxvf.hyperparameters import replace
from jaxvf.mixers import VdnMixer


@jax.jit
def late_update(learner, state, batch):
    """An update after so many others that the mean of errors is as it is kept."""
    return learner.update(state, batch, jax.random.key(0), Progress(jnp.int32(10**6), jnp.int32(0)))


def test_the_first_error_is_the_mean_so_far():
    """Not a hundredth of it: the root of 2², not 0.2; after an error of 0 that of (0.99 · 4 + 0) / (1 + 0.99)."""
    learner, filled = small(threshold=0.02, error_margin=1.0), jnp.ones((1, 1), bool)
    running, threshold = learner._threshold(jnp.zeros(()), 2 * jnp.ones((1, 1, 1)), filled, jnp.int32(0))
    assert float(threshold) == pytest.approx(2, rel=1e-5)
    _, threshold = learner._threshold(running, jnp.zeros((1, 1, 1)), filled, jnp.int32(1))
    assert float(threshold) == pytest.approx((0.99 * 4 / 1.99) ** 0.5, rel=1e-5)


@pytest.mark.parametrize(("judge", "margin"), [("online", 0.1), ("target", 0.0)])
def test_gains_are_those_of_the_judge_beyond_its_error(judge, margin, random_episodes, state_for):
    """F^2 regresses max(0, Q(u) - Q(p^1) - max(ξ, m e)) by the judge's Q; e² is a mean that keeps 0.99 of itself.

    The error so far is such that a third of the gains above ξ is below m e.
    """
    learner = small(threshold=0.02, judge=judge, error_margin=margin)
    batch = random_episodes(envs=60, steps=1)
    batch = batch._replace(terminated=batch.truncated, truncated=batch.terminated)  # so that targets are rewards
    state, y = state_for(learner, batch, scale=0.6), batch.reward[..., None]
    online, target = (
        jax.tree.map(lambda leaf: np.float64(leaf[:1]), pieces_of(learner, params, batch))
        for params in (state.params, state.params._replace(central=state.target_params))
    )
    by = online if judge == "online" else target
    gain, squared = by.joint - by.joint_of[0], np.mean((by.joint - y) ** 2)
    above = np.sort(gain[gain > 0.02])
    low = above[len(above) // 3 - 1 : len(above) // 3 + 1].mean()
    aim = np.maximum(0, gain - (low if margin else 0.02))
    assert (aim > 0).any()
    if margin:
        running = ((low / margin) ** 2 - 0.01 * squared) / 0.99
        assert running > 0
        state = state._replace(running=np.float32(running))
    after, metrics = late_update(learner, state, batch)
    parts = (online.joint - y, online.first - y, online.increments[0] - aim)
    assert float(metrics["loss"]) == pytest.approx(sum(np.mean(part**2) for part in parts), rel=1e-4)
    if margin:
        assert float(after.running) == pytest.approx((low / margin) ** 2, rel=1e-5)
    else:
        assert after.running == ()


def test_a_round_learns_only_where_the_one_before_is_no_worse_than_all_earlier_ones(
    random_episodes, state_for, gradients_of
):
    """Rounds 3 and 4: other frames are as if they had not been lived. Round 2 has none before its anchor's."""
    batch = random_episodes(envs=60, steps=1)
    batch = batch._replace(terminated=batch.truncated, truncated=batch.terminated)
    every, improving = (small(rounds=4, anchors=each, mixer=VdnMixer()) for each in ("all", "improving"))
    state = state_for(every, batch, scale=0.6)
    worth = [np.asarray(each[:1, :, 0]) for each in pieces_of(every, state.params, batch).joint_of]
    worse = worth[1] < worth[0] - 0.02, worth[2] < np.maximum(worth[0], worth[1]) - 0.02
    assert all(0 < mask.sum() < mask.size for mask in worse)
    assert (worse[1] & (worth[2] >= worth[1])).any()  # round 3 kept what round 2 had lost

    def rounds_of(learner, filled):
        return gradients_of(update(learner, state, batch._replace(filled=filled))[0].opt_state).rounds

    found, masks = rounds_of(improving, batch.filled), (batch.filled, *(batch.filled & ~mask for mask in worse))
    for index, mask in enumerate(masks):
        chex.assert_trees_all_close(found[index], rounds_of(every, mask)[index], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("judge", "targets", "'targets'.*target"),
        ("error_margin", -1.0, "error_margin=-1.0 is below its smallest valid value 0"),
        ("anchors", "best", "'best'.*improving"),
    ],
)
def test_a_value_out_of_range_is_refused(field, value, message):
    with pytest.raises(InputError, match=message):
        replace(small(), field, value)

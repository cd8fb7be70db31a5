"""Schedules count the steps that were taken, not those that an iteration was allotted."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from counting import Counting, CountingParams

from jaxvf.training import Clock, OnPolicy, Pace, Program, Replayed


class Learned(NamedTuple):
    """A learner of nothing."""

    params: jax.Array


@jax.tree_util.register_static
class Watch:
    """Reports how far a run is when it acts, by the action of agent 1, and when it learns. Agent 0 ends no episode."""

    num_envs, agent_id, last_action, noisy_state = 3, False, False, False
    rollout_length, baseline = 5, "critic"
    sequence_length, buffer_size, batch_size, learning_starts = 5, 3, 3, 3
    learns_from_agent_rewards, updates_per_episode, updates_per_step = False, 1 / 3, 0.0

    def check(self, env):
        pass

    def init(self, key, spec):
        return Learned(jnp.zeros(1))

    def initial_carry(self, batch):
        return jnp.zeros((*batch, 1))

    def act(self, state, carry, view, key, progress):
        actions = jnp.where(jnp.arange(2) == 1, progress.env_steps, 0)
        return jnp.broadcast_to(actions, view.obs.shape[:-1]), carry, ()

    def greedy(self, params, carry, view):
        return jnp.zeros(view.obs.shape[:-1], jnp.int32), carry

    def update(self, state, batch, key, progress):
        acted_at = batch.actions[..., 1].astype(jnp.float32)
        return state, {"acted_at": acted_at.mean(), "learned_at": progress.env_steps.astype(jnp.float32)}

    def exact_value(self, params, carry, view, game, states, env_params):
        pytest.fail("no game is solved")

    def replays_sequences(self, spec):
        pytest.fail("the experience is given")

    def test_metrics(self, params, env, env_params, key, episodes):
        return {}


WATCH = Watch()
PACE = Pace(rollouts=3, length=5, capacity=3, warmup=3, updates=1, every=1)  # what is learned from is the newest


@pytest.mark.parametrize(
    ("experience", "end", "limit", "taken"),
    [
        (OnPolicy(Counting(), 3, 5), 99, 3, 12),  # in one frame of five every environment shows a final view
        (Replayed(Counting(), PACE, sequences=True, batch_size=3), 99, 3, 12),
        (Replayed(Counting(), PACE, sequences=False, batch_size=3), 3, 5, 9),  # episodes of three steps
    ],
    ids=["rollouts", "sequences", "episodes"],
)
def test_a_run_is_as_far_as_it_has_stepped(experience, end, limit, taken):
    """Of 3 x 5 allotted steps fewer are taken: acting and learning are told of those alone, iteration by iteration."""
    program = Program(Counting(), experience, iterations=1, test_episodes=1, root=0)
    params = jax.tree.map(lambda number: jnp.array([number]), CountingParams(end, limit))
    runs, clock = program.init(WATCH, params, jnp.arange(1)), Clock.start()
    segment = jax.jit(program.segment)
    for done in range(2):
        runs, clock, metrics = segment(runs, WATCH, params, clock)
        found = [float(metrics[name][0]) for name in ("acted_at", "learned_at", "steps_taken")]
        np.testing.assert_array_equal(found, np.array([done, done + 1, done + 1]) * taken)
    assert program.segment_steps == 15

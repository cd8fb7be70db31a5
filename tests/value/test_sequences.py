"""Sequences of steps through the ends of episodes have the numbers of the whole episodes that they are cut from."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.algorithm import Progress, Rollout
from jaxvf.mixers import QmixMixer
from jaxvf.networks import RecurrentAgent
from jaxvf.value import Mrvf, QLearning, Resq, S2q, WeightedLearner

# Episode 0 terminates in its sixth step. Of episode 1 three steps are stored.
STEPS = np.array([6, 3])
CUT = 2  # steps of episode 0 before the sequence begins

# Compiling is most of the time of these tests.
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


PARTS = {"mixer": QmixMixer(embed=3, hypernet_layers=1), "agent": RecurrentAgent(hidden=4)}


def whole(episodes: Rollout) -> Rollout:
    """Both episodes, padded to the longer; what the sequence begins after counts for nothing."""
    step = np.arange(6)[:, None]
    filled = (step < STEPS) & ((step >= CUT) | (np.arange(2) == 1))
    last = step == STEPS - 1
    first = np.arange(2) == 0
    return episodes._replace(terminated=last & first, truncated=last & ~first, filled=filled)


def joined(episodes: Rollout, memory: jax.Array) -> Rollout:
    """Steps 2 to 5 of episode 0, then steps 0 to 2 of episode 1 and the frame after them: one row of the batch."""

    def join(leaf, frames):
        return np.concatenate([leaf[CUT:6, :1], leaf[: 3 + frames, 1:]])

    views = {name: join(getattr(episodes, name), 1) for name in ("obs", "state", "avail", "actions")}
    flag = np.zeros((7, 1), bool)
    return Rollout(
        **views,
        reward=join(episodes.reward, 0),
        terminated=np.arange(7)[:, None] == 3,
        truncated=flag,
        filled=~flag,
        started=np.arange(8)[:, None] == 4,
        carry=(memory[None, :1],),
    )


@pytest.fixture
def cases(random_episodes, state_for):
    """A learner, its state, the episodes, and the memory of episode 0 after two frames."""
    learner, episodes = QLearning(**PARTS, td_lambda=0.6), random_episodes(steps=6, envs=2)
    state = jax.tree.map(jnp.asarray, state_for(learner, episodes, scale=1.0))
    # What is stored is the behaviour's memory: the target network begins with the same one.
    state = state._replace(target_params=state.params)
    apply = jax.jit(learner.agent.apply, static_argnums=3, compiler_options=QUICK)
    memory = apply(state.params.agent, episodes.obs[:CUT], None, 3)[2]
    return learner, state, episodes, memory


def test_values_are_those_of_each_episode_alone(cases):
    """The stored memory stands for what was cut off, and an episode that begins within the sequence forgets."""
    learner, state, episodes, memory = cases
    values = jax.jit(lambda batch: learner.joint_values(state.params, batch)["q_tot"][..., 0], compiler_options=QUICK)
    alone, sequence = np.asarray(values(whole(episodes))), joined(episodes, memory)
    expected = np.concatenate([alone[CUT:6, 0], alone[:4, 1]])
    np.testing.assert_allclose(values(sequence)[:, 0], expected, rtol=1e-4, atol=1e-5)
    for broken in (
        sequence._replace(carry=None),
        sequence._replace(started=np.zeros((8, 1), bool)),
    ):
        assert np.abs(values(broken)[:, 0] - expected).max() > 1e-3


@functools.partial(jax.jit, compiler_options=QUICK)
def update(learner, state, batch):
    return learner.update(state, batch, jax.random.key(0), Progress(jnp.int32(0), jnp.int32(0)))[1]


def test_targets_are_those_of_each_episode_alone(cases):
    """Mean value, target and loss over the seven steps: nothing is bootstrapped across the end of an episode."""
    learner, state, episodes, memory = cases
    names = ("loss", "target", "value")
    found, expected = (
        {name: update(learner, state, batch)[name] for name in names}
        for batch in (joined(episodes, memory), whole(episodes))
    )
    chex.assert_trees_all_close(found, expected, rtol=1e-4)
    open_ended = joined(episodes, memory)._replace(terminated=np.zeros((7, 1), bool))
    assert abs(float(update(learner, state, open_ended)["target"]) - float(expected["target"])) > 1e-3


@pytest.mark.parametrize(
    ("learner", "heads"),
    [
        (WeightedLearner(**PARTS, central_width=3), [{"q_tot"}, {"q_central"}]),
        (Mrvf(**PARTS, central_width=3), [{"q_tot", "increment_2"}, {"q_joint"}]),
        (Resq(**PARTS, central_width=3), [{"q_tot", "q_joint"}, {"q_joint"}, {"q_central"}]),
        (S2q(**PARTS, central_width=3), [{"q_tot"}, {"q_tot_2"}, {"q_tot_3"}, {"q_central"}]),
    ],
    ids=["weighted", "mrvf", "resq", "s2q"],
)
def test_every_agent_network_begins_with_its_own_memory(learner, heads, random_episodes, state_for):
    """Another memory of one network changes the values that are made of it, and no other."""
    batch = jax.tree.map(jnp.asarray, random_episodes(steps=1, envs=8))
    params = jax.tree.map(jnp.asarray, state_for(learner, batch, scale=1.0).params)
    values = jax.jit(lambda carry: learner.joint_values(params, batch._replace(carry=carry)), compiler_options=QUICK)
    memory = tuple(jnp.zeros((1, 8, 2, 4)) for _ in range(learner.n_networks))
    before, changed = values(memory), []
    for network in range(learner.n_networks):
        other = values((*memory[:network], jnp.ones((1, 8, 2, 4)), *memory[network + 1 :]))
        changed.append({name for name in before if np.abs(other[name] - before[name]).max() > 1e-4})
    assert changed == heads


@pytest.mark.parametrize(
    ("learner", "network"),
    [(WeightedLearner(**PARTS, central_width=3), 1), (Resq(**PARTS, central_width=3), 2)],
    ids=["weighted", "resq"],
)
def test_a_target_begins_with_the_memory_of_the_network_that_it_copies(learner, network, random_episodes, state_for):
    """The target of an unrestricted joint value: what other networks remember changes nothing."""
    batch = jax.tree.map(jnp.asarray, random_episodes(steps=1, envs=8))
    target = jax.tree.map(jnp.asarray, state_for(learner, batch, scale=1.0).target_params)

    @functools.partial(jax.jit, compiler_options=QUICK)
    def values(carry):
        return learner.central.by_target(target, batch._replace(carry=carry))(batch.actions[1:])

    memory = tuple(jnp.zeros((1, 8, 2, 4)) for _ in range(learner.n_networks))
    before, changed = values(memory), []
    for place in range(learner.n_networks):
        other = values((*memory[:place], jnp.ones((1, 8, 2, 4)), *memory[place + 1 :]))
        changed += [place] if np.abs(other - before).max() > 1e-4 else []
    assert changed == [network]

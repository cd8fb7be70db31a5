"""Eight training steps of PQN-VDN as the authors' JAX code computed them, on one rollout in which episodes end."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_released_steps import QUICK, assert_recorded, moved

from jaxvf.algorithm import Progress, Rollout
from jaxvf.algorithms import make
from jaxvf.networks import RecurrentAgent
from jaxvf.value import Pqn
from jaxvf.value.agents import LearnerState
from jaxvf.value.frames import greedy_actions
from jaxvf.value.mixed_learner import Networks

RECORDED: Mapping[str, np.ndarray] = np.load(Path(__file__).with_name("pqn_step.npz"))
WIDTH = 8
NOW = Progress(jnp.int32(0), jnp.int32(0))


@functools.partial(jax.jit, compiler_options=QUICK)
def update(learner, state, batch):
    return learner.update(state, batch, jax.random.key(0), NOW)


def one_bias(variables: Any) -> Any:
    """The recurrent agent's parameters, its GRU's second biases of r and z held: flax's GRU has one of each."""
    params = variables["params"]
    held, free = jnp.split(params["gru"]["recurrent_bias"], [2 * WIDTH])
    bias = jnp.concatenate([jax.lax.stop_gradient(held), free])
    return {"params": {**params, "gru": {**params["gru"], "recurrent_bias": bias}}}


def learner_of(**fields: Any) -> Pqn:
    """The released settings, one pass over one mini-batch; a step size that float32 resolves in the parameters."""
    agent = nn.map_variables(RecurrentAgent, "params", trans_in_fn=one_bias)(hidden=WIDTH)
    learning_rate = float(RECORDED["lr"])
    changed = {"agent": agent, "epochs": 1, "minibatches": 1, "learning_rate": learning_rate, **fields}
    return dataclasses.replace(make("pqn_vdn@purejaxql"), **changed)


def agent(read: Callable[[str], np.ndarray]) -> dict[str, Any]:
    """One layer, flax's GRU, and a layer."""
    linear = [{part: read(f"Dense_{layer}/{part}") for part in ("kernel", "bias")} for layer in (0, 1)]
    cell = "ScannedRNN_0/GRUCell_0"
    last = read(f"{cell}/hn/bias")
    gru = {
        "kernel": np.concatenate([read(f"{cell}/i{gate}/kernel") for gate in "rzn"], axis=-1),
        "bias": np.concatenate([read(f"{cell}/i{gate}/bias") for gate in "rzn"]),
        "recurrent_kernel": np.concatenate([read(f"{cell}/h{gate}/kernel") for gate in "rzn"], axis=-1),
        "recurrent_bias": np.concatenate([np.zeros_like(last), np.zeros_like(last), last]),
    }
    return {"params": {"input": linear[0], "gru": gru, "output": linear[1]}}


def recorded_rollout() -> Rollout:
    """Six steps of four environments. The first plays on; episodes of the others end at step 2, at 1 and 2, and at 5.

    Only the last one's begins with the rollout; in the others agents remember the steps before it.
    """
    ended = RECORDED["done"][:-1]
    leaves = {
        "obs": RECORDED["obs"],
        "state": np.zeros((*RECORDED["done"].shape, 1), np.float32),
        "avail": RECORDED["avail"],
        "actions": RECORDED["act"],
        "reward": RECORDED["rew"][:-1],
        "terminated": ended,
        "truncated": np.zeros_like(ended),
        "filled": np.ones_like(ended),
        "started": RECORDED["last_done"],
        "carry": (RECORDED["hidden"][None],),
    }
    return Rollout(**jax.tree.map(jnp.asarray, leaves))


def before(learner: Pqn) -> LearnerState:
    """The parameters before the first step; RAdam has seen nothing."""
    params = Networks(agent(lambda leaf: RECORDED[f"agent/{leaf}"]), {})
    return LearnerState(params, (), learner.make_optimizer().init(params))


@pytest.mark.golden("pqn_vdn")
def test_returns_are_the_released_ones():
    """Of the recorded values, by every step of every environment."""
    learner, batch, values = learner_of(), recorded_rollout(), jnp.asarray(RECORDED["q"][1:])

    def mixed(actions: Any) -> Any:
        return jnp.take_along_axis(values, actions[..., None], axis=-1).sum(axis=-2)

    scaled = batch._replace(reward=learner.reward_scale * batch.reward)
    targets = learner.td_targets(scaled, NOW, greedy_actions(values, batch.avail[1:]), mixed)
    np.testing.assert_allclose(targets[..., 0], RECORDED["targets"], rtol=1e-6, atol=1e-6)


@pytest.mark.golden("pqn_vdn")
def test_steps_are_the_released_ones():
    """The first is along a clipped gradient; from the sixth on RAdam divides by the gradients' root mean square."""
    learner, batch = learner_of(), recorded_rollout()
    start = state = before(learner)
    count = RECORDED["loss"].size
    for step, loss in enumerate(RECORDED["loss"], start=1):
        state, metrics = update(learner, state, batch)
        assert float(metrics["loss"]) == pytest.approx(float(loss), rel=1e-6)
        if step in (1, count):
            change = moved(state.params.agent, start.params.agent)
            assert_recorded(change, lambda path, step=step: RECORDED[f"step{step}{path}"], 1e-5)
    unclipped, metrics = update(learner_of(max_grad_norm=1e9), start, batch)
    assert float(metrics["target"]) == pytest.approx(RECORDED["targets"].mean(), rel=1e-6)
    steps = [leaf.ravel() for leaf in jax.tree.leaves(moved(unclipped.params.agent, start.params.agent))]
    norm = np.linalg.norm(np.concatenate(steps)) / learner.learning_rate
    assert norm == pytest.approx(float(RECORDED["grad_norm"]), rel=1e-6)

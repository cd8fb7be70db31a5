"""One training step of S2Q as the authors' PyTorch code computed it, on one ragged batch, and who acts by that code."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from test_released_steps import QUICK, Read, agent, assert_recorded, linear, mlp, moved, recorded_batch, update

from jaxvf.algorithm import Progress
from jaxvf.algorithms import make
from jaxvf.envs.protocol import EnvSpec, View
from jaxvf.hyperparameters import replace
from jaxvf.value import S2q
from jaxvf.value.agents import LearnerState
from jaxvf.value.central import CentralParams
from jaxvf.value.mixed_learner import Networks
from jaxvf.value.s2q import S2qParams

RECORDED: Mapping[str, np.ndarray] = np.load(Path(__file__).with_name("s2q_step.npz"))
ENDINGS = ("", "_2", "_3")  # of the names of the three sub-values
# Sizes of the recording; all other settings are the authors'.
SIZES = {"agent.hidden": 8, "mixer.embed": 4, "mixer.hypernet_embed": 6, "central_width": 10, "num_envs": 5}


def learner() -> S2q:
    """S2Q with the authors' settings, small."""
    made = make("s2q@s2q")
    for field, value in SIZES.items():
        made = replace(made, field, value)
    return made


def read(network: str) -> Read:
    """Parameters of a recorded network, by their names there."""
    return lambda name: RECORDED[f"{network}/{name}"]


def mixer(read: Read) -> dict[str, Any]:
    """QMIX's mixer, as PyMARL2 names its parts."""
    names = {"w1": "hyper_w1", "w2": "hyper_w2", "v": "hyper_b2"}
    layers = {f"{ours}_input": linear(read, f"{theirs}.0") for ours, theirs in names.items()}
    layers |= {f"{ours}_output": linear(read, f"{theirs}.2") for ours, theirs in names.items()}
    return {"params": {**layers, "b1": linear(read, "hyper_b1.0")}}


def central(target: str = "") -> CentralParams:
    """Q*, or its target copy."""
    parts = read(f"{target}central_mixer")
    layers = {"joint": mlp(parts, "net", 0, 2, 4, 6), "value": mlp(parts, "V", 0, 2)}
    return CentralParams(agent(read(f"{target}central_agent")), {"params": layers})


def state_before(learner: S2q) -> LearnerState:
    """The parameters before the step; Adam has seen nothing."""
    sub_values = [Networks(agent(read(f"agent{each}")), mixer(read(f"mixer{each}"))) for each in ENDINGS]
    params = S2qParams(*sub_values[0], tuple(sub_values[1:]), central())
    spec = EnvSpec("recorded", 1, 3, 4, 9, 6, 6)
    shapes = jax.eval_shape(lambda key: learner.init(key, spec), jax.random.key(0))
    assert jax.tree.map(np.shape, params) == jax.tree.map(lambda leaf: leaf.shape, shapes.params)
    return LearnerState(params, central("t_"), learner.make_optimizer().init(params))


@pytest.mark.golden("s2q")
def test_a_step_is_the_released_one():
    """The loss, what each sub-value aims at and with which weight, every gradient, and what Adam makes of it."""
    small = learner()
    before = state_before(small)
    after, metrics = update(small, before, recorded_batch(RECORDED, agent_id=False))
    logged = RECORDED["logged"]
    assert logged.dtype.names
    for name in logged.dtype.names:
        assert float(metrics[name]) == pytest.approx(float(logged[name]), rel=2e-6), name
    # A fresh Adam's first moment is a tenth of the gradient, here too small to be clipped.
    gradients = jax.tree.map(lambda moment: 10 * np.float64(moment), optax.tree_utils.tree_get(after.opt_state, "mu"))
    assert_recorded(gradients, lambda path: RECORDED[f"leaf{path}"][0], 5e-6)
    assert_recorded(moved(after.params, before.params), lambda path: RECORDED[f"leaf{path}"][1], 1e-4)
    assert all(map(np.array_equal, *map(jax.tree.leaves, (after.target_params, before.target_params))))


def test_sub_values_are_as_probable_as_the_authors_encoder_is_taught(monkeypatch):
    """In first frames: in later ones the target's agents remember other things there than here."""
    batch = jax.tree.map(jnp.asarray, recorded_batch(RECORDED, agent_id=False))
    view = View(batch.obs[0], batch.state[0], batch.avail[0], jnp.ones((5, 3), bool))
    small, given = learner(), []
    monkeypatch.setattr(S2q, "draw", lambda self, key, values: given.append(values) or jnp.zeros(5, int))

    @functools.partial(jax.jit, compiler_options=QUICK)
    def probabilities(learner, state):
        learner.act(state, None, view, jax.random.key(0), Progress(jnp.int32(0), jnp.int32(0)))
        return jax.nn.softmax(given.pop() / learner.temperature, axis=0).T

    np.testing.assert_allclose(probabilities(small, state_before(small)), RECORDED["probability"], rtol=0, atol=1e-5)

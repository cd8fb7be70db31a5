"""One training step of VDN, QMIX, QPLEX and QTRAN as the authors' PyTorch code computed it, on one ragged batch."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.algorithm import Progress, Rollout
from jaxvf.algorithms import make
from jaxvf.envs.protocol import EnvSpec
from jaxvf.value.agents import LearnerState

RECORDED: Mapping[str, np.ndarray] = np.load(Path(__file__).with_name("released_steps.npz"))
NAMES = ("vdn", "qmix", "qplex", "qtran")
HEADS = 4
Read = Callable[[str], np.ndarray]
# Compiling is most of the time of these tests.
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


@functools.partial(jax.jit, compiler_options=QUICK)
def update(learner, state, batch):
    return learner.update(state, batch, jax.random.key(0), Progress(jnp.int32(0), jnp.int32(0)))


def linear(read: Read, name: str) -> dict[str, np.ndarray]:
    """A linear layer, whose weights PyTorch keeps as [out, in], after an axis of agents if there is one."""
    return {"kernel": read(f"{name}.weight").swapaxes(-2, -1), "bias": read(f"{name}.bias")}


def mlp(read: Read, name: str, *places: int) -> dict[str, Any]:
    """Layers with activations between them."""
    return {f"layer_{index}": linear(read, f"{name}.{place}") for index, place in enumerate(places)}


def agent(read: Read) -> dict[str, Any]:
    """PyMARL's recurrent agent."""
    gru = {
        "kernel": read("rnn.weight_ih").T,
        "bias": read("rnn.bias_ih"),
        "recurrent_kernel": read("rnn.weight_hh").T,
        "recurrent_bias": read("rnn.bias_hh"),
    }
    return {"params": {"input": linear(read, "fc1"), "gru": gru, "output": linear(read, "fc2")}}


def qmix(read: Read) -> dict[str, Any]:
    """QMIX's mixer with two-layer hypernetworks."""
    names = {"w1": "hyper_w_1", "w2": "hyper_w_final", "v": "V"}
    layers = {f"{ours}_input": linear(read, f"{theirs}.0") for ours, theirs in names.items()}
    layers |= {f"{ours}_output": linear(read, f"{theirs}.2") for ours, theirs in names.items()}
    return {"params": {**layers, "b1": linear(read, "hyper_b_1")}}


def qplex(read: Read) -> dict[str, Any]:
    """QPLEX's: an affine map, and advantage weights of four heads of one layer each."""
    affine = {"scale": mlp(read, "hyper_w_final", 0, 2), "shift": mlp(read, "V", 0, 2)}
    weights = {}
    for ours, theirs in (("key", "key"), ("agent", "agents"), ("action", "action")):
        heads = [linear(read, f"si_weight.{theirs}_extractors.{head}") for head in range(HEADS)]
        weights[ours] = {"layer_0": jax.tree.map(lambda *leaves: np.stack(leaves), *heads)}
    return {"params": {"affine": affine, "advantage_weights": weights}}


def qtran(read: Read) -> dict[str, Any]:
    """QTRAN-base's joint networks."""
    joint, bias = mlp(read, "Q", 0, 2, 4), mlp(read, "V", 0, 2, 4)
    return {"params": {"joint": joint, "bias": bias, "encoder": mlp(read, "action_encoding", 0, 2)}}


MIXERS = {"vdn": lambda read: {}, "qmix": qmix, "qplex": qplex, "qtran": qtran}


def recorded_batch(recorded: Mapping[str, np.ndarray] = RECORDED, *, agent_id: bool = True) -> Rollout:
    """Episodes of 6, 6, 3, 1 and 5 steps, the first cut off; what stands after their ends is garbage."""
    length, acted = recorded["length"], recorded["act"]
    episodes, frames, agents = acted.shape
    last_action = np.eye(recorded["avail"].shape[-1])[np.roll(acted, 1, axis=1)]
    last_action[:, 0] = 0.0
    index = np.broadcast_to(np.eye(agents), (episodes, frames, agents, agents))[..., : agents * agent_id]
    obs = np.concatenate([recorded["obs"], last_action, index], axis=-1).astype(np.float32)
    steps = np.arange(frames - 1)
    ends = steps == length[:, None] - 1
    by_frame = {
        "obs": obs,
        "state": recorded["state"],
        "avail": recorded["avail"],
        "actions": acted.astype(np.int32),
        "reward": recorded["rew"],
        "terminated": ends & recorded["term"][:, None],
        "truncated": ends & ~recorded["term"][:, None],
        "filled": steps < length[:, None],
    }
    return Rollout(**{name: np.moveaxis(leaf, 0, 1) for name, leaf in by_frame.items()})


def waves(leaf: Any) -> np.ndarray:
    """A leaf in three numbers: its norm, and its sums weighed by cos k and sin k of the place k = 1, 2, ..."""
    flat = np.asarray(leaf, np.float64).ravel()
    place = np.arange(1, flat.size + 1)
    return np.array([np.linalg.norm(flat), flat @ np.cos(place), flat @ np.sin(place)])


def moved(after: Any, before: Any) -> Any:
    """By how much each leaf has changed, in float64."""
    return jax.tree.map(lambda new, old: np.float64(new) - np.float64(old), after, before)


def assert_recorded(leaves: Any, recorded: Read, share: float) -> None:
    """The waves of every leaf are those recorded for its path, up to a share of the recorded norm."""
    for place, leaf in jax.tree_util.tree_flatten_with_path(leaves)[0]:
        path = jax.tree_util.keystr(place)
        expected = recorded(path)
        np.testing.assert_allclose(waves(leaf), expected, rtol=0, atol=share * expected[0], err_msg=path)


def state_of(name: str, learner: Any) -> LearnerState:
    """The parameters before the step; RMSprop has seen nothing."""

    def networks(target: str) -> Any:
        parts = (agent, f"{target}agent/"), (MIXERS[name], f"{name}/{target}mixer/")
        return record(*(build(lambda leaf, prefix=prefix: RECORDED[prefix + leaf]) for build, prefix in parts))

    spec = EnvSpec("recorded", 1, 3, 4, 12, 11, 6)
    shapes = jax.eval_shape(lambda key: learner.init(key, spec), jax.random.key(0))
    record = type(shapes.params)
    params = networks("")
    assert jax.tree.map(np.shape, params) == jax.tree.map(lambda leaf: leaf.shape, shapes.params)
    return LearnerState(params, networks("t_"), learner.make_optimizer().init(params))


@pytest.mark.golden(*NAMES)
@pytest.mark.parametrize("name", NAMES)
def test_a_step_is_the_released_one(name):
    learner = make(name)
    before = state_of(name, learner)
    after, metrics = update(learner, before, recorded_batch())
    assert float(metrics["loss"]) == pytest.approx(float(RECORDED[f"{name}/loss"]), rel=1e-6)
    assert float(metrics["grad_norm"]) == pytest.approx(float(RECORDED[f"{name}/grad_norm"]), rel=1e-6)
    assert_recorded(moved(after.params, before.params), lambda path: RECORDED[f"{name}/step{path}"], 1e-4)
    assert all(map(np.array_equal, *map(jax.tree.leaves, (after.target_params, before.target_params))))

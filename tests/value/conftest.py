"""Shared by the tests of value learners: random episodes, and a learner's parameters without compiling its `init`."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
import pytest

from jaxvf.algorithm import Rollout
from jaxvf.envs.protocol import EnvSpec
from jaxvf.value.agents import LearnerState


@pytest.fixture
def random_episodes() -> Callable[..., Rollout]:
    """`random_episodes(steps=2, envs=3, ...)`: available stored actions, the last step truncated, nothing padded."""

    def make(steps=2, envs=3, agents=2, actions=3, obs=4, state=5, seed=0, available=2 / 3) -> Rollout:
        generator = np.random.default_rng(seed)
        frames = (steps + 1, envs)
        stored = generator.integers(0, actions, (*frames, agents))
        avail = generator.random((*frames, agents, actions)) < available
        last = np.broadcast_to((np.arange(steps) == steps - 1)[:, None], (steps, envs))
        return Rollout(
            obs=generator.normal(size=(*frames, agents, obs)).astype(np.float32),
            state=generator.normal(size=(*frames, state)).astype(np.float32),
            avail=avail | (stored[..., None] == np.arange(actions)),
            actions=stored.astype(np.int32),
            reward=generator.normal(size=(steps, envs)).astype(np.float32),
            terminated=np.zeros((steps, envs), bool),
            truncated=last,
            filled=np.ones((steps, envs), bool),
        )

    return make


@pytest.fixture
def state_for() -> Callable[..., LearnerState]:
    """`state_for(learner, batch)`: normal parameters, others for the target; fresh optimizers."""

    def make(learner: Any, batch: Rollout, seed: int = 0, scale: float = 0.3) -> LearnerState:
        generator = np.random.default_rng(seed)
        spec = spec_of(batch)
        shapes = jax.eval_shape(lambda key: learner.init(key, spec), jax.random.key(0))
        params, target, novelty = (
            jax.tree.map(lambda leaf: generator.normal(scale=scale, size=leaf.shape).astype(leaf.dtype), tree)
            for tree in (shapes.params, shapes.target_params, shapes.novelty)
        )
        if novelty != ():
            novelty = novelty._replace(
                **{name: zeros_like(getattr(shapes.novelty, name)) for name in ("opt_state", "inputs", "errors")}
            )
        running = jax.tree.map(lambda leaf: np.ones(leaf.shape, leaf.dtype), shapes.running)
        return LearnerState(params, target, zeros_like(shapes.opt_state), novelty, running)

    return make


@pytest.fixture
def gradients_of() -> Callable[..., Any]:
    """`gradients_of(opt_state)`: the gradient of the first update of a fresh Adam, as a tree like its parameters.

    Ten times the first moment, where the gradient was not clipped; a list of trees for several optimizers.
    """

    def read(opt_state: Any) -> Any:
        moments = [mu for _, mu in optax.tree_utils.tree_get_all_with_path(opt_state, "mu")]
        moments = jax.tree.map(lambda leaf: 10 * np.asarray(leaf), moments)
        return moments if len(moments) > 1 else moments[0]

    return read


def zeros_like(shapes: Any) -> Any:
    """A tree of zeros in these shapes."""
    return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)


def spec_of(batch: Rollout) -> EnvSpec:
    """An environment that could have produced these episodes."""
    agents, obs = batch.obs.shape[-2:]
    actions, state, steps = batch.avail.shape[-1], batch.state.shape[-1], batch.reward.shape[0]
    return EnvSpec("random", 1, agents, actions, obs, state, steps, one_hot_obs=True)

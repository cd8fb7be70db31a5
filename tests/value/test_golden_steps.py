"""One step of Q-learning and of PQN on every mixer that has no hidden states, recomputed in NumPy from the equations.

The loss is compared in double precision, and the gradient with differences of it along two directions in which all
parameters move. Random episodes with masks; two steps, so that λ and the second bootstrap count.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mixer_equations import MIXERS_BY_HAND

from jaxvf.algorithm import Progress
from jaxvf.algorithms import make
from jaxvf.hyperparameters import replace
from jaxvf.networks import TabularAgent
from jaxvf.value import Pqn

GAMMA, TRACE = 0.9, 0.6
NAMES = (
    "vdn", "qmix", "nm_qmix", "pqn_vdn", "pqn_qmix",
    "qfix_sum", "qfix_mono", "qfix_lin", "q_plus_fix_sum", "q_plus_fix_mono", "q_plus_fix_lin",
)  # fmt: skip
SMALL = {
    "agent": TabularAgent(), "optimizer": "adam", "max_grad_norm": 1e9, "discount": GAMMA, "td_lambda": TRACE,
    "num_envs": 3, "epochs": 1, "minibatches": 1,
}  # fmt: skip
# Compiling is most of the time of these tests.
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


@functools.partial(jax.jit, compiler_options=QUICK)
def update(learner, state, batch):
    return learner.update(state, batch, jax.random.key(0), Progress(jnp.int32(1), jnp.int32(0)))


class Step:
    """The loss of one learner on one batch, as a function of its parameters; what carries no gradient is `frozen`."""

    def __init__(self, learner: Any, batch: Any, target_params: Any):
        self.learner, self.batch, self.target_params = learner, batch, target_params
        self.mix = MIXERS_BY_HAND[type(learner.mixer)]

    def team_values(self, params: Any, frozen: Any, actions: np.ndarray) -> np.ndarray:
        """Q_tot of joint actions [F, B, N]."""
        q, fixed = (self.local_values(each) for each in (params, frozen))
        found = np.zeros(actions.shape[:2])
        for f, b in np.ndindex(found.shape):
            mask, u, x = self.batch.avail[f, b], actions[f, b], np.float64(self.batch.state[f, b])
            leaves = (params.mixer.get("params", {}), frozen.mixer.get("params", {}))
            found[f, b] = self.mix(self.learner.mixer, leaves, (q[f, b], fixed[f, b]), mask, u, x)
        return found

    def local_values(self, params: Any) -> np.ndarray:
        """q_i(u_i) of every action: the tables' rows, weighed by the observation."""
        return np.einsum("fbno,noa->fbna", self.batch.obs, params.agent["params"]["table"])

    def targets(self, frozen: Any) -> np.ndarray:
        """TD(λ) backwards around b_t.

        That is the target's value at the online greedy actions, at the stored ones (SARSA), or the same network's
        greedy value (PQN).
        """
        masked = np.where(self.batch.avail, self.local_values(frozen), -np.inf)
        following = masked.argmax(axis=-1)
        valuing = frozen if isinstance(self.learner, Pqn) else self.target_params
        if getattr(self.learner, "bootstrap", "") == "sarsa":
            following = self.batch.actions
        ahead = self.team_values(valuing, valuing, following)[1:]
        reward, ended, cut = self.batch.reward, self.batch.terminated, self.batch.truncated
        y, later = np.zeros(reward.shape), ahead[-1]
        for t in reversed(range(len(reward))):
            later = np.where(cut[t], ahead[t], (1 - TRACE) * ahead[t] + TRACE * later)
            later = y[t] = reward[t] + GAMMA * np.where(ended[t], 0.0, later)
        return y

    def loss(self, params: Any, frozen: Any) -> float:
        """The mean squared error over the steps taken."""
        steps = len(self.batch.reward)
        errors = self.team_values(params, frozen, self.batch.actions)[:steps] - self.targets(frozen)
        return float((errors**2)[self.batch.filled].mean())


@pytest.mark.golden(*NAMES)
@pytest.mark.parametrize("name", NAMES)
def test_a_step_is_that_of_the_equations(name, random_episodes, state_for, gradients_of):
    learner = make(name)
    for path, value in SMALL.items():
        if hasattr(learner, path):
            learner = replace(learner, path, value)
    batch = random_episodes()
    batch = batch._replace(
        terminated=np.array([[False, True, False], [False] * 3]),
        truncated=np.array([[False] * 3, [True] * 3]),
        filled=np.array([[True] * 3, [True, False, True]]),
    )
    state = state_for(learner, batch)
    after, metrics = update(learner, state, batch)
    doubled = functools.partial(jax.tree.map, np.float64)
    step, params = Step(learner, batch, doubled(state.target_params)), doubled(state.params)
    assert float(metrics["loss"]) == pytest.approx(step.loss(params, params), rel=1e-4)
    gradient, generator = gradients_of(after.opt_state), np.random.default_rng(1)
    for _ in range(2):
        direction = jax.tree.map(lambda leaf: generator.normal(size=leaf.shape), params)
        there = step.loss(jax.tree.map(lambda leaf, by: leaf + 1e-6 * by, params, direction), params)
        back = step.loss(jax.tree.map(lambda leaf, by: leaf - 1e-6 * by, params, direction), params)
        slope = sum(float(np.sum(g * by)) for g, by in zip(*map(jax.tree.leaves, (gradient, direction)), strict=True))
        assert slope == pytest.approx((there - back) / 2e-6, rel=2e-3, abs=1e-3)

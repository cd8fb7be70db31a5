"""The factor of the loss: what it does to gradients and clipping by hand, and that every learner's loss has it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_every_learner import ONE_OF_EACH, small
from test_q_learning import batch_of, fresh, learner_of, update

from jaxvf.algorithm import Progress
from jaxvf.errors import InputError
from jaxvf.hyperparameters import replace
from jaxvf.value.agents import ValueAgents

# Errors 3 - 56 and 7 - 2, each in the entries of two agents: the gradient has the norm √(2 (53² + 5²)) = 75.3.
ERRORS = np.array([-53, 5])
NORM = np.sqrt(2 * np.sum(ERRORS**2))


@pytest.mark.parametrize(
    ("factor", "most", "gradient"),
    [
        (1.0, 1e9, ERRORS),
        (0.5, 1e9, ERRORS / 2),
        (1.0, 50.0, ERRORS * 50 / NORM),
        (0.5, 50.0, ERRORS / 2),  # 37.6: not clipped
        (0.5, 10.0, ERRORS * 10 / NORM),
        (1.0, 20.0, ERRORS * 20 / NORM),  # twice the one above: PyMARL2's 10 is 20 for the loss without 1/2
    ],
)
def test_the_loss_and_its_gradient_are_scaled_before_clipping(factor, most, gradient, gradients_of):
    batch = batch_of(terminated=(0, 1), truncated=(0, 0))
    learner = learner_of(loss_factor=factor, max_grad_norm=most)
    after, metrics = update(learner, fresh(learner), batch)
    assert float(metrics["loss"]) == pytest.approx(factor * np.mean(ERRORS**2), rel=1e-6)
    assert float(metrics["grad_norm"]) == pytest.approx(factor * NORM, rel=1e-6)
    expected = np.zeros((2, 3, 3))
    expected[:, 0, 1], expected[:, 1, 0] = gradient
    np.testing.assert_allclose(gradients_of(after.opt_state).agent["params"]["table"], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [*ONE_OF_EACH, "pqn_vdn"])
def test_every_learner_scales_its_loss(name, random_episodes, state_for, monkeypatch):
    """The one function that scales is asked in an update; by default it gives back the loss itself."""
    learner, batch, asked = small(name, num_envs=3, minibatches=1), random_episodes(envs=3), []
    assert learner.scaled(small) is small
    whole = ValueAgents.scaled
    monkeypatch.setattr(ValueAgents, "scaled", lambda self, loss: asked.append(self.loss_factor) or whole(self, loss))
    learner = replace(learner, "loss_factor", 0.5)
    jax.eval_shape(
        learner.update, state_for(learner, batch), batch, jax.random.key(0), Progress(jnp.int32(1), jnp.int32(1))
    )
    assert set(asked) == {0.5}


def test_a_factor_of_nothing_is_refused():
    with pytest.raises(InputError, match=r"loss_factor=0 is below its smallest valid value 1e-06"):
        replace(learner_of(), "loss_factor", 0)

"""Adaptive integration: a linear flow against its solution, a stiff one, and what is said without diffrax."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.errors import InputError
from jaxvf.theory.flow_solve import integrate


@pytest.mark.parametrize("stiff", [False, True])
def test_a_linear_flow_is_its_exponential(stiff):
    """Of x' = -x and y' = -1000 (y - 1), at t = 0, 1 and 2; the implicit solver needs far fewer steps."""
    with jax.enable_x64(True):
        path = jax.jit(
            lambda x: integrate(
                lambda x: {"slow": -x["slow"], "fast": 1000 * (1 - x["fast"])}, x, jnp.arange(3.0), stiff=stiff
            )
        )({"slow": jnp.array([1.0, 2.0]), "fast": jnp.array(0.0)})
    steps = int(path.steps)
    assert bool(path.succeeded) and (steps < 150 if stiff else steps > 300)
    np.testing.assert_allclose(path.x["slow"], np.exp(-np.arange(3.0))[:, None] * [1, 2], rtol=1e-4)
    np.testing.assert_allclose(path.x["fast"], [0, 1, 1], atol=1e-5)


def test_without_diffrax_one_line_says_what_to_install(monkeypatch):
    """The module itself imports without it."""
    monkeypatch.setitem(sys.modules, "diffrax", None)
    with pytest.raises(InputError, match=r"needs diffrax: pip install 'jaxvf\[theory\]'"):
        integrate(lambda x: -x, jnp.ones(()), jnp.arange(2.0))

"""Tests that train want fast programs, not fast compilation."""

import jax
import pytest


@pytest.fixture(scope="module", autouse=True)
def optimized():
    """Compile as users do; the other tests do not (tests/conftest.py)."""
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)

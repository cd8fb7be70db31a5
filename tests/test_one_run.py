"""A program that runs once is compiled quickly, and draws the same numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf import algorithms, one_run
from jaxvf.envs import make
from jaxvf.one_run import QUICKLY, compile_for_one_run
from jaxvf.training import observed_by


@pytest.fixture
def optimized():
    """As users compile, and not as tests do."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


def test_parameters_are_the_same_to_the_bit(optimized):
    learner = algorithms.make("qmix")
    spec = observed_by(learner, make("matrix_game/A")).spec
    lowered = jax.jit(jax.vmap(lambda key: learner.init(key, spec))).lower(jax.random.split(jax.random.key(0), 2))
    quick, usual = (
        jax.tree.leaves(compiled(jax.random.split(jax.random.key(3), 2)))
        for compiled in (compile_for_one_run(lowered), lowered.compile())
    )
    assert len(quick) > 20
    for one, other in zip(quick, usual, strict=True):
        np.testing.assert_array_equal(one, other)


def test_only_a_cpu_that_would_optimize_is_told_to_be_quick(optimized, monkeypatch):
    asked = []
    monkeypatch.setattr(jax.stages.Lowered, "compile", lambda _, compiler_options=None: asked.append(compiler_options))
    lowered = jax.jit(jnp.sin).lower(1.0)
    compile_for_one_run(lowered)
    jax.config.update("jax_disable_most_optimizations", True)
    compile_for_one_run(lowered)
    jax.config.update("jax_disable_most_optimizations", False)
    monkeypatch.setattr(one_run.jax, "default_backend", lambda: "gpu")
    compile_for_one_run(lowered)
    assert asked == [QUICKLY, None, None]

"""Shared by the tests of the trust-region family: parameters without compiling an `init`."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest


@pytest.fixture(scope="session")
def normals() -> Callable[..., Any]:
    """`normals(init, *arguments)`: what `init` would give, filled with normals of scale 0.4."""

    def fill(init: Callable[..., Any], *arguments: Any, seed: int = 0) -> Any:
        generator = np.random.default_rng(seed)
        shapes = jax.eval_shape(lambda: init(*arguments))
        return jax.tree.map(lambda leaf: generator.normal(scale=0.4, size=leaf.shape).astype(leaf.dtype), shapes)

    return fill

"""What is drawn in a row and then shaped is what `jax.random` draws, for one key and for many."""

from functools import partial

import jax
import numpy as np
import pytest

from jaxvf import draws

KEYS = jax.random.split(jax.random.key(5), 4)


@pytest.mark.parametrize("shape", [(), (7,), (3, 5), (2, 3, 7), (0, 4)])
def test_the_numbers_are_those_of_jax_random(shape):
    pairs = {
        partial(draws.uniform, shape=shape, minval=-2.0, maxval=3.0): partial(
            jax.random.uniform, shape=shape, minval=-2.0, maxval=3.0
        ),
        partial(draws.normal, shape=shape): partial(jax.random.normal, shape=shape),
    }
    for ours, theirs in pairs.items():
        for drawn in (lambda function: jax.jit(function)(KEYS[0]), lambda function: jax.jit(jax.vmap(function))(KEYS)):
            np.testing.assert_array_equal(drawn(ours), drawn(theirs))

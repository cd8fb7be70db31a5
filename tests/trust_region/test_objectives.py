"""Objectives: the weight rules, the clipped surrogate and the entropy bonus, by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.errors import InputError
from jaxvf.trust_region.objectives import (
    WEIGHT_RULES,
    clipped_surrogate,
    entropy_bonus,
    preceding_weight,
    surrogate,
    weight_bounds,
)

LOG_WEIGHT = jnp.log(jnp.array([0.5, 1.0, 1.05, 3.0]))
ALIVE = jnp.array([True, True, False])


@pytest.mark.golden("happo", "clip_happo", "unweighted_happo")
@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("is", [0.5, 1, 1.05, 3]),
        ("clip1", [0.5, 1, 1, 1]),
        ("none", [1, 1, 1, 1]),
        ("max_c", [0.5, 1, 1.05, 2]),
        ("two_sided", [0.9, 1, 1.05, 1.1]),
    ],
)
def test_weight_rules(rule, expected):
    low, high = weight_bounds(rule, bound=2.0) if rule == "max_c" else weight_bounds(rule)
    np.testing.assert_allclose(preceding_weight(LOG_WEIGHT, low, high), expected, rtol=1e-6)


def test_no_weight_is_ever_infinite():
    """The exponential of a product of many ratios overflows float32; no rule lets that through."""
    for rule in WEIGHT_RULES:
        weight = preceding_weight(jnp.array([-500.0, 500.0]), *weight_bounds(rule))
        assert np.isfinite(weight).all(), rule
    np.testing.assert_array_equal(preceding_weight(jnp.array([500.0]), *weight_bounds("clip1")), [1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rule": "clip"}, "unknown weight rule 'clip'; did you mean 'clip1'"),
        ({"rule": "max_c", "bound": -1.0}, "bound=-1.0 is below its smallest valid value 0"),
        ({"rule": "two_sided", "band": 2.0}, r"band=2.0 is outside \[0, 1\]"),
        (
            {"rule": "clip1", "bound": 2.0},
            "bound=2.0 does nothing to the rule 'clip1'; leave it at 1.0, or take 'max_c'",
        ),
        (
            {"rule": "max_c", "band": 0.2},
            "band=0.2 does nothing to the rule 'max_c'; leave it at 0.1, or take 'two_sided'",
        ),
    ],
)
def test_bad_rules_say_what_is_valid(arguments, message):
    with pytest.raises(InputError, match=message):
        weight_bounds(**arguments)


@pytest.mark.golden("ippo", "mappo")
def test_clipped_surrogate_outside_and_inside():
    """Ratios 1.5 and 0.5 with advantages 1 and -1, ε = 0.2, weight 0.5; the dead third counts for nothing."""
    log_ratio, advantage = jnp.log(jnp.array([1.5, 0.5, 9.0])), jnp.array([1.0, -1.0, 9.0])
    weight = jnp.full(3, 0.5)
    # outside: 0.5 · (min(1.5, 1.2) + min(-0.5, -0.8)) / 2
    outside = clipped_surrogate(log_ratio, advantage, weight, ALIVE, clip=0.2)
    np.testing.assert_allclose(outside, 0.5 * (1.2 - 0.8) / 2, rtol=1e-6)
    # inside: the ratios are 0.75 and 0.25 before the clip to [0.8, 1.2]
    inside = clipped_surrogate(log_ratio, advantage, weight, ALIVE, clip=0.2, place="inside")
    np.testing.assert_allclose(inside, (0.75 - 0.8) / 2, rtol=1e-6)
    plain = surrogate(log_ratio, advantage, weight, ALIVE)
    np.testing.assert_allclose(plain, 0.5 * (1.5 - 0.5) / 2, rtol=1e-6)


def test_a_ratio_beyond_the_clip_has_no_gradient():
    def gain(log_ratio):
        return clipped_surrogate(log_ratio, jnp.array([1.0]), jnp.ones(1), jnp.ones(1, bool), clip=0.2)

    assert jax.grad(gain)(jnp.log(jnp.array([1.5])))[0] == 0
    assert jax.grad(gain)(jnp.log(jnp.array([1.1])))[0] > 0


def test_the_entropy_defect_multiplies_by_the_batch():
    """A mask that broadcasts to B x B makes the mean B times too large."""
    entropy = jnp.array([1.0, 2.0, 9.0])
    assert entropy_bonus(entropy, ALIVE, 3) == 1.5
    assert entropy_bonus(entropy, ALIVE, 3, reduction="sum_over_batch") == 4.5

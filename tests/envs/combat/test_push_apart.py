"""Overlapping units are pushed apart, each by half, however the pairs are gone through."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs.combat import movement
from jaxvf.envs.combat.movement import push_apart

RADIUS = jnp.full((3, 1), 0.5)


def column(*values):
    return jnp.array(values, jnp.float32)[:, None]


def pushed(x, y=(0.0, 0.0, 0.0), alive=(True, True, True), collide=None):
    x, y = push_apart(column(*x), column(*y), RADIUS, jnp.array(alive)[:, None], collide)
    return [pytest.approx(axis[:, 0].tolist(), abs=1e-5) for axis in (x, y)]


def test_a_pair_that_overlaps_moves_apart_by_half_the_overlap_each():
    """Discs of radius 1/2 at 0 and 0.6 overlap by 0.4; the third is not in touch."""
    assert pushed((0.0, 0.6, 3.0)) == [[-0.2, 0.8, 3.0], [0.0, 0.0, 0.0]]
    assert pushed((0.0, 0.0, 3.0), (0.0, 0.6, 0.0)) == [[0.0, 0.0, 3.0], [-0.2, 0.8, 0.0]]


def test_pushes_from_two_sides_add_up():
    assert pushed((0.0, 0.6, 1.2))[0] == [-0.2, 0.6, 1.4]


def test_the_dead_neither_push_nor_move_nor_do_who_stand_on_one_point():
    assert pushed((0.0, 0.6, 3.0), alive=(True, False, True))[0] == [0.0, 0.6, 3.0]
    assert pushed((1.0, 1.0, 3.0))[0] == [1.0, 1.0, 3.0]


def test_who_do_not_collide_pass():
    apart = np.array([[True, False, True], [False, True, True], [True, True, True]])[:, :, None]
    assert pushed((0.0, 0.6, 3.0), collide=jnp.asarray(apart))[0] == [0.0, 0.6, 3.0]


@pytest.mark.parametrize("units", [1, 2, 6, 17])
def test_both_ways_of_going_through_the_pairs_give_the_same(units):
    """Crowds in 8 battles, some dead, of two sizes, in two planes."""
    draw = np.random.default_rng(units)
    x, y = (jnp.asarray(draw.uniform(0, 2, (units, 8)), jnp.float32) for _ in range(2))
    size = np.where(draw.random((units, 8)) < 0.8, draw.choice([0.4, 0.7], (units, 8)), movement.NOBODY)
    size = jnp.asarray(size, jnp.float32)
    plane = draw.integers(0, 2, (units, 1))
    for collide in (None, jnp.asarray(plane[:, None] == plane[None])):
        one, other = (
            way(x, y, size.astype(jnp.float32), collide) for way in (movement._unit_by_unit, movement._all_pairs)
        )
        np.testing.assert_allclose(one, other, atol=2e-6)
    assert units == 1 or np.abs(np.asarray(one[0]) - x).max() > 0.1

"""The separating-axis test on rectangles whose overlap is known."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxvf.envs.intersection import IntersectionParams
from jaxvf.envs.intersection.collisions import contacts

NUMBERS = jax.tree.map(jnp.float32, IntersectionParams())
AWAY = [(100.0, 0.0, 0.0, 0.0), (0.0, 100.0, 0.0, 0.0)]


def of(*cars):
    """Contacts of cars (x, y, heading, speed); the others are far away."""
    x, y, heading, speed = np.array([*cars, *AWAY][:4], np.float32).T
    return jax.tree.map(np.asarray, contacts(jnp.stack([x, y], axis=1), jnp.array(heading), jnp.array(speed), NUMBERS))


def test_cars_5_m_long_touch_below_5_m():
    assert of((0, 0, 0, 0), (4.99, 0, 0, 0)).touching.tolist() == [True, True, False, False]
    assert not of((0, 0, 0, 0), (5.01, 0, 0, 0)).touching.any()
    assert of((0, 0, 0, 0), (0, 1.99, 0, 0)).touching[:2].all()
    assert not of((0, 0, 0, 0), (0, 2.01, 0, 0)).touching.any()


def test_a_turned_car_is_as_near_as_its_corners():
    """Across the other's way it reaches 2.5 m to the side; at 45 degrees, 3.5 / sqrt(2) = 2.475 m."""
    for heading, reach in ((np.pi / 2, 2.5), (np.pi / 4, 3.5 / np.sqrt(2))):
        assert of((0, 0, 0, 0), (0, 1 + reach - 0.01, heading, 0)).touching[:2].all()
        assert not of((0, 0, 0, 0), (0, 1 + reach + 0.01, heading, 0)).touching.any()


def test_who_will_touch_within_a_step_is_pushed_half_the_overlap_each():
    """10 m/s against a standing car 6 m ahead: after 0.2 s they would overlap by 1 m."""
    found = of((0, 0, 0, 10), (6, 0, 0, 0))
    assert not found.touching.any() and found.pushed.tolist() == [True, True, False, False]
    np.testing.assert_allclose(found.push, [[-0.5, 0], [0.5, 0], [0, 0], [0, 0]], atol=1e-5)


def test_who_drives_away_is_not_pushed():
    assert not of((0, 0, np.pi, 10), (6, 0, 0, 0)).pushed.any()


def test_the_last_pair_of_a_car_decides_its_push():
    """Car 0 is between car 1, 5.2 m behind it, and car 2, 5.3 m ahead of it, and both come nearer by 2 m."""
    found = of((0, 0, 0, 0), (-5.2, 0, 0, 10), (5.3, 0, np.pi, 10))
    assert found.pushed.tolist() == [True, True, True, False]
    np.testing.assert_allclose(found.push[:, 0], [-0.85, -0.9, 0.85, 0], atol=1e-5)


def test_a_pair_is_only_looked_at_if_the_first_car_could_reach_the_second():
    """A standing first car reaches sqrt(29) = 5.385 m, though the second one comes at 10 m/s (highway-env)."""
    assert of((0, 0, 0, 0), (5.38, 0, np.pi, 10)).pushed[:2].all()
    assert not of((0, 0, 0, 0), (5.39, 0, np.pi, 10)).pushed.any()

"""The forms of SMAC's reward, in numbers worked out by hand."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs.combat import MAPS, Combat
from jaxvf.envs.combat.dynamics import Forces
from jaxvf.envs.combat.outcome import REWARDS, outcome_of

ENV = Combat("3s_vs_3z")  # three stalkers, 80 health and 80 shield, against three zealots, 100 and 50
MOST = 3 * 150 + 3 * 10 + 200  # all there is to remove, kills, the victory


def forces(health, shield):
    nothing = jnp.zeros((6, 1))
    health, shield = (jnp.array(units, jnp.float32)[:, None] for units in (health, shield))
    return Forces(nothing, nothing, health, shield, nothing, nothing, nothing, jnp.full((3, 1), -1))


def reward_of(form, before, after, dealt=0.0, **numbers):
    changed = {name: jnp.float32(value) for name, value in numbers.items()}
    params = dataclasses.replace(ENV.default_params(), **changed)
    stats = ENV._stats(ENV.init(jax.random.key(0), params).kind[:, None], params)
    told = (stats, before, after, jnp.array([dealt]), jnp.array([1]))
    outcome = outcome_of(MAPS["3s_vs_3z"], form, params, *told)
    return float(outcome.reward[0])


# Zealot 0 regenerates 2 of its shield, zealot 1 loses its last 30 health; stalker 0 loses 10 shield, stalker 2 its last
# 5 health. Stalker 1 was dead.
BEFORE = forces([80, 0, 5, 100, 30, 100], [80, 0, 0, 10, 0, 50])
AFTER = forces([80, 0, 0, 100, 0, 100], [70, 0, 0, 12, 0, 50])
LOST = 10 + 5 + 10  # of the allies: shield, health, one death


@pytest.mark.parametrize(
    ("form", "earned"),
    [
        ("damage", 30 + 10),
        ("absolute", 30 + 10 - 2),
        ("clipped", 30 + 10 - 2),
        ("signed", 30 + 10 - 2 - 0.5 * LOST),
        ("sparse", 0),
    ],
)
def test_a_step_earns(form, earned):
    assert reward_of(form, BEFORE, AFTER, dealt=40.0) == pytest.approx(20 * earned / MOST, rel=1e-6)


def test_what_the_allies_lose_weighs_as_much_as_it_is_told_to():
    assert reward_of("signed", BEFORE, AFTER, reward_negative_scale=1.0) == pytest.approx(20 * (38 - LOST) / MOST)


@pytest.mark.parametrize(("form", "earned"), [("damage", 0), ("absolute", 2), ("clipped", 0), ("signed", -2)])
def test_what_enemies_regenerate_is_worth(form, earned):
    """Two points of a zealot's shield, and nothing else: SMAC pays for them, SMACv2 does not."""
    start = forces([80, 80, 80, 100, 100, 100], [80, 80, 80, 10, 50, 50])
    later = start._replace(shield=start.shield.at[3].set(12.0))
    assert reward_of(form, start, later) == pytest.approx(20 * earned / MOST, abs=1e-6)


ALL, NOBODY = [50.0] * 3, [0.0] * 3


@pytest.mark.parametrize(("allies", "enemies", "sparse", "end"), [
    (ALL, NOBODY, 1, 200), (NOBODY, ALL, -1, -50), (NOBODY, NOBODY, 0, 0),
])  # fmt: skip
def test_the_end_of_a_battle_earns(allies, enemies, sparse, end):
    """Won, lost with reward_defeat=-50, and a draw."""
    over = forces([*allies, *enemies], [0.0] * 6)
    assert reward_of("sparse", over, over) == sparse
    for form in set(REWARDS) - {"sparse"}:
        assert reward_of(form, over, over, reward_defeat=-50.0) == pytest.approx(20 * end / MOST), form


def test_the_form_is_what_the_environment_pays():
    """Three zealots out of reach regenerate 1 each in a step: 3 of 680, which the default does not see."""
    for form, earned in (("damage", 0), ("absolute", 3), ("signed", -3)):
        env = dataclasses.replace(ENV, reward=form)
        params = env.default_params()
        state = env.init(jax.random.key(0), params)
        hurt = state._replace(shield=state.shield.at[3:].set(10.0))
        _, outcome = env.transition(jax.random.key(1), hurt, jnp.ones(3, jnp.int32), params)
        np.testing.assert_allclose(outcome.reward, 20 * earned / MOST, atol=1e-6)

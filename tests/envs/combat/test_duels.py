"""Closed forms of SMAC's rules, one duel each. Cooldown noise is zero."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs.combat import Combat, terrain
from jaxvf.envs.combat.maps import HOLD, Map
from jaxvf.envs.combat.units import ID, Stats
from jaxvf.envs.combat.weapons import damages

QUICK = {"xla_backend_optimization_level": 0}
ATTACK = 6
STOP = 1


def arena(allies, enemies, order=HOLD):
    """A map of (kind, x, y) on open ground, one unit each."""
    sides = ([(kind, 1, x, y) for kind, x, y in side] for side in (allies, enemies))
    return Map("duel", *(tuple(side) for side in sides), 400, terrain.EVERYWHERE, order)


def fight(allies, enemies, actions, steps, *, change=lambda state: state, params=(), order=HOLD):
    """States before and after every step, [steps + 1, U], and outcomes, [steps], without any noise.

    Args:
        allies: (kind, x, y) of each.
        enemies: the same.
        actions: of every ally, in every step.
        steps: how many.
        change: what to do to the first state.
        params: {field: {kind: value}} or {field: value}.
        order: of the enemies.
    """
    env = Combat(arena(allies, enemies, order))
    numbers = env.default_params()
    for name, value in dict(params).items():
        table = np.array(getattr(numbers, name))
        if isinstance(value, dict):
            for kind, entry in value.items():
                table[ID[kind]] = entry
            value = table
        numbers = dataclasses.replace(numbers, **{name: jnp.asarray(value, jnp.float32)})
    quiet = dataclasses.replace(numbers, spawn_jitter=jnp.float32(0))
    units = len(allies) + len(enemies)

    def play(numbers):
        first = change(env.init_batch(jax.random.key(0), quiet, 1))

        def step(states, _):
            after, outcome = env.transition_with_noise(jnp.zeros((8, units, 1)), states, jnp.array([actions]), numbers)
            return after, (after, outcome)

        _, (after, outcome) = jax.lax.scan(step, first, None, length=steps)
        return jax.tree.map(lambda one, rest: jnp.concatenate([one[None], rest])[:, 0], first, after), outcome

    states, outcome = jax.jit(play, compiler_options=QUICK)(numbers)
    return jax.tree.map(np.asarray, states), jax.tree.map(np.asarray, outcome)


STILL = {"speed": {"zealot": 0.0, "marine": 0.0, "zergling": 0.0}}
FAR = 6.0  # centre to centre: in a stalker's range, out of everybody's sight


def test_a_stalker_kills_a_zealot_in_13_shots():
    """13 a shot: 3 on the shield of 50, the fourth splits 11 : 2, then 12 a shot through armour 1.

    A shot every 1.87 s = 29.92 ticks, so at ticks 0, 30, 60 and so on; the fourth leaves 100 - 12 * 2/13 health.
    """
    states, outcome = fight([("stalker", 9, 16)], [("zealot", 9 + FAR, 16)], [ATTACK], 46, params=STILL)
    shots = np.ceil(np.arange(1, 47) * 8 / 30).astype(int)  # fired by the end of each step
    shield = np.maximum(50 - 13 * shots, 0)
    health = np.where(shots < 4, 100.0, 100 - 12 * 2 / 13 - 12 * (shots - 4))
    np.testing.assert_allclose(states.shield[1:, 1], shield, atol=1e-4)
    np.testing.assert_allclose(states.health[1:, 1], np.maximum(health, 0), atol=1e-3)
    assert shots[-1] == 13 and shots[-2] == 12  # the thirteenth kills, at tick 360: in step 45
    assert outcome.terminated[-1, 0] and not outcome.terminated[:-1].any()
    assert outcome.metrics["won"][-1, 0] == 1
    # Everything removed, one kill, one win: 20, where nobody regenerates.
    np.testing.assert_allclose(outcome.reward.sum(), 20.0, atol=1e-4)


def test_marines_shoot_every_14_ticks():
    """0.861 s are 13.78 ticks: shots at ticks 0, 14, 28; 6 each. Both shoot at once, both die at once: a draw."""
    states, outcome = fight([("marine", 9, 16)], [("marine", 13, 16)], [ATTACK], 15, params=STILL)
    shots = np.ceil(np.arange(1, 16) * 8 / 14).astype(int)
    expected = np.maximum(45 - 6 * shots, 0)
    np.testing.assert_allclose(states.health[1:], np.stack([expected, expected], axis=1), atol=1e-4)
    dies = int(np.argmax(shots >= 8))
    assert outcome.terminated[dies, 0] and outcome.metrics["won"][dies, 0] == 0
    assert outcome.metrics["dead_allies"][dies, 0] == outcome.metrics["dead_enemies"][dies, 0] == 1


def test_a_medivac_heals_4_5_a_step():
    """9 health and 3 energy a second, while 0.5625 energy a second come back; it stops at full health."""

    def hurt(state):
        return state._replace(health=state.health.at[:, 0].set(30.0))

    states, _ = fight(
        [("marine", 9, 16), ("medivac", 11, 16)], [("marine", 30, 30)], [STOP, ATTACK + 0], 5, change=hurt
    )
    np.testing.assert_allclose(states.health[:, 0], [30, 34.5, 39, 43.5, 45, 45], atol=1e-4)
    np.testing.assert_allclose(np.diff(states.energy[:4, 1]), -1.5 + 0.28125, atol=1e-4)


def test_a_shield_regenerates_from_the_21st_step_after_a_hit():
    """160 ticks of pause, then 2 a second: 1 a step."""

    def hit(state):
        return state._replace(shield=state.shield.at[:, 0].set(10.0), delay=state.delay.at[:, 0].set(10.0))

    states, _ = fight([("zealot", 9, 16)], [("marine", 30, 30)], [STOP], 24, change=hit)
    np.testing.assert_allclose(states.shield[:21, 0], 10.0)
    np.testing.assert_allclose(states.shield[21:, 0], [11, 12, 13, 14], atol=1e-5)


def test_a_colossus_burns_a_line():
    """Rectangle 2.8 x 0.3 across the shot: of three zerglings 1 apart all burn, 3 apart only the one aimed at."""
    for spacing, hit in ((1.0, [1, 1, 1]), (3.0, [0, 1, 0])):
        row = [("zergling", 15, 16 + spacing * k) for k in (-1, 0, 1)]
        states, _ = fight([("colossus", 9, 16)], row, [ATTACK + 1], 1, params=STILL)
        # 2 hits of 10 + 5 against light, no armour; regeneration of a step is 0.14.
        np.testing.assert_allclose(states.health[1, 1:], 35 - 30 * np.array(hit), atol=0.2)


def test_a_baneling_takes_its_neighbourhood_along():
    """20, and 15 more on light, within 2.2 of its surface; it dies. Another one that it kills bursts a tick later."""
    allies = [("baneling", 11.3, 16), ("zergling", 11.2, 17), ("zergling", 2, 2)]
    enemies = [("zergling", 12, 16), ("zergling", 14.4, 16), ("zergling", 18, 16), ("baneling", 13.5, 16)]
    still = {"speed": {"zergling": 0.0, "baneling": 0.0}, "regeneration": 0.0}

    def weak(state):
        return state._replace(health=state.health.at[:, 6].set(15.0))

    states, outcome = fight(allies, enemies, [ATTACK, STOP, STOP], 1, change=weak, params=still)
    # The first blast reaches 2.575 to a zergling's centre: enemy zergling 0 and the baneling, 0.7 and 2.2 away, not
    # zergling 1, 3.1 away. The second one, from 13.5, reaches the ally 2.5 away, and spares its own side.
    np.testing.assert_allclose(states.health[1], [0, 0, 35, 0, 35, 35, 0], atol=1e-4)
    assert not outcome.terminated[0, 0]


@pytest.mark.parametrize(
    ("attacker", "target", "lost"),
    [
        ("marine", "marauder", 6 - 1),
        ("marauder", "spine_crawler", 10 + 10 - 2),
        ("stalker", "marauder", 13 + 5 - 1),
        ("zealot", "marauder", 2 * (8 - 1)),
        ("hydralisk", "medivac", 12 - 1),
        ("zealot", "medivac", 0),  # cannot reach what flies
        ("spine_crawler", "marauder", 25 + 5 - 1),
    ],
)
def test_damage_of_a_shot(attacker, target, lost):
    still = {"speed": {attacker: 0.0, target: 0.0}, "regeneration": 0.0, "reach": {attacker: 5.0, target: 0.0}}
    enemies = [(target, 12, 16), ("zealot", 30, 30)]  # a second one, because medivacs alone have lost
    states, _ = fight([(attacker, 9, 16)], enemies, [ATTACK], 1, params=still)
    np.testing.assert_allclose(states.health[0, 1] - states.health[1, 1], lost, atol=1e-4)


def test_armour_leaves_half_a_point_of_every_hit():
    """8 against armour 20: two hits of a zealot's do 0.5 each."""
    env = Combat(arena([("zealot", 9, 16)], [("marauder", 9.5, 16)]))
    params = env.default_params()
    params = dataclasses.replace(params, armour=jnp.full(10, 20.0))
    kind = jnp.array([[ID["zealot"]], [ID["marauder"]]])
    zealot, marauder = (Stats(*(leaf[part] for leaf in env._stats(kind, params))) for part in (slice(1), slice(1, 2)))
    dealt = damages(jnp.ones((1, 1, 1), bool), zealot, marauder)
    assert float(dealt.raw[0, 0, 0]) == 16 and float(dealt.reduced[0, 0, 0]) == 1


def test_enemies_attack_what_comes_near_or_attacks_them():
    """A zealot notices at 5 + radius 0.625; beyond, it answers whoever is ordered to attack it."""
    near, _ = fight([("stalker", 9, 16)], [("zealot", 9 + 5.6, 16)], [STOP], 1)
    far, _ = fight([("stalker", 9, 16)], [("zealot", 9 + 5.7, 16)], [STOP], 1)
    answers, _ = fight([("stalker", 9, 16)], [("zealot", 9 + 6.5, 16)], [ATTACK], 1)
    assert near.target[1, 0] == 0 and far.target[1, 0] == -1 and answers.target[1, 0] == 0
    np.testing.assert_allclose(near.x[0, 1] - near.x[1, 1], 2.25 * 0.5, atol=1e-4)


def test_orders_move_a_unit_by_its_speed():
    """North, south, east, west: 2.25 cells a second for half a second."""
    for action, way in zip((2, 3, 4, 5), ((0, 1), (0, -1), (1, 0), (-1, 0)), strict=True):
        states, _ = fight([("marine", 9, 16)], [("marine", 30, 30)], [action], 1)
        moved = [states.x[1, 0] - 9, states.y[1, 0] - 16]
        np.testing.assert_allclose(moved, 1.125 * np.array(way), atol=1e-4)


def test_units_are_pushed_apart_but_air_and_ground_pass():
    states, _ = fight(
        [("marine", 9, 16), ("marine", 9.5, 16), ("medivac", 9.2, 16)], [("marine", 30, 30)], [STOP, STOP, STOP], 1
    )
    assert states.x[1, 1] - states.x[1, 0] >= 0.75 - 1e-3  # two radii of 0.375
    np.testing.assert_allclose(states.x[1, 2], 9.2, atol=1e-5)

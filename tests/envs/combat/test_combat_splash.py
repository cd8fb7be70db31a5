"""How far a baneling's blast and a colossus's line reach, by hand; who flies is spared."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxvf.envs.combat.units import ID, KINDS, CombatParams, Stats, stats_of
from jaxvf.envs.combat.weapons import blasts, lines, with_line_splash


def of(attacker, *targets):
    """Lines and both sides' stats of one attacker and its enemies, each (kind, x, y)."""
    kind, x, y = zip(attacker, *targets, strict=True)
    number = jnp.array([[ID[name]] for name in kind])
    stats = stats_of(number, jax.tree.map(jnp.asarray, CombatParams()), 1, tuple(range(len(KINDS))))
    sides = (Stats(*(leaf[part] for leaf in stats)) for part in (slice(1), slice(1, None)))
    return lines(*(jnp.array(axis, jnp.float32)[:, None] for axis in (x, y)), 1), *sides


def burnt(attacker, *targets, fires=True):
    """Who is burnt by a shot at the first target."""
    between, colossus, enemies = of(attacker, *targets)
    shots = (jnp.arange(len(targets)) == 0)[None, :, None] & fires
    return np.asarray(with_line_splash(shots, between, colossus, enemies))[0, :, 0].tolist()


def test_a_blast_reaches_2_2_from_edge_to_centre_on_the_ground():
    """A zergling's radius is 0.375, so that it is hit within 2.575; a medivac flies."""
    targets = [("zergling", 12.57, 16), ("zergling", 12.58, 16), ("medivac", 11, 16)]
    between, _, enemies = of(("baneling", 10, 16), *targets)
    for bursting in (True, False):
        hit = blasts(jnp.array([[bursting]]), between, enemies)
        assert hit[0, :, 0].tolist() == [bursting, False, False]


def test_a_line_burns_1_4_to_either_side_and_spares_who_flies():
    """With the radius of 0.375 that is 1.775 across the shot, and 0.15 + 0.375 along it."""
    targets = [("zergling", 15, 16), ("zergling", 15, 17.77), ("zergling", 15, 17.78), ("zergling", 15.52, 16),
               ("zergling", 15.53, 16), ("medivac", 15, 16.5)]  # fmt: skip
    assert burnt(("colossus", 9, 16), *targets) == [True, True, False, True, False, False]
    assert not any(burnt(("colossus", 9, 16), *targets, fires=False))
    assert burnt(("stalker", 9, 16), *targets) == [True, *[False] * 5]


def test_a_colossus_on_top_of_its_target_burns_as_if_that_were_in_the_east():
    targets = [("zergling", 9, 16), ("zergling", 9, 17.7), ("zergling", 9.6, 16)]
    assert burnt(("colossus", 9, 16), *targets) == [True, True, False]

"""SMACv2's battles: kinds, places and numbers of units are drawn, and agents know where they are."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs.combat import MAPS, Combat, units
from jaxvf.envs.combat.generator import first_kinds, numbered
from jaxvf.envs.combat.maps import RACES


@pytest.fixture(scope="module", params=[("terran", "medivac"), ("zerg", "baneling")])
def resets(request):
    """10,000 first states of 10 against 11."""
    race, exception = request.param
    env = Combat(f"{race}_10_vs_11")
    states = jax.jit(lambda key: env.init_batch(key, env.default_params(), 10_000))(jax.random.key(1))
    return env, RACES[race], exception, jax.tree.map(np.asarray, states)


def test_drawn_kinds_have_their_frequencies(resets):
    """0.45, 0.45, 0.1; enemies copy the allies; no team is made up of the exception alone."""
    _, kinds, exception, states = resets
    drawn = states.kind[:, :10].ravel()
    for kind, weight in zip(kinds, (0.45, 0.45, 0.1), strict=True):
        sigma = np.sqrt(weight * (1 - weight) / drawn.size)
        assert abs((drawn == units.ID[kind]).mean() - weight) < 3 * sigma, kind
    ours, theirs = (
        (side[..., None] == np.arange(10)).sum(axis=1) for side in (states.kind[:, :10], states.kind[:, 10:])
    )
    extra = theirs - ours
    assert (extra >= 0).all() and (extra.sum(axis=1) == 1).all()
    # The one without an original is a team of its own, which is not of the exception.
    np.testing.assert_allclose(extra.mean(axis=0)[[units.ID[kind] for kind in kinds]], [0.5, 0.5, 0], atol=0.015)
    assert not (states.kind[:, :10] == units.ID[exception]).all(axis=1).any()


def test_small_teams_never_consist_of_the_exception():
    """Of one unit, a tenth of all draws would."""
    battle = dataclasses.replace(
        MAPS["terran_5_vs_5"], allies=(("marine", 1, 9.0, 16.0),), enemies=(("marine", 1, 23.0, 16.0),)
    )
    kind = np.asarray(first_kinds(battle, jax.random.key(0), 4_000).T)
    assert not (kind == units.ID["medivac"]).any()
    # Its tenth is shared by the two others.
    assert abs((kind[:, 0] == units.ID["marine"]).mean() - 0.5) < 3 * np.sqrt(0.25 / 4_000)


def test_drawn_positions_are_on_the_map_and_of_both_sorts(resets):
    env, _, _, states = resets
    radius = np.asarray(env.default_params().radius)[states.kind]
    for axis in (states.x, states.y):
        assert (axis >= radius - 1e-5).all() and (axis <= 32 - radius + 1e-5).all()
    # Mirrored: each enemy but one faces an ally, but for the jitter. Half of the battles.
    across = np.abs(32 - states.x[:, :10, None] - states.x[:, None, 10:]) < 0.5
    mirrored = (across & (np.abs(states.y[:, :10, None] - states.y[:, None, 10:]) < 0.5)).any(axis=2).all(axis=1)
    assert abs(mirrored.mean() - 0.5) < 3 * np.sqrt(0.25 / 10_000)
    assert (states.x[mirrored][:, :10] <= 15.2).all()
    # Nobody stands exactly on somebody else: nothing would ever push them apart.
    apart = np.hypot(states.x[:, :, None] - states.x[:, None], states.y[:, :, None] - states.y[:, None])
    assert (apart + np.eye(21) > 1e-4).all()
    centre = np.hypot(states.x[~mirrored][:, :10].mean(axis=1) - 16, states.y[~mirrored][:, :10].mean(axis=1) - 16)
    assert centre.max() < 1.0


def test_units_are_numbered_by_kind_then_x_then_y():
    """Of five allies the colossus comes first, then the stalkers, both at x = 5, by y, then the zealots by x."""
    kind, zealot = (units.ID[name] for name in ("stalker", "zealot"))
    kinds = jnp.array([zealot, kind, units.ID["colossus"], kind, zealot, *[zealot] * 4, kind])[:, None]
    x = jnp.array([1.0, 5, 3, 5, 0, 9, 8, 7, 6, 30])[:, None]
    y = jnp.array([0.0, 2, 0, 1, 0, 0, 0, 0, 0, 0])[:, None]
    sorted_kinds, sorted_x, sorted_y = (leaf[:, 0] for leaf in numbered(MAPS["protoss_5_vs_5"], kinds, x, y))
    np.testing.assert_array_equal(sorted_kinds[:5], [units.ID["colossus"], kind, kind, zealot, zealot])
    np.testing.assert_array_equal(sorted_x, [3, 5, 5, 0, 1, 30, 6, 7, 8, 9])
    np.testing.assert_array_equal(sorted_y[:5], [0, 1, 2, 0, 0])


def test_every_battle_begins_sorted(resets):
    """Names of kinds are the order of StarCraft's numbers for the learning side's units."""
    _, kinds, _, states = resets
    rank = np.searchsorted(sorted(kinds), np.array(units.KINDS)[states.kind])
    for part in (slice(None, 10), slice(10, None)):
        kind, x, y = (np.diff(leaf[:, part], axis=1) for leaf in (rank, states.x, states.y))
        assert ((kind > 0) | ((kind == 0) & ((x > 0) | ((x == 0) & (y > 0))))).all()
    # On a fixed map units are numbered as the map lists them.
    order = Combat("MMM2").init(jax.random.key(0), Combat("MMM2").default_params()).kind[:10]
    assert [units.KINDS[kind] for kind in order] == ["marauder"] * 2 + ["marine"] * 7 + ["medivac"]


def test_an_agents_own_block_is_health_shield_place_kind():
    """A zealot with half its health and a fifth of its shield at (8, 24): the bits come last."""
    env = Combat("protoss_5_vs_5")
    params = env.default_params()
    state = jax.jit(env.init)(jax.random.key(0), params)
    zealot = units.ID["zealot"]
    state = state._replace(
        kind=state.kind.at[0].set(zealot), x=state.x.at[0].set(8.0), y=state.y.at[0].set(24.0),
        health=state.health.at[0].set(50.0), shield=state.shield.at[0].set(10.0),
    )  # fmt: skip
    own = jax.jit(env.observe)(state, params).obs[0, -7:]
    np.testing.assert_allclose(own, [0.5, 0.2, 0.25, 0.75, 0, 1, 0], rtol=1e-6)
    assert env.spec.version == 2 and Combat("3m").spec.version == 1


def test_each_kind_sees_and_attacks_as_far_as_it_does():
    """A colossus, a stalker and a zealot, each with one enemy `far` to the east.

    They see 10, 10 and 9 cells, and attack 7, 6 and 2: a zealot's weapon reaches 0.1, an order to attack farther.
    """
    env = Combat("protoss_5_vs_5")
    params, far = env.default_params(), np.array([8.9, 9.5, 10.1, 1.9, 2.1, 6.1, 7.1])
    kinds = [units.ID[kind] for kind in ("colossus", "stalker", "zealot", "zealot", "zealot")] * 2
    x, y = np.full((len(far), 10), 5.0), np.tile([4.0, 16, 28, 10, 22], 2)
    x[:, 5:] += far[:, None]
    lives = np.tile([1.0, 1, 1, 0, 0], 2) * 50
    first = env.init_batch(jax.random.key(0), params, len(far))
    changes = {"kind": kinds, "x": x, "y": y, "health": lives}
    changes = {
        name: jnp.broadcast_to(jnp.asarray(leaf, first.x.dtype), first.x.shape) for name, leaf in changes.items()
    }
    states = first._replace(**changes | {"kind": changes["kind"].astype(jnp.int32)})
    view = jax.jit(env.observe_batch, compiler_options={"xla_backend_optimization_level": 0})(states, params)
    enemies = np.asarray(view.obs[:, :3, 4 : 4 + 5 * 9].reshape(len(far), 3, 5, 9) != 0).any(axis=-1)
    own = np.arange(3)
    np.testing.assert_array_equal(enemies[:3, own, own], [[1, 1, 1], [1, 1, 0], [0, 0, 0]])
    attacks = np.asarray(view.avail[3:, own, 6 + own])
    np.testing.assert_array_equal(attacks, [[1, 1, 1], [1, 1, 0], [1, 0, 0], [0, 0, 0]])

"""Sizes of every map as StarCraft's SMAC gives them, and where units start."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from jaxvf.envs import make
from jaxvf.envs.combat import MAPS, Combat, terrain, units
from jaxvf.envs.combat.generator import first_kinds, starting_places
from jaxvf.envs.combat.maps import RACES
from jaxvf.envs.combat.units import CombatParams
from jaxvf.errors import InputError
from jaxvf.serialize import from_json, to_json

# map: actions, observation, state, limit, allies, enemies
SIZES = {
    "3m": (9, 30, 48, 60, 3, 3),
    "8m": (14, 80, 168, 120, 8, 8),
    "5m_vs_6m": (12, 55, 98, 70, 5, 6),
    "8m_vs_9m": (15, 85, 179, 120, 8, 9),
    "10m_vs_11m": (17, 105, 243, 150, 10, 11),
    "27m_vs_30m": (36, 285, 1170, 180, 27, 30),
    "2s3z": (11, 80, 120, 120, 5, 5),
    "3s5z": (14, 128, 216, 150, 8, 8),
    "3s5z_vs_3s6z": (15, 136, 230, 170, 8, 9),
    "3s_vs_5z": (11, 48, 68, 250, 3, 5),
    "6h_vs_8z": (14, 78, 140, 150, 6, 8),
    "1c3s5z": (15, 162, 270, 180, 9, 9),
    "MMM2": (18, 176, 322, 180, 10, 12),
    "corridor": (30, 156, 282, 400, 6, 24),
    "2c_vs_64zg": (70, 332, 342, 400, 2, 64),
    "bane_vs_bane": (30, 336, 984, 200, 24, 24),
    "2s_vs_1sc": (7, 17, 27, 300, 2, 1),
}
TEAMS = ((5, 5), (10, 10), (10, 11), (20, 20), (20, 23))
DRAWN_SIZES = {  # observation and state for each of TEAMS
    "protoss": ((92, 130), (182, 310), (191, 327), (362, 820), (389, 901)),
    "terran": ((82, 120), (162, 290), (170, 306), (322, 780), (346, 858)),
    "zerg": ((82, 120), (162, 290), (170, 306), (322, 780), (346, 858)),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes(name):
    spec = make(f"combat/{name}").spec
    found = (spec.n_actions, spec.obs_dim, spec.state_dim, spec.limit_max, spec.n_agents)
    assert (*found, MAPS[name].n_enemies) == SIZES[name]


@pytest.mark.parametrize("race", DRAWN_SIZES)
def test_sizes_of_drawn_battles(race):
    for (allies, enemies), sizes in zip(TEAMS, DRAWN_SIZES[race], strict=True):
        spec = make(f"combat/{race}_{allies}_vs_{enemies}").spec
        most = max(allies, enemies) if race == "terran" else enemies
        assert (spec.obs_dim, spec.state_dim, spec.n_actions, spec.limit_max) == (*sizes, 6 + most, 200)


@pytest.mark.parametrize("name", ["3m", "MMM2", "2c_vs_64zg", "protoss_10_vs_11", "terran_5_vs_5"])
def test_the_view_has_the_sizes_of_the_spec(name):
    """Without running anything: shapes alone."""
    env = Combat(name)
    params, spec = env.default_params(), env.spec
    states = jax.eval_shape(lambda key: env.init_batch(key, params, 3), jax.random.key(0))
    view = jax.eval_shape(lambda states: env.observe_batch(states, params), states)
    assert view.obs.shape == (3, spec.n_agents, spec.obs_dim)
    assert view.state.shape == (3, spec.state_dim)
    assert view.avail.shape == (3, spec.n_agents, spec.n_actions)


@pytest.mark.parametrize("name", [name for name in MAPS if not MAPS[name].race])
def test_units_start_on_free_ground_and_apart(name):
    x, y = starting_places(MAPS[name])
    assert np.asarray(terrain.is_walkable(MAPS[name].ground, x, y)).all()
    distance = np.hypot(x[:, None] - x, y[:, None] - y)
    radius = CombatParams().radius[[units.ID[kind] for kind in MAPS[name].unit_kinds]]
    gap = distance - radius[:, None] - radius
    np.fill_diagonal(gap, 1.0)
    assert gap.min() > 0


def test_a_wrong_map_is_named(unchecked):
    with pytest.raises(InputError, match="3m"):
        Combat("3mm")
    with pytest.raises(InputError, match="marine"):
        dataclasses.replace(MAPS["3m"], allies=(("marin", 1, 9, 16),))
    with pytest.raises(InputError, match="blocked ground"):
        Combat(dataclasses.replace(MAPS["corridor"], allies=(("zealot", 6, 2, 28),)))
    with pytest.raises(InputError, match="bfloat16"):
        Combat("3m", storage="uint8")
    with pytest.raises(InputError, match="not an Opponent"):
        Combat("3m", opponent="x")
    with pytest.raises(InputError, match="hold no unit"):
        dataclasses.replace(MAPS["3m"], enemies=())


def test_a_map_of_ones_own_survives_run_json():
    """JSON makes lists of tuples; an environment must come back equal and hashable."""
    env = Combat(dataclasses.replace(MAPS["corridor"], name="mine", limit=7))
    back = from_json(json.loads(json.dumps(to_json(env))))
    assert back == env and hash(back) == hash(env) and back.spec.name == "combat/mine"


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
    drawn = np.concatenate([states.kind[:, :10].ravel(), states.kind[:, 20]])
    for kind, weight in zip(kinds, (0.45, 0.45, 0.1), strict=True):
        sigma = np.sqrt(weight * (1 - weight) / drawn.size)
        assert abs((drawn == units.ID[kind]).mean() - weight) < 3 * sigma, kind
    np.testing.assert_array_equal(states.kind[:, :10], states.kind[:, 10:20])
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
    # Mirrored: a copied enemy faces its original, but for the jitter. Half of the battles.
    mirrored = (np.abs(states.x[:, :10] + states.x[:, 10:20] - 32) < 0.5).all(axis=1)
    assert abs(mirrored.mean() - 0.5) < 3 * np.sqrt(0.25 / 10_000)
    assert (states.x[mirrored][:, :10] <= 15.2).all()
    # Nobody stands exactly on somebody else: nothing would ever push them apart.
    apart = np.hypot(states.x[:, :, None] - states.x[:, None], states.y[:, :, None] - states.y[:, None])
    assert (apart + np.eye(21) > 1e-4).all()
    centre = np.hypot(states.x[~mirrored][:, :10].mean(axis=1) - 16, states.y[~mirrored][:, :10].mean(axis=1) - 16)
    assert centre.max() < 1.0

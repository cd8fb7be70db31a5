"""Sizes of every map as StarCraft's SMAC gives them, and where units start."""

import dataclasses
import json
import math

import jax
import numpy as np
import pytest

from jaxvf.cli import main
from jaxvf.envs import make
from jaxvf.envs.combat import MAPS, Combat, terrain, units
from jaxvf.envs.combat.generator import starting_places
from jaxvf.envs.combat.units import CombatParams
from jaxvf.errors import InputError
from jaxvf.serialize import from_json, to_json

# map: actions, observation, state, limit, allies, enemies
SIZES = {
    "3m": (9, 30, 48, 60, 3, 3),
    "8m": (14, 80, 168, 120, 8, 8),
    "25m": (31, 250, 950, 150, 25, 25),
    "5m_vs_6m": (12, 55, 98, 70, 5, 6),
    "8m_vs_9m": (15, 85, 179, 120, 8, 9),
    "10m_vs_11m": (17, 105, 243, 150, 10, 11),
    "27m_vs_30m": (36, 285, 1170, 180, 27, 30),
    "2s3z": (11, 80, 120, 120, 5, 5),
    "3s5z": (14, 128, 216, 150, 8, 8),
    "3s5z_vs_3s6z": (15, 136, 230, 170, 8, 9),
    "3s_vs_3z": (9, 36, 54, 150, 3, 3),
    "3s_vs_4z": (10, 42, 61, 200, 3, 4),
    "3s_vs_5z": (11, 48, 68, 250, 3, 5),
    "6h_vs_8z": (14, 78, 140, 150, 6, 8),
    "1c3s5z": (15, 162, 270, 180, 9, 9),
    "MMM": (16, 160, 290, 150, 10, 10),
    "MMM2": (18, 176, 322, 180, 10, 12),
    "corridor": (30, 156, 282, 400, 6, 24),
    "2c_vs_64zg": (70, 332, 342, 400, 2, 64),
    "bane_vs_bane": (30, 336, 984, 200, 24, 24),
    "2s_vs_1sc": (7, 17, 27, 300, 2, 1),
    "2m_vs_1z": (7, 16, 26, 150, 2, 1),
    "so_many_baneling": (38, 202, 397, 100, 7, 32),
}
TEAMS = ((5, 5), (10, 10), (10, 11), (20, 20), (20, 23))
DRAWN_SIZES = {  # observation and state for each of TEAMS
    "protoss": ((92, 130), (182, 310), (191, 327), (362, 820), (389, 901)),
    "terran": ((82, 120), (162, 290), (170, 306), (322, 780), (346, 858)),
    "zerg": ((82, 120), (162, 290), (170, 306), (322, 780), (346, 858)),
}


def test_all_of_smacs_and_smacv2s_battles_are_there():
    drawn = {f"{race}_{allies}_vs_{enemies}" for race in DRAWN_SIZES for allies, enemies in TEAMS}
    assert len(SIZES) == 23 and len(drawn) == 15
    assert set(MAPS) == {*SIZES, *drawn}


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
    with pytest.raises(InputError, match="unknown race 'teran'; did you mean 'terran'"):
        dataclasses.replace(MAPS["terran_5_vs_5"], race="teran")
    with pytest.raises(InputError, match=r"unknown opponent 'q'; valid: attack_move, .*, mixed"):
        Combat("3m", opponent="q")
    with pytest.raises(InputError, match="hold no unit"):
        dataclasses.replace(MAPS["3m"], enemies=())


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"limit": 0}, "limit=0 of map 3m is no number of steps from 1 on"),
        ({"limit": 7.5}, "limit=7.5 of map 3m is no number"),
        ({"attack_point": (9.0, 16.0, 1.0)}, r"attack_point=\(9.0, 16.0, 1.0\) of map 3m is not a pair"),
        ({"enemies": (("marine", 3, 23, 16), ("zealot", -1, 23, 16))}, "enemies of map 3m: -1 of zealot is no number"),
        ({"allies": (("marine", 2.5, 9, 16),)}, "allies of map 3m: 2.5 of marine is no number of units from 1 on"),
        ({"allies": (("marine", 3, 9, 16), ("zealot", 0, 9, 16))}, "allies of map 3m: 0 of zealot is no number"),
        ({"allies": (("marine", True, 9, 16),)}, "allies of map 3m: True of marine is no number"),
        ({"allies": (("marine", 3, 9),)}, r"allies of map 3m: \('marine', 3, 9\) is not \(kind, number, x, y\)"),
        ({"allies": (3,)}, r"allies of map 3m: 3 is not \(kind, number, x, y\)"),
        ({"allies": None}, "allies=None of map 3m hold no unit"),
        ({"allies": ((["marine"], 3, 9, 16),)}, r"unknown kind of allies \['marine'\]"),
        ({"allies": (("marine", 3, "a", 16),)}, r"allies of map 3m: \('a', 16\) of marine is not a point \(x, y\)"),
        ({"enemies": (("marine", 3, 23, math.nan),)}, r"enemies of map 3m: \(23, nan\) of marine is not a point"),
        ({"attack_point": ("a", "b")}, r"attack_point=\('a', 'b'\) of map 3m is not a pair \(x, y\) of numbers"),
        ({"attack_point": None}, "attack_point=None of map 3m is not a pair"),
        ({"attack_point": (9, 33)}, r"attack_point=\(9, 33\) of map 3m is outside 32 x 32 cells"),
        ({"limit": True}, "limit=True of map 3m is no number of steps"),
        ({"ground": None}, "ground=None of map 3m is not a Ground"),
    ],
)
def test_numbers_that_a_map_cannot_have(unchecked, fields, line):
    with pytest.raises(InputError, match=line):
        dataclasses.replace(MAPS["3m"], **fields)


@pytest.mark.parametrize("cell", [4, -1, "a"])
def test_a_ground_has_four_levels(unchecked, cell):
    with pytest.raises(InputError, match="32 rows of 32 cells, each from 0"):
        terrain.Ground([[cell] * 32] * 32)


def test_units_of_a_drawn_map_may_start_anywhere_so_its_ground_is_open():
    drawn = dataclasses.replace(MAPS["terran_5_vs_5"], ground=MAPS["3m"].ground)
    with pytest.raises(InputError, match=r"terran_5_vs_5, whose places are drawn, .* blocked ground; give it"):
        Combat(drawn)


def test_no_point_that_is_no_number_is_walkable():
    assert not terrain.all_walkable(terrain.EVERYWHERE, np.array([1.0, math.nan]), np.array([1.0, 1.0]))
    assert terrain.all_walkable(terrain.EVERYWHERE, np.array([1.0, 31.9]), np.array([0.0, 1.0]))


def test_a_map_of_ones_own_survives_run_json():
    """JSON makes lists of tuples; an environment must come back equal and hashable."""
    env = Combat(dataclasses.replace(MAPS["corridor"], name="mine", limit=7))
    back = from_json(json.loads(json.dumps(to_json(env))))
    assert back == env and hash(back) == hash(env) and back.spec.name == "combat/mine"


def test_the_valley_of_banelings():
    """Starting points and the goal of so_many_baneling in its archive; both sides of the diagonal are blocked."""
    battle = MAPS["so_many_baneling"]
    x, y = starting_places(battle)
    np.testing.assert_allclose(
        [x[:7].mean(), y[:7].mean(), x[7:].mean(), y[7:].mean()], [11.469, 12.0234, 27.91, 28.24]
    )
    level = battle.ground.table
    assert level[4, 4] and level[28, 27] and not level[4, 27] and not level[28, 4]
    assert (level > 0).sum() == 428


def test_an_unknown_map_or_flag_of_a_sweep_ends_with_2(capsys, tmp_path):
    """As the command line says them: one line, and nothing written."""
    said = {
        "env.map=3mm": "unknown map '3mm'",
        "env.reward=spars": "unknown reward 'spars'",
        "env.obs_last_acton=True": "did you mean 'obs_last_action'",
        "env.conic_fov=True": "conic_fov=True contradicts partial_sight=False",
    }
    for setting, line in said.items():
        out = tmp_path / "runs"
        command = ["run", "--env", "combat/3m", "--algorithm", "qmix", "--set", setting, "--out", str(out)]
        with pytest.raises(SystemExit) as raised:
            main(command)
        error = capsys.readouterr().err
        assert raised.value.code == 2 and line in error and error.count("\n") == 1, error
        assert not out.exists()

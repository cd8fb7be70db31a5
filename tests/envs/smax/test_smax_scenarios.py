"""SMAX's battles by name: who fights whom, and what files call them."""

import jax
import pytest

from jaxvf.envs import Smax
from jaxvf.envs.jaxmarl_names import import_jaxmarl
from jaxvf.envs.smax import SCENARIOS
from jaxvf.envs.smax.rules import KINDS, SmaxParams
from jaxvf.errors import InputError
from jaxvf.serialize import from_json, to_json

OURS = {"8m_vs_9m"}  # SMAC's battle under SMAX's rules: JaxMARL has none of this name


@pytest.mark.parametrize("name", ["see_enemy_actions", "compat_bugs"])
def test_switches_are_truth_values(unchecked, name):
    with pytest.raises(InputError, match=f"{name}='no' is neither True nor False"):
        Smax("3m", **{name: "no"})


def test_drawn_battles_place_units_off_the_map_unless_told_otherwise():
    """As SMAX does; the option of battles that are not drawn would do nothing, and is refused."""
    off = {}
    for kept in (True, False):
        env = Smax("smacv2_10_units", compat_bugs=kept)
        state = env.init_batch(jax.random.key(0), env.default_params(), 64)
        off[kept] = [bool((axis < 0).any() or (axis > 32).any()) for axis in (state.x, state.y)]
    assert any(off[True]) and not any(off[False])
    with pytest.raises(InputError, match=r"compat_bugs=False does nothing on 3m, .* take one of smacv2_5_units, "):
        Smax("3m", compat_bugs=False)


@pytest.mark.parametrize("name", sorted(SCENARIOS.keys() - OURS))
def test_rosters_are_jaxmarls(name):
    import_jaxmarl()
    from jaxmarl.environments.smax.smax_env import MAP_NAME_TO_SCENARIO

    theirs = MAP_NAME_TO_SCENARIO[name]
    allies, enemies = SCENARIOS[name]
    assert (Smax(name).n_allies, Smax(name).n_enemies) == (theirs.num_allies, theirs.num_enemies)
    if not theirs.smacv2_position_generation:  # else kinds are drawn
        ours = [KINDS.index(kind) for kind, count in (*allies, *enemies) for _ in range(count)]
        assert ours == theirs.unit_types.tolist()


def test_what_was_stored_when_smax_was_part_of_combat_is_found():
    env = {"map": "2s3z", "see_enemy_actions": False, "compat_bugs": True, "storage": "float32"}
    stored = {"class": "jaxvf.envs.combat.smax:Smax", "fields": env}
    assert from_json(stored) == Smax("2s3z", see_enemy_actions=False)
    assert to_json(Smax("2s3z", see_enemy_actions=False)) == stored
    assert from_json({**stored, "class": "jaxvf.envs.smax.smax:Smax"}) == Smax("2s3z", see_enemy_actions=False)
    numbers = to_json(SmaxParams())
    assert numbers["class"] == "jaxvf.envs.combat.smax_rules:SmaxParams"
    assert from_json(numbers).limit == 101

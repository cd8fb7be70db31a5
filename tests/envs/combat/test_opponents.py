"""Who plays the other side: each grade's rule, one script drawn for each battle, and policies with traced weights."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs.combat import AttackMove, Combat, terrain, units
from jaxvf.envs.combat.graded import Mixed
from jaxvf.envs.combat.learned import Learned
from jaxvf.envs.combat.maps import Map
from jaxvf.errors import InputError
from jaxvf.sweeps.space import expand

QUICK = {"xla_backend_optimization_level": 0}
STOP, NORTH, ATTACK = 1, 2, 6


def play(env, actions, steps, *, num_envs=1, change=lambda states: states, policy=None, **numbers):
    """States before and after every step, [steps + 1, B, ...], without any noise.

    Args:
        env: a battle.
        actions: of every ally in every step, unless `policy` (view -> actions) decides.
        steps: how many.
        num_envs: B.
        change: what to do to the first states.
        policy: of the allies.
        numbers: parameters other than the defaults.
    """
    params = dataclasses.replace(env.default_params(), spawn_jitter=jnp.float32(0))
    params = dataclasses.replace(params, **numbers)

    def run(params):
        first = change(env.init_batch(jax.random.key(0), params, num_envs))
        quiet = jnp.zeros((8, first.x.shape[1], num_envs))

        def step(states, _):
            told = jnp.broadcast_to(jnp.array(actions), (num_envs, len(actions))) if policy is None else None
            told = policy(env.observe_batch(states, params)) if told is None else told
            after, _ = env.transition_with_noise(quiet, states, told, params)
            return after, after

        rest = jax.lax.scan(step, first, None, length=steps)[1]
        return jax.tree.map(lambda one, more: jnp.concatenate([one[None], more]), first, rest)

    return jax.tree.map(np.asarray, jax.jit(run, compiler_options=QUICK)(params))


def arena(allies, enemies, opponent):
    """A battle of (kind, x, y) on open ground, one unit each, whose enemies are told to go to (9, 16)."""
    sides = (tuple((kind, 1, x, y) for kind, x, y in side) for side in (allies, enemies))
    return Combat(Map("own", *sides, 400, terrain.EVERYWHERE), opponent=opponent)


def test_a_holding_side_stands_and_shoots_at_what_comes_in_range():
    near, far = [("marine", 17.0, 16.0)], [("marine", 5.0, 16.0)]
    enemy = [("stalker", 22.0, 16.0)]  # reaches 6 beyond both edges: 7
    shot = play(arena(near, enemy, "hold"), [STOP], 3)
    spared = play(arena(far, enemy, "hold"), [STOP], 3)
    assert shot.health[-1, 0, 0] < 45 and spared.health[-1, 0, 0] == 45
    for states in (shot, spared):
        assert (states.x[:, 0, 1] == 22).all()
    assert play(arena(far, enemy, "attack_move"), [STOP], 3).x[-1, 0, 1] < 22 - 3


def test_focused_fire_is_at_the_weakest_in_range_and_not_at_the_nearest():
    allies = [("marine", 18.0, 16.0), ("marine", 17.0, 17.0)]

    def hurt(states):
        return states._replace(health=states.health.at[:, 1].set(20.0))

    for script, victim in (("attack_move", 0), ("focus_fire", 1)):
        states = play(arena(allies, [("stalker", 22.0, 16.0)], script), [STOP, STOP], 1, change=hurt)
        lost = states.health[0, 0] - states.health[1, 0]
        assert lost[victim] > 0 and lost[1 - victim] == 0, script


def test_healers_come_first_for_those_who_are_told_so():
    """A stalker between a marine at 3 and a medivac at 4 cells; StarCraft gives medivacs no priority."""
    allies = [("marine", 19.0, 16.0), ("medivac", 22.0, 20.0)]
    for script, victim in ((AttackMove(), 0), (AttackMove(healer_first=True), 1)):
        states = play(arena(allies, [("stalker", 22.0, 16.0)], script), [STOP, STOP], 1)
        lost = states.health[0, 0] - states.health[1, 0]
        assert lost[victim] > 0 and lost[1 - victim] == 0, script


def test_who_kites_steps_back_from_a_shorter_range_while_reloading():
    """The zealot, at 2.5 cells, cannot catch up; who does not step back is in its reach after three steps."""
    states = {}
    for script in ("focus_fire", "kite"):
        env = arena([("zealot", 16.0, 16.0)], [("stalker", 18.5, 16.0)], script)
        states[script] = play(env, [ATTACK], 6)
    assert states["kite"].x[-1, 0, 1] > 18.5 + 2
    assert states["focus_fire"].x[-1, 0, 1] < 18.5 + 0.5
    whole = {name: (one.health + one.shield)[-1, 0] for name, one in states.items()}
    assert whole["kite"][1] > whole["focus_fire"][1]  # less hurt,
    assert whole["kite"][0] <= 150 - 13  # and it has shot


def test_each_battle_is_played_by_the_script_that_was_drawn_for_it():
    """As it is under that script alone; and scripts are drawn by their shares, anew for each battle."""
    names, shares = ("hold", "attack_move", "kite"), (0.2, 0.0, 0.6)
    mixed = play(Combat("3m", opponent=Mixed(names, shares)), [STOP] * 3, 10, num_envs=400)
    drawn = mixed.memory[0]
    assert (mixed.memory == drawn).all()  # until the battle ends
    assert abs((drawn == 0).mean() - 0.25) < 3 * np.sqrt(0.25 * 0.75 / 400) and not (drawn == 1).any()
    for number in (0, 2):
        alone = play(Combat("3m", opponent=names[number]), [STOP] * 3, 10)
        for leaf in ("x", "y", "health"):
            theirs = getattr(mixed, leaf)[:, drawn == number]
            np.testing.assert_allclose(theirs, np.broadcast_to(getattr(alone, leaf), theirs.shape), atol=1e-5)


@dataclasses.dataclass(frozen=True)
class Preference:
    """A player with one weight an action: it takes the best that it may."""

    sizes: tuple[int, int, int]

    def shapes(self) -> Any:
        return {"scores": jax.ShapeDtypeStruct((self.sizes[1],), jnp.float32)}

    def start(self, num_envs: int) -> Any:
        return jnp.zeros(num_envs)

    def act(self, weights: Any, obs: Any, avail: Any, memory: Any) -> tuple[Any, Any]:
        return jnp.where(avail, weights["scores"], -jnp.inf).argmax(axis=-1), memory + 1


def scores(*best):
    """Weights by which the first of these actions that is allowed is taken."""
    return np.array([10 - best.index(action) if action in best else 0 for action in range(9)], np.float32)


SIZES_3M = (3, 9, 30)
FORWARD = scores(6, 7, 8, 4, 0)  # attack, or else go east


def attack_or_go_east(view):
    return jnp.where(view.avail, FORWARD, -jnp.inf).argmax(axis=-1)


def test_each_grade_wins_more_often_than_the_one_before():
    """128 battles of 3m, in which kiting would change nothing: all have one range."""

    def scattered(states):
        off = jax.random.uniform(jax.random.key(1), (2, *states.x.shape), minval=-0.1, maxval=0.1)
        return states._replace(x=states.x + off[0], y=states.y + off[1])

    lost = []
    for script in ("hold", "attack_move", "focus_fire"):
        env = Combat("3m", opponent=script)
        health = play(env, [], 60, num_envs=128, change=scattered, policy=attack_or_go_east).health[-1]
        lost.append((health[:, :3] <= 0).all(axis=1).mean())
    assert lost[0] + 0.1 < lost[1] and lost[1] + 0.1 < lost[2], lost


def against(*members, map="3m"):
    return Combat(map, opponent=Learned(Preference(SIZES_3M), {"scores": np.stack(members)}))


def test_a_policy_against_itself_plays_a_battle_turned_by_half_a_circle():
    """What it sees, does and is allowed to from the other side is the same: marines march, shoot and die alike."""
    env = against(FORWARD)
    states = play(env, [], 20, policy=attack_or_go_east)
    for axis in (states.x, states.y):
        np.testing.assert_allclose(axis[:, 0, :3], 32 - axis[:, 0, 3:], atol=1e-4)
    np.testing.assert_allclose(states.health[:, 0, :3], states.health[:, 0, 3:], atol=1e-4)
    assert states.x[3, 0, 0] > states.x[0, 0, 0] + 2 and (states.health[-1] < 45).any()
    assert states.memory[-1, 0] == 20


def test_members_of_a_population_play_in_one_program():
    """Their weights and which of them plays are traced: one goes north, south as seen from here, and one stands."""
    env = against(scores(NORTH, 0), scores(STOP, 0))
    params = dataclasses.replace(env.default_params(), spawn_jitter=jnp.float32(0))

    def step(member):
        mine = dataclasses.replace(params, opponent_member=member)
        first = env.init_batch(jax.random.key(0), mine, 1)
        quiet = jnp.zeros((8, 6, 1))
        return env.transition_with_noise(quiet, first, jnp.full((1, 3), STOP), mine)[0].y[0, 3:] - first.y[0, 3:]

    moved = jax.jit(jax.vmap(step), compiler_options=QUICK)(jnp.arange(2))
    np.testing.assert_allclose(moved[0], -0.5 * 2.25, atol=1e-3)
    np.testing.assert_allclose(moved[1], 0.0, atol=1e-6)


@dataclasses.dataclass(frozen=True)
class NextNumber(Preference):
    """A player whose unit i of five attacks, or heals, number i + 1."""

    def act(self, weights: Any, obs: Any, avail: Any, memory: Any) -> tuple[Any, Any]:
        return jnp.broadcast_to((jnp.arange(5) + 1) % 5 + ATTACK, obs.shape[:2]), memory


def test_on_a_drawn_map_units_are_numbered_as_they_stand_seen_from_there():
    """By the name of their kind, then by x from the west, which is the east; and orders reach whom they name."""
    spec = Combat("terran_5_vs_5").spec
    player = NextNumber((5, spec.n_actions, spec.obs_dim))
    env = Combat("terran_5_vs_5", opponent=Learned(player, {"scores": np.zeros((1, spec.n_actions), np.float32)}))
    params = env.default_params()
    quiet = dataclasses.replace(params, spawn_jitter=jnp.float32(0))
    states = jax.jit(lambda: env.init_batch(jax.random.key(3), quiet, 16), compiler_options=QUICK)()
    _, plan = env._opponent.decide(player.start(16), env.battle, env._scene(states, params), params)
    plan, kind, x, y = jax.tree.map(np.asarray, (plan, states.kind, states.x, states.y))
    healers = 0
    for b in range(16):
        sides = [
            sorted(side, key=lambda unit: (units.KINDS[kind[b, unit]], -x[b, unit], -y[b, unit]))
            for side in (range(5, 10), range(5))
        ]
        for place, enemy in enumerate(sides[0]):
            mate, ally = (side[(place + 1) % 5] for side in sides)
            heals = units.KINDS[kind[b, enemy]] == "medivac"
            healers += heals
            wanted = (-1, mate - 5) if heals else (ally, -1)
            assert (plan.attack[enemy - 5, b], plan.heal[enemy - 5, b]) == wanted
    assert 0 < healers < 40


def test_an_opponent_of_another_maps_shapes_is_refused_in_one_line():
    with pytest.raises(
        InputError, match="3 agents, 9 actions and 30 features; the other side of map 8m takes 8 agents"
    ):
        against(FORWARD, map="8m")
    with pytest.raises(InputError, match="does not fit its networks"):
        Combat("3m", opponent=Learned(Preference(SIZES_3M), {"scores": np.zeros((1, 5), np.float32)}))


def test_populations_of_other_weights_are_other_opponents():
    assert against(FORWARD) == against(FORWARD) != against(scores(STOP, 0))
    assert hash(against(FORWARD)) == hash(against(FORWARD)) != hash(against(scores(STOP, 0)))


def test_only_a_member_of_the_population_can_play():
    env = against(FORWARD, scores(STOP, 0))
    grid = {"env.opponent_member": [0, 1]}
    assert [int(run.env_params.opponent_member) for run in expand(env, "vdn", grid, 1)] == [0, 1]
    with pytest.raises(InputError, match=r"env\.opponent_weights is no number"):
        expand(env, "vdn", {"env.opponent_weights": 1}, 1)
    for other, last in ((env, 1), (Combat("3m"), 0)):
        with pytest.raises(InputError, match=f"env.opponent_member=2 exceeds {last}, the last opponent's number"):
            expand(other, "vdn", {"env.opponent_member": 2}, 1)


def test_wrong_scripts_are_named(unchecked):
    with pytest.raises(InputError, match="did you mean 'kite'"):
        Combat("3m", opponent="kites")
    with pytest.raises(InputError, match="did you mean 'mixed'"):
        Combat("3m", opponent="mixd")
    with pytest.raises(InputError, match="must be scripts"):
        Mixed((against(FORWARD).opponent,))
    with pytest.raises(InputError, match="a number, not all 0"):
        Mixed(("hold",), (0.0,))
    for shares in ((np.inf, 1.0), ("a", 1.0), (-1.0, 2.0)):
        with pytest.raises(InputError, match="must give each of 2 scripts a number"):
            Mixed(("hold", "kite"), shares)
    with pytest.raises(InputError, match="healer_first='yes' is neither True nor False"):
        AttackMove(healer_first="yes")

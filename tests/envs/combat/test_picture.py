"""A battle's scene: who stands where, how hurt, and who shoots whom."""

import jax
import numpy as np

from jaxvf.envs.combat import Combat
from jaxvf.envs.combat.picture import FALLEN
from jaxvf.envs.pictures import BLUE, GREY, INK, MOST_OBLONG, ORANGE, Box, Circle, Key, Line, Rectangle, Scene, cropped


def scene_of(env, actions, **changes):
    params = jax.tree.map(np.asarray, env.default_params())
    state = jax.tree.map(np.asarray, env.init(jax.random.key(0), env.default_params()))
    return state, env.picture(state._replace(**changes), params, np.array(actions))


def test_discs_are_the_living_and_lines_the_shots():
    env = Combat("2s3z")
    health = np.array([80, 80, 100, 0, 100, 80, 80, 100, 100, 100], np.float32)
    state, scene = scene_of(env, [6 + 1, 2, 0, 0, 0], health=health, target=np.array([0, -1, -1, -1, -1]))
    discs = [shape for shape in scene.shapes if isinstance(shape, Circle)]
    assert sorted(disc.colour for disc in discs) == [BLUE] * 4 + [ORANGE] * 5
    assert [disc.radius for disc in discs] == [0.625] * 4 + [0.5] * 5  # the large ones first, behind the others
    died = [shape for shape in scene.shapes if isinstance(shape, Line) and shape.colour == FALLEN[BLUE]]
    assert len(died) == 2
    np.testing.assert_allclose([(line.x1 + line.x2) / 2 for line in died], state.x[3], rtol=1e-6)
    shots = [shape for shape in scene.shapes if isinstance(shape, Line) and shape.colour in (INK, GREY)]
    ends = [((line.x1, line.y1), (line.x2, line.y2)) for line in shots]
    place = [(float(x), float(y)) for x, y in zip(state.x, state.y, strict=True)]
    # Ally 0 was told to attack enemy 1, which is unit 6; enemy 0, unit 5, attacks ally 0.
    np.testing.assert_allclose(ends, [(place[0], place[6]), (place[5], place[0])])


def test_actions_are_called_by_what_they_do():
    """On MMM2 a medivac's targets are its ten mates, and everybody else's the twelve enemies."""
    env = Combat("MMM2")
    names = env.names(env.init(jax.random.key(0), env.default_params()))
    assert [len(actions) for actions in names.actions] == [env.spec.n_actions] * 10
    assert names.agents == ("Md0", "Md1", "Ma2", "Ma3", "Ma4", "Ma5", "Ma6", "Ma7", "Ma8", "Mv9")
    assert names.actions[0][:8] == ("no-op", "stop", "north", "south", "east", "west", "attack Md0", "attack Md1")
    assert names.actions[0][-1] == "attack Mv11"
    assert names.actions[9][6:] == (*(f"heal {mate}" for mate in names.agents), "-", "-")


def test_the_view_is_fitted_to_where_units_are():
    """3m: marines stand around x = 9 and x = 23; what is seen holds them with a margin, the same in all frames."""
    env = Combat("3m")
    state, scene = scene_of(env, [2, 2, 2])
    _, later = scene_of(env, [2, 2, 2], y=state.y + 5)
    first, second = cropped([scene, later])
    assert (first.x, first.y, first.width, first.height) == (second.x, second.y, second.width, second.height)
    assert first.x < state.x.min() - 1.5 and first.x + first.width > state.x.max() + 1.5
    assert first.y < state.y.min() - 1.5 and first.y + first.height > state.y.max() + 5 + 1.5
    assert first.width < 20 and first.height < 14  # of 32
    (alone,) = cropped([scene])
    assert alone.width / alone.height <= MOST_OBLONG + 1e-6


def test_a_view_never_leaves_the_sheet():
    (seen,) = cropped([Scene(32, 32, (), action=Box(0, 30, 2, 32))])
    assert (seen.x, seen.y, seen.width, seen.height) == (0, 24, 8, 8)
    far, near = Rectangle(0, 0, 2, 2, "#111111"), Rectangle(16, 16, 1, 1, "#222222")
    keys = (Key("bar", "#111111", "blocked"), Key("bar", "#222222", "ramp"), Key("disc", "#111111", "unit"))
    (seen,) = cropped([Scene(32, 32, (far, near), action=Box(15, 15, 18, 18), legend=keys)])
    assert [key.text for key in seen.legend] == ["ramp", "unit"]  # who sees no wall is told of none
    assert cropped([Scene(4, 4, ())]) == [Scene(4, 4, ())]  # nothing says where the action is

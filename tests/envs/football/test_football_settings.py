"""What football cannot be set to, each said in one line."""

import re

import pytest

from jaxvf.envs.football import Football
from jaxvf.errors import InputError
from jaxvf.sweeps.space import expand


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"scenario": "academy_3_vs_1"},
            "unknown scenario 'academy_3_vs_1'; did you mean 'academy_3_vs_1_with_keeper'",
        ),
        ({"obs": "simple115"}, "unknown obs of football 'simple115'; did you mean 'simple115v2'"),
        ({"reward": "checkpoints"}, "unknown reward of football 'checkpoints'; did you mean 'scoring.checkpoints'"),
        ({"n_opponents": 3}, "n_opponents=3 is no whole number from 2 to 2, as academy_3_vs_1_with_keeper needs"),
        ({"n_opponents": 2.0}, "n_opponents=2.0 is no whole number from 2 to 2"),
        ({"limit_max": 401}, "limit_max=401 is no whole number from 1 to 400"),
        ({"limit_max": 10.5}, "limit_max=10.5 is no whole number from 1 to 400"),
        ({"slide": "no"}, "slide='no' is neither True nor False"),
        ({"mask_actions": 1}, "mask_actions=1 is neither True nor False"),
    ],
)
def test_what_is_no_setting_is_refused_in_one_line(fields, message):
    with pytest.raises(InputError, match=message) as raised:
        Football(**fields)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("number", "switch"),
    [
        ("checkpoint_reward", {"reward": "scoring+checkpoints"}),
        ("slide_reach", {"slide": True}),
        ("slide_radius", {"slide": True}),
        ("slide_time", {"slide": True}),
    ],
)
def test_a_number_that_a_switch_gives_its_meaning_is_refused_without_it(number, switch):
    ((name, value),) = switch.items()
    with pytest.raises(InputError, match=re.escape(f"env.{number}=3 means nothing without env.{name}={value}")):
        expand(Football(slide=False), "vdn", {f"env.{number}": 3}, 1)
    assert expand(Football(**switch), "vdn", {f"env.{number}": 3}, 1)

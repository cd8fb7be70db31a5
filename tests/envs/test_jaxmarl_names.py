"""JaxMARL environments by name: the contract, equal adapters, run.json, and what is wrong in one line."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import jax
import pytest
from jaxmarl_cases import KEY, MPE, raw_of

import jaxvf
from jaxvf import cli
from jaxvf.envs import FromJaxMARL, check_env, make
from jaxvf.errors import InputError
from jaxvf.serialize import from_json, to_json


@pytest.mark.parametrize("name", ["switch_riddle", MPE, f"{MPE}:action_type=Continuous"])
def test_adapters_keep_the_contract(name):
    check_env(make(f"jaxmarl/{name}"), steps=40)


def test_equal_adapters_share_a_program():
    traces = []

    def program(env):
        traces.append(env)
        return env.observe(env.init(KEY, env.default_params()), env.default_params()).obs

    compiled = jax.jit(program, static_argnums=0)
    for env in (make("jaxmarl/switch_riddle:num_agents=4"), FromJaxMARL("switch_riddle", {"num_agents": 4})):
        compiled(env)
    assert len(traces) == 1
    assert FromJaxMARL("switch_riddle") != FromJaxMARL("switch_riddle", {"num_agents": 4})
    assert FromJaxMARL(MPE) != FromJaxMARL(MPE, exact_limit=True)


@pytest.mark.parametrize("name", [MPE, "switch_riddle:num_agents=4,reward_all_die=-2.0", f"{MPE}:exact_limit=True"])
def test_adapters_survive_run_json(name):
    env = make(f"jaxmarl/{name}")
    assert from_json(to_json(env)) == env
    assert env.spec.name == f"jaxmarl/{name.removesuffix(':exact_limit=True')}"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("MPE_simple_spred_v3", "unknown environment 'jaxmarl/MPE_simple_spred_v3'; did you mean "
                                "'jaxmarl/MPE_simple_spread_v3'?"),
        ("JaxRobotarium_navigation", "needs the package jaxrobotarium, which is not installed"),
        ("storm", "jaxmarl/storm is general-sum"),
        ("SMAX:scenario=3s_vs_5x", "unknown scenario of jaxmarl/SMAX '3s_vs_5x'; did you mean '3s_vs_5z'?"),
        ("overcooked:layout=cramped", "unknown layout of jaxmarl/overcooked 'cramped'; did you mean 'cramped_room'?"),
        ("switch_riddle:num_agent=4", "unknown option of jaxmarl/switch_riddle 'num_agent'; did you mean 'num_agent"),
        ("MPE_simple_spread_v3:num_agnts=3", "unknown option of jaxmarl/MPE_simple_spread_v3 'num_agnts'; did you mean "
                                             "'num_agents'?"),
        ("HeuristicEnemySMAX:max_stps=3", "unknown option of jaxmarl/HeuristicEnemySMAX 'max_stps'; did you mean "
                                          "'max_steps'?"),
        ("switch_riddle:num_agents=2", "The minimum number of agents for this environment is 3"),
        ("switch_riddle:num_agents", "'num_agents' is not OPTION=VALUE"),
        (f"{MPE}:exact_limit=1", "exact_limit=1 is not True or False"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(name, line):
    if name.startswith("JaxRobotarium") and importlib.util.find_spec("jaxrobotarium"):
        pytest.skip("jaxrobotarium is installed")
    with pytest.raises(InputError) as raised:
        make(f"jaxmarl/{name}")
    assert line in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_environment_without_a_limit_is_refused():
    riddle = raw_of(make("jaxmarl/switch_riddle"))

    class Endless:
        agents, reset, step_env = riddle.agents, riddle.reset, riddle.step_env

    with pytest.raises(InputError, match="Endless declares no max_steps"):
        FromJaxMARL(Endless())
    with pytest.raises(InputError, match="neither the name of a JaxMARL environment nor one"):
        FromJaxMARL(3)


def test_the_list_of_environments_says_how_to_name_one(capsys):
    cli.main(["list", "envs"])
    out, err = capsys.readouterr()
    assert "jaxmarl/NAME:option=value" in err
    assert "brax/BODY_NxD" in err
    assert "jaxmarl" not in out  # one registered name a line, and nothing else


def test_a_value_learner_refuses_continuous_actions():
    env = make(f"jaxmarl/{MPE}:action_type=Continuous")
    with pytest.raises(InputError, match="continuous actions; a value learner needs discrete ones"):
        jaxvf.algorithms.make("vdn").check(env)


def test_jaxmarl_is_imported_on_use_and_prints_nothing():
    code = (
        "import sys, jaxvf.envs\n"
        "assert 'jaxmarl' not in sys.modules\n"
        "before = sys.stdout, sys.stderr\n"
        "jaxvf.envs.make('jaxmarl/switch_riddle')\n"
        "assert 'jaxmarl' in sys.modules and (sys.stdout, sys.stderr) == before"
    )
    root = str(Path(jaxvf.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=root)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr

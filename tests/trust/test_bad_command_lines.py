"""Bad input on the command line: one line that names field and value, exit code 2, nothing written."""

import sys

import pytest
from trust_cases import files

from jaxvf import cli

GAME, LEARNER = ["--env", "matrix_game/A"], ["--algorithm", "vdn"]
BIG, LONG = "1" + "0" * 400, "x" * 300
TABLE = "[[{},0,0],[0,0,0],[0,0,0]]"

SETTINGS = {
    "learning_rate=1e300": "learning_rate=1e+300 exceeds 3.40282e+38, the largest that float32 holds",
    "learning_rate=3.5e38": "learning_rate=3.5e+38 exceeds 3.40282e+38",
    f"learning_rate={BIG}": "the largest that float32 holds",
    "learning_rate=10^400": "learning_rate='10^400' is not a number",
    "learning_rate=1e400": "learning_rate=inf is not finite",
    "learning_rate=-1e400": "learning_rate=-inf is not finite",
    "learning_rate=nan": "learning_rate='nan' is not a number",
    "learning_rate=1e-60": "learning_rate=1e-60 is 0 in float32",
    "learning_rate=True": "learning_rate=True is not a number",
    "learning_rate=None": "learning_rate=None is not a number",
    "learning_rate=[0.1]": "learning_rate=[0.1] is not a number",
    "learning_rate={}": "learning_rate={} is not a number",
    "learning_rate=0.1j": "learning_rate=0.1j is not a number",
    "learning_rate=1,2,,3": "learning_rate='' is not a number",
    "learning_rate=1e-3,0.001": "sweep over learning_rate: 0.001 and 0.001 are the same",
    "learning_rate=0.1,0.10000000001": "sweep over learning_rate: 0.1 and 0.10000000001 are the same",
    "learning_rate=0,-0.0,0": "sweep over learning_rate: 0 and -0.0 are the same",
    "learning_rate=0.1,fast": "learning_rate='fast' is not a number",
    "learning_rate={[]:1}": "learning_rate='{[]:1}' is not a number",
    "learning_rate=" + "(" * 300 + ")" * 300: "learning_rate=",
    "epsilon_anneal=16777216,16777217": "sweep over epsilon_anneal: 16777216 and 16777217 are the same",
    "discount=1.0000001": "discount=1.0000001 is above its largest valid value 1",
    "discount=-0.1": "discount=-0.1 is below its smallest valid value 0",
    "td_lambda=2": "td_lambda=2 is above its largest valid value 1",
    "batch_size=0": "batch_size=0 is below its smallest valid value 1",
    "batch_size=-32": "batch_size=-32 is below its smallest valid value 1",
    "batch_size=2.5": "batch_size=2.5 is not a whole number",
    "batch_size=1e400": "batch_size=inf is not a whole number",
    f"batch_size={BIG}": "exceeds 2147483647, the largest that a counter holds",
    "batch_size=3000000000": "batch_size=3000000000 exceeds 2147483647",
    "batch_size=32,32.0": "sweep over batch_size: 32 and 32.0 are the same",
    "batch_size=many": "batch_size='many' is not a number",
    "num_envs=0": "num_envs=0 is below its smallest valid value 1",
    "num_envs=3": "buffer_size=5000 is not a multiple of num_envs=3",
    "buffer_size=1": "is not a multiple of num_envs=8",
    "last_action=1": "last_action=1 is not True or False",
    "last_action=yes": "last_action='yes' is not True or False",
    "optimizer=adm": "unknown optimizer 'adm'; did you mean 'adam'?",
    "optimizer=3": "unknown optimizer 3",
    "optimizer=[]": "unknown optimizer []",
    "mixer=qmx": "unknown mixer 'qmx'; did you mean 'qmix'?",
    "mixer=3": "unknown mixer 3",
    "mixer=qmix,qmix": "sweep over mixer: 'qmix' and 'qmix' are the same",
    "mixer.embed=3": "unknown field of VdnMixer 'embed'",
    "mixer.=3": "unknown field of VdnMixer ''",
    "agent=gruu": "unknown agent 'gruu'",
    "agent.hiden=3": "unknown field of RecurrentAgent 'hiden'; did you mean 'hidden'?",
    "agent.hidden=0": "hidden=0 is below its smallest valid value 1",
    "agent.hidden.deeper=3": "has no field 'deeper'",
    "replay=episode": "unknown replay 'episode'; did you mean 'episodes'?",
    "learning_rte=1": "unknown field of QLearning 'learning_rte'; did you mean 'learning_rate'?",
    "__class__=1": "unknown field of QLearning '__class__'",
    "=1": "--set '=1' is not FIELD=VALUE[,VALUE...]",
    "learning_rate": "--set 'learning_rate' is not FIELD=VALUE[,VALUE...]",
    "seed=1,1": "sweep over seed: 1 and 1 are the same",
    "seed=-1": "seeds=[-1] must lie between 0 and 2147483647",
    "seed=2147483648": "seeds=[2147483648] must lie between 0 and 2147483647",
    "seed=0.5": "seeds=[0.5] is neither a whole number nor a list of them",
    "seed=True": "seeds=[True] is neither a whole number nor a list of them",
    "env=1": "unknown field of matrix_game ''",
    "env.=1": "unknown field of matrix_game ''",
    "env.payof=1": "unknown field of matrix_game 'payof'; did you mean 'payoff'?",
    "env.payoff=1": "env.payoff has shape (); matrix_game takes (3, 3)",
    "env.payoff=[[1,2],[3]]": "env.payoff=[[1, 2], [3]] is not a number, nor a rectangular table of them",
    "env.payoff=high": "env.payoff='high' is not a number",
    "env.payoff=None": "env.payoff has shape (); matrix_game takes (3, 3)",
    f"env.payoff={TABLE.format('1e39')}": "env.payoff=[[1e+39, 0, 0], [0, 0, 0], [0, 0, 0]] exceeds 3.40282e+38",
    f"env.payoff={TABLE.format('-1e39')}": "exceeds 3.40282e+38, the largest that float32 holds",
    f"env.payoff={TABLE.format('1e400')}": "is not finite",
    f"env.payoff={TABLE.format(BIG)}": "env.payoff=",
    f"env.payoff={TABLE.format('1')},{TABLE.format('1.0')}": "sweep over env.payoff:",
    f"env.payoff={TABLE.format('1')},{TABLE.format('1.000000001')}": "sweep over env.payoff:",
    "env.n_agents=3": "unknown field of matrix_game 'n_agents'; valid: payoff",
}

OPTIONS = {
    "--seeds 0": "seeds=0 must be at least 1",
    "--seeds -1": "seeds=-1 must be at least 1",
    "--seeds 3000000000": "seeds=3000000000 must be at most 10,000,000",
    f"--seeds 1{'0' * 30}": "must be at most 10,000,000",
    "--seeds 10^30": "seeds='10^30' is neither a count (32) nor a list (3,7,11)",
    f"--seeds {'9' * 5000}": "is neither a count (32) nor a list (3,7,11)",
    "--seeds 1.5": "seeds='1.5' is neither a count (32) nor a list (3,7,11)",
    "--seeds 1,1": "seeds: 1 and 1 are the same seed",
    "--seeds 1,,2": "seeds='1,,2' is neither a count (32) nor a list (3,7,11)",
    "--seeds 0,2147483648": "seeds=[0, 2147483648] must lie between 0 and 2147483647",
    "--seeds=-5,1": "seeds=[-5, 1] must lie between 0 and 2147483647",
    "--seeds nan": "seeds='nan' is neither a count (32) nor a list (3,7,11)",
    "--seeds 9999999 --set learning_rate=0.1,0.2": "the sweep has 19,999,998 runs, more than 10,000,000",
    "--env-steps 0": "env_steps=0 must be at least 1",
    "--env-steps -5": "env_steps=-5 must be at least 1",
    "--env-steps 0.5": "env_steps=0.5 is not a whole number",
    "--env-steps nan": "env_steps=nan is not a whole number",
    "--env-steps inf": "env_steps=inf is not a whole number",
    "--env-steps 1e400": "env_steps=inf is not a whole number",
    "--env-steps 1e12": "env_steps=1000000000000 exceeds 2147483647",
    "--test-interval 0": "test_interval=0 must be at least 1",
    "--test-interval 2.5": "test_interval=2.5 is not a whole number",
    "--test-interval 1e10": "test_interval=10000000000 exceeds 2147483647",
    "--test-episodes 0": "test_episodes=0 must be at least 1",
    "--test-episodes 3000000000": "test_episodes=3000000000 exceeds 2147483647",
    "--root-seed -1": "root_seed=-1 must be at least 0",
    "--root-seed 2147483648": "root_seed=2147483648 exceeds 2147483647",
    "--chunk 0": "chunk=0 must be at least 1",
    "--chunk -3": "chunk=-3 must be at least 1",
    f"--chunk 1{'0' * 30}": "exceeds 2147483647",
    "--set discount=1 discount=0": "--set discount is given twice; write discount=VALUE,VALUE",
    "--import no_such_module": "--import no_such_module failed: ModuleNotFoundError",
    "--import os;touch": "--import os;touch failed: ModuleNotFoundError",
    "--import ..up": "--import ..up failed: TypeError",
    f"--out {LONG}": "is no usable path: File name too long",
    f"--out {LONG}/{LONG}": "is no usable path: File name too long",
    "--out taken": "out: taken is a file; name a directory",
    "--out taken/inside": "cannot lock taken/inside/.lock: Not a directory",
    "--out full": "out: full is not empty and holds no sweep; name a new directory",
}

NAMES = {
    "predatorprey vdn": "unknown environment 'predatorprey'; did you mean 'predator_prey'?",
    "matrix_game vdn": "unknown environment 'matrix_game'; did you mean 'matrix_game/",
    "matrix_game/Z vdn": "unknown environment 'matrix_game/Z'; did you mean 'matrix_game/",
    "combat/4m vdn": "unknown environment 'combat/4m'; did you mean 'combat/",
    "../envs vdn": "unknown environment '../envs'",
    f"{LONG} vdn": "unknown environment 'xxx",
    "os:system vdn": "unknown environment 'os:system'",
    "matrix_game/A qmx": "unknown algorithm 'qmx'; did you mean 'qmix'?",
    "matrix_game/A QMIX": "unknown algorithm 'QMIX'",
    "jaxmarl/MPE_simple_spred_v3 vdn": "did you mean 'jaxmarl/MPE_simple_spread_v3'?",
    "jaxmarl/MPE_simple_spread_v3:num_agnts=3 vdn": "unknown option of jaxmarl/MPE_simple_spread_v3 'num_agnts'; did "
    "you mean 'num_agents'?",
    "jaxmarl/MPE_simple_spread_v3:num_agents=x vdn": "jaxmarl/MPE_simple_spread_v3 with {'num_agents': 'x'}: ",
    "jaxmarl/MPE_simple_spread_v3:num_agents vdn": "'num_agents' is not OPTION=VALUE",
    "jaxmarl/MPE_simple_spread_v3:exact_limit=3 vdn": "exact_limit=3 is not True or False",
    "jaxmarl/ vdn": "unknown environment 'jaxmarl/'",
    "brax/ant_3x3 vdn": "brax/ant_3x3: ant has 8 actuators to share out",
    "brax/ants_4x2 vdn": "unknown split of a brax body 'ants_4x2'; did you mean 'ant_4x2'?",
    "brax/ant_4x2:mjy vdn": "unknown backend of brax 'mjy'; did you mean 'mjx'?",
    "predator_prey qmix --set env.penalty=1": "penalty=1.0 is above its largest valid value 0",
    "predator_prey qmix --set env.limit=1e10": "env.limit=10000000000.0 exceeds 2.14748e+09, the largest that int32",
    "predator_prey qmix --set env.limit=300": "env.limit=300 exceeds limit_max=200; set env.limit_max",
    "predator_prey qmix --set env.limit=2.5": "env.limit=2.5 is not a whole number",
    "predator_prey qmix --set env.grid_size=0": "grid_size=0 is below its smallest valid value 1",
    f"predator_prey qmix --set env.grid_size={BIG}": "exceeds 2147483647, the largest that a counter holds",
    "gaussian_team qmix": "gaussian_team",
}

OTHERS = {
    "plot nowhere": "nowhere is not a run directory: run.json is missing",
    "plot taken": "taken is not a run directory: run.json is missing",
    "plot full": "full is not a run directory: run.json is missing",
    f"plot {LONG}": "is no usable path: File name too long",
    "resume nowhere": "nowhere is not a run directory: run.json is missing",
    f"resume {LONG}": "is no usable path: File name too long",
    "resume taken": "taken is not a run directory: run.json is missing",
    "render nowhere --run 0": "nowhere is not a run directory: run.json is missing",
    f"render {LONG} --run 0": "is no usable path: File name too long",
    "render nowhere": "nowhere holds neither a saved policy (policy.json) nor a sweep (run.json)",
    "eval nowhere": "nowhere holds neither a saved policy (policy.json) nor a sweep (run.json)",
    f"eval {LONG}": "is no usable path: File name too long",
    "export-policy full actor.bin": "full holds neither a saved policy",
    "compare nowhere": "nowhere is not a run directory: run.json is missing",
    "plot nowhere --import no_such_module": "--import no_such_module failed: ModuleNotFoundError",
    "plot nowhere --import no_such_module --import os": "--import no_such_module failed: ModuleNotFoundError",
    "resume nowhere --import faulty": "--import faulty failed: ZeroDivisionError: division by zero",
    "reproduce matrix_gams": "unknown experiment 'matrix_gams'; did you mean 'matrix_games'?",
    "reproduce ../setup": "unknown experiment '../setup'",
    f"reproduce {LONG}": "unknown experiment 'xxx",
    "reproduce matrix_games --seeds 0": "seeds=0 must be at least 1",
    "reproduce matrix_games --env-steps 0.5": "env_steps=0.5 is not a whole number from 1 on",
    "bench throughputt": "unknown benchmark 'throughputt'; did you mean 'throughput'?",
}

PARSER = {
    "": "command",
    "run": "--env",
    "run --env matrix_game/A": "--algorithm",
    "run --env matrix_game/A --algorithm vdn --env-steps many": "Error parsing --env-steps: no type matching",
    "run --env matrix_game/A --algorithm vdn --sets a=1": "Unrecognized options: --sets, a=1",
    "run --env matrix_game/A --algorithm vdn --root-seed 0.5": "Error parsing --root-seed",
    "lst": "Unrecognized options: lst",
    "list envz": "invalid choice 'envz' for argument 'what'",
    "plot": "PATH",
    "render nowhere --run first": "Error parsing --run",
    "bench --out": "--out",
    "resume one two": "Unrecognized options: two",
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory with a file, a directory of something else, and a module that fails."""
    (tmp_path / "taken").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    (tmp_path / "faulty.py").write_text("1 / 0")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])  # --import adds the present directory
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


def assert_refused(capsys, directory, arguments, line):
    before = files(directory)
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    out, err = capsys.readouterr()
    assert (caught.value.code, out) == (2, ""), err
    assert err.startswith("jaxvf: ")
    assert line in err
    assert err.count("\n") == 1, err
    assert files(directory) == before


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda text: text[:40])
def test_settings(here, capsys, setting):
    command = ["run", *GAME, *LEARNER, "--out", "sweep", "--set", setting]
    assert_refused(capsys, here, command, SETTINGS[setting])


@pytest.mark.parametrize("options", OPTIONS, ids=lambda text: text[:40])
def test_options(here, capsys, options):
    out = [] if "--out" in options else ["--out", "sweep"]
    assert_refused(capsys, here, ["run", *GAME, *LEARNER, *out, *options.split()], OPTIONS[options])


@pytest.mark.parametrize("names", NAMES, ids=lambda text: text[:40])
def test_names(here, capsys, names):
    env, algorithm, *more = names.split()
    assert_refused(capsys, here, ["run", "--env", env, "--algorithm", algorithm, "--out", "sweep", *more], NAMES[names])


@pytest.mark.parametrize("command", OTHERS, ids=lambda text: text[:40])
def test_other_commands(here, capsys, command):
    assert_refused(capsys, here, command.split(), OTHERS[command])


@pytest.mark.parametrize("command", PARSER)
def test_what_the_parser_refuses(here, capsys, command):
    assert_refused(capsys, here, command.split(), PARSER[command])

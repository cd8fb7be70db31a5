"""What is written on the command line is read as meant, and little is imported for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import jaxvf
from jaxvf import cli, cli_values
from jaxvf.errors import InputError

# --- parsing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("assignment", "grid"),
    [
        ("learning_rate=1e-3,5e-4", {"learning_rate": [1e-3, 5e-4]}),
        ("batch_size=4", {"batch_size": [4]}),
        ("agent_id=True,False", {"agent_id": [True, False]}),
        ("mixer=vdn,qmix", {"mixer": ["vdn", "qmix"]}),
        ("env.penalty=-1,-3", {"env.penalty": [-1, -3]}),
        ("env.payoff=[[1,2],[3,4]]", {"env.payoff": [[[1, 2], [3, 4]]]}),
        ("env.payoff=[[1,2],[3,4]],[[0,0],[0,1]]", {"env.payoff": [[[1, 2], [3, 4]], [[0, 0], [0, 1]]]}),
        ("a,b=(1,2),(3,4)", {"a,b": [(1, 2), (3, 4)]}),
        ("note=x=1", {"note": ["x=1"]}),
    ],
)
def test_settings_are_literals_where_they_can_be(assignment, grid):
    assert cli_values.parse_settings([assignment]) == grid


def test_seeds_are_a_count_or_a_list():
    assert cli_values.parse_seeds("32") == 32
    assert cli_values.parse_seeds("3,7,11") == [3, 7, 11]
    with pytest.raises(InputError):
        cli_values.parse_seeds("3,x")


# --- what is imported ------------------------------------------------------------------------------------------


# What shows and passes on results; imported where it is used.
SEEN_LATER = {"matplotlib", "pandas", "tensorboardX", "wandb", "IPython"}


def imported(code: str) -> set[str]:
    """Names of all modules after `code` ran in a fresh process."""
    environment = {**os.environ, "PYTHONPATH": str(Path(jaxvf.__file__).parents[1])}
    script = f"import sys\n{code}\nprint('modules', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60, env=environment
    )
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_help_is_light():
    modules = imported(
        "import runpy\nsys.argv = ['jaxvf', 'run', '--help']\n"
        "try: runpy.run_module('jaxvf.cli', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0"
    )
    assert "tyro" in modules
    assert not modules & {"jax", "numpy", "flax", "optax", "pyarrow", "jaxmarl", "orbax", *SEEN_LATER}


def test_a_reader_who_has_seen_enough_gets_no_traceback():
    """`jaxvf list algorithms | head -1`: the pipe closes before everything is written."""
    environment = {**os.environ, "PYTHONPATH": str(Path(jaxvf.__file__).parents[1])}
    command = [sys.executable, "-c", "import jaxvf.cli; jaxvf.cli.main(['list', 'experiments'])"]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, env=environment)
    os.close(writer)
    assert (done.returncode, done.stderr) == (cli.CLOSED_PIPE, "")


def test_importing_jaxvf_is_light():
    assert not imported("import jaxvf") & {"jax", "numpy", "tyro"}


def test_importing_the_sweep_leaves_the_heavy_packages_out():
    modules = imported("from jaxvf.sweeps import Sweep\nimport jaxvf.cli, jaxvf.catalogue")
    assert {"jax", "flax"} <= modules
    assert not modules & {"jaxmarl", "distrax", "orbax", "orbax.checkpoint", "pyarrow", *SEEN_LATER}


@pytest.mark.parametrize("name", jaxvf.__all__)
def test_every_public_name_is_there(name):
    assert getattr(jaxvf, name) is not None
    assert name in dir(jaxvf)

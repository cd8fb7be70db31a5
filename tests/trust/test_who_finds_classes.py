"""Whoever reads files of sweeps has imported what they name: in a fresh process, by the module that reads alone."""

import subprocess
import sys

import pytest

SWEEP = ("jaxvf.sweeps.sweep:Sweep", "jaxvf.sweeps.search.halving:Halving", "jaxvf.sweeps.values:LogUniform")
PLAYER = "jaxvf.results.opponents:GreedyPlayer"


@pytest.mark.parametrize(
    ("reader", "names"), [("jaxvf.sweeps.stored", (*SWEEP, PLAYER)), ("jaxvf.results.policy", (PLAYER,))]
)
def test_a_reader_finds_what_its_files_name(reader, names):
    code = f"import {reader}\nfrom jaxvf.configurations import find\nfor name in {names!r}: find(name, 'run.json')"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr

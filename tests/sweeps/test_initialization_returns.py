"""Many runs initialize on several devices: two libraries' thread pools must not wait for each other."""

import os
import subprocess
import sys

import jax
import pytest

import jaxvf
from jaxvf.algorithms import ALGORITHMS, make
from jaxvf.training import observed_by
from jaxvf.trust_region import Recurrent, TrustRegion

# A fresh process, because the number of devices is fixed when JAX starts, and because what hangs cannot be stopped.
# Narrow networks: what hung were two calls at once, whatever the size of their matrices.
PROGRAM = """
import jax, jaxvf
from jaxvf.one_run import compile_for_one_run
from jaxvf.sweeps.compile import lowered_init

narrow = {"actor.hidden": [16], "critic.hidden": [16]}
(group,) = jaxvf.Sweep("gaussian_team", "happo", seeds=64, env_steps=1000, grid=narrow).plan(chunk=64).groups
assert jax.device_count() == 2
described = group.stack(group.runs)
init = compile_for_one_run(lowered_init(group))
for time in range(20):
    jax.block_until_ready(init(*described))
print("initialized")
"""
SECONDS = 300  # it takes about 20 on two idle cores, most of them imports and compilation


def test_64_runs_initialize_20_times_in_a_row():
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "2"}
    for name in ("JAX_DISABLE_MOST_OPTIMIZATIONS", "XLA_FLAGS"):  # as users run it
        environment.pop(name, None)
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=SECONDS
    )
    assert (found.returncode, found.stdout) == (0, "initialized\n"), found.stderr


@pytest.mark.parametrize(
    "learner", [*map(make, ALGORITHMS), TrustRegion(actor=Recurrent(), critic=Recurrent())],
    ids=[*ALGORITHMS, "recurrent"],
)  # fmt: skip
def test_no_learner_begins_with_a_call_to_another_library(learner):
    """What hung were calls into LAPACK; the lowered program names whatever it would call."""
    spec = observed_by(learner, jaxvf.envs.make("matrix_game/A")).spec
    keys = jax.random.split(jax.random.key(0), 2)
    text = jax.jit(jax.vmap(lambda key: learner.init(key, spec))).lower(keys).as_text()
    assert "stablehlo" in text and "custom_call" not in text and "lapack" not in text.lower()

"""Many runs initialize on several devices: two libraries' thread pools must not wait for each other."""

import os
import subprocess
import sys

# A fresh process, because the number of devices is fixed when JAX starts, and because what hangs cannot be stopped.
PROGRAM = """
import jax, jaxvf
from jaxvf.sweeps import devices

(group,) = jaxvf.Sweep("gaussian_team", "happo", seeds=64, env_steps=1000).plan(chunk=64).groups
assert jax.device_count() == 2
described = group.stack(group.runs)
init = jax.jit(group.program.init, out_shardings=devices.placement(64).runs).lower(*described).compile()
for time in range(20):
    jax.block_until_ready(init(*described))
print("initialized")
"""
SECONDS = 300  # it takes about 20 on two idle cores, most of them imports and compilation


def test_64_runs_initialize_20_times_in_a_row():
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "2"}
    environment.pop("JAX_DISABLE_MOST_OPTIMIZATIONS", None)  # as users run it
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=SECONDS
    )
    assert (found.returncode, found.stdout) == (0, "initialized\n"), found.stderr

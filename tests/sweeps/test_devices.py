"""Runs spread over several devices: the results of one device, resumed ones too."""

import json
import os
import subprocess
import sys

import numpy as np

# A fresh process, because the number of devices is fixed when JAX starts.
PROGRAM = """
import dataclasses, json, sys
import jax, jaxvf
from jaxvf.networks import FeedForwardAgent
from jaxvf.sweeps import runner

algorithm = dataclasses.replace(
    jaxvf.algorithms.make("vdn"), agent=FeedForwardAgent(hidden=4), num_envs=2, batch_size=4, buffer_size=16
)
sweep = jaxvf.Sweep("matrix_game/A", algorithm, seeds=4, env_steps=80, test_interval=20, test_episodes=2)
if len(sys.argv) > 1:  # stop after the second of four segments, then resume
    report = runner.Runner._report
    def stop_at_two(self, group, chunk, done, metrics):
        report(self, group, chunk, done, metrics)
        self.stop.asked = done == 2
    runner.Runner._report = stop_at_two
    try:
        sweep.run(sys.argv[1], progress="none")
    except KeyboardInterrupt:
        runner.Runner._report = report
    result = jaxvf.resume(sys.argv[1], progress="none")
else:
    result = sweep.run(progress="none")
print(json.dumps([jax.device_count(), result.metric("loss").tolist(), result.metric("test_return").tolist()]))
"""


def run_on(devices: int, *arguments: str) -> list:
    """Device count, losses and test returns of the program on that many host devices."""
    environment = {**os.environ, "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(found.stdout.splitlines()[-1])


def test_two_devices_give_the_results_of_one(tmp_path):
    """Four runs on two devices, straight through and resumed, against four runs on one."""
    one, two, resumed = run_on(1), run_on(2), run_on(2, str(tmp_path / "out"))
    assert (one[0], two[0], resumed[0]) == (1, 2, 2)
    np.testing.assert_allclose(two[1], one[1], rtol=1e-4)
    np.testing.assert_allclose(two[2], one[2])
    assert resumed == two  # bitwise

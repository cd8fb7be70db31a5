"""An environment that is defined in the script that trains: found again there, and where the script is imported."""

import json
import subprocess
import sys

SCRIPT = """
import dataclasses
import jaxvf
from jaxvf.envs import TwoStepGame
from jaxvf.mixers import VdnMixer
from jaxvf.networks import TabularAgent
from jaxvf.value import QLearning


@dataclasses.dataclass(frozen=True)
class Mine(TwoStepGame):
    size: int = 2


if __name__ == "__main__":
    learner = QLearning(mixer=VdnMixer(), agent=TabularAgent(), agent_id=False, last_action=False, batch_size=8)
    jaxvf.run(Mine(3), {"mine": learner}, env_steps=80, test_episodes=1, out="sweep", progress="none", check=False)
    print(jaxvf.load("sweep").policy(0).env)
"""
# Curves need no class; a policy does, and finds it where the script is named.
ELSEWHERE = """
import jaxvf
from jaxvf import cli
print(jaxvf.load("sweep").runs[0]["algorithm"], jaxvf.load("sweep").metric("loss").shape)
try:
    cli.main(["eval", "sweep"])
except SystemExit as end:
    print("ended with", end.code)
cli.main(["eval", "sweep", "--import", "my_script", "--episodes", "2", "--json"])
"""


def test_a_class_of_the_program_trains_and_is_found_again(tmp_path):
    def python(*arguments: str) -> tuple[str, str]:
        command = [sys.executable, *arguments]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout, ran.stderr

    (tmp_path / "my_script.py").write_text(SCRIPT)
    assert python("my_script.py")[0].strip() == "Mine(size=3)"
    out, line = python("-c", ELSEWHERE)
    curves, end, *found = out.splitlines()
    assert curves.startswith("mine (1, ")
    assert end == "ended with 2" and "names the class __main__:Mine" in line and "--import SCRIPT" in line
    assert json.loads("".join(found))["length"] == [2, 2, 2]

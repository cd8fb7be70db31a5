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
ELSEWHERE = "import jaxvf; print(jaxvf.load('sweep').runs[0]['algorithm'], jaxvf.load('sweep').metric('loss').shape)"


def test_a_class_of_the_program_trains_and_is_found_again(tmp_path):
    def python(*arguments: str, code: int = 0) -> str:
        ran = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
        )
        assert ran.returncode == code, ran.stderr
        return ran.stderr if code else ran.stdout

    (tmp_path / "my_script.py").write_text(SCRIPT)
    assert python("my_script.py").strip() == "Mine(size=3)"
    assert python("-c", ELSEWHERE).startswith("mine (1, ")  # curves need no class
    line = python("-m", "jaxvf.cli", "eval", "sweep", code=2)
    assert "names the class __main__:Mine" in line
    assert "--import SCRIPT" in line
    found = json.loads(python("-m", "jaxvf.cli", "eval", "sweep", "--import", "my_script", "--episodes", "2", "--json"))
    assert found["length"] == [2, 2, 2]

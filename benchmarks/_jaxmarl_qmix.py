"""JaxMARL's own QMIX in the setting of `smax_qmix.py`: `python _jaxmarl_qmix.py CHECKOUT RUNS`.

The script `baselines/QLearning/qmix_rnn.py` of a checkout, as it stands, tests and logging switched off. It trains in
one call; what an iteration costs is the difference of two calls of different length, which leaves out the beginning.
Episodes start anew inside a rollout, so every frame is a step that was taken.
"""

import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import Any

import flashbax  # pyright: ignore[reportMissingImports]  # of JaxMARL's script, no dependency of jaxvf
import jax

from jaxvf import scripts

setting = scripts.load("benchmarks", "smax_qmix")
SHORT, LONG = 4, 24  # iterations of the two calls
CONFIG: dict[str, Any] = {
    "NUM_ENVS": setting.NUM_ENVS,
    "NUM_STEPS": setting.FRAMES,
    "NUM_EPOCHS": setting.UPDATES,
    "BUFFER_SIZE": setting.LEARNER["buffer_size"],
    "BUFFER_BATCH_SIZE": setting.LEARNER["batch_size"],
    "HIDDEN_SIZE": 64,
    "MIXER_EMBEDDING_DIM": 32,
    "MIXER_HYPERNET_HIDDEN_DIM": 64,
    "LEARNING_STARTS": 0,
    "TEST_DURING_TRAINING": False,
    "WANDB_MODE": "disabled",
    # As in its config/alg/ql_rnn_smax.yaml; none of these changes the cost of an iteration.
    "MIXER_INIT_SCALE": 0.001,
    "EPS_START": 1.0,
    "EPS_FINISH": 0.05,
    "EPS_DECAY": 0.1,
    "MAX_GRAD_NORM": 10,
    "TARGET_UPDATE_INTERVAL": 10,
    "TAU": 1.0,
    "LR": 0.00005,
    "GAMMA": 0.99,
    "REW_SCALE": 10.0,
    "ENV_NAME": "HeuristicEnemySMAX",
    "MAP_NAME": "3m",
    "ENV_KWARGS": {"see_enemy_actions": True, "walls_cause_death": True, "attack_mode": "closest"},
    "TEST_NUM_ENVS": 1,
}


def measure(checkout: Path, runs: int) -> dict[str, Any]:
    """Compile both lengths, run each twice, and report the difference of the second times."""
    path = checkout / "baselines" / "QLearning" / "qmix_rnn.py"
    script = load(path)
    calls = {iterations: trained(script, iterations, runs) for iterations in (SHORT, LONG)}
    spent, updates = {}, {}
    for _ in range(2):
        for iterations, (call, _) in calls.items():
            begun = time.process_time()
            result = jax.block_until_ready(call())
            spent[iterations] = time.process_time() - begun
            updates[iterations] = int(result["runner_state"][0].grad_steps[0])
    between = LONG - SHORT
    assert updates[LONG] - updates[SHORT] == between * setting.UPDATES  # it did learn
    return setting.report(
        runs=runs,
        steps=runs * between * setting.NUM_ENVS * setting.FRAMES,
        cpu_seconds=spent[LONG] - spent[SHORT],
        iterations=between,
        jaxmarl=importlib.metadata.version("jaxmarl"),
        script_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        **calls[LONG][1],
    )


def load(path: Path) -> Any:
    """The script as a module; its replay may be drawn from once it holds a batch.

    The script waits for as many rollouts as a batch has sequences, which a ring of 256 never holds.
    """
    spec = importlib.util.spec_from_file_location("jaxmarl_qmix_rnn", path)
    assert spec is not None and spec.loader is not None  # the file exists
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    make_buffer = flashbax.make_trajectory_buffer
    rollouts = CONFIG["BUFFER_BATCH_SIZE"] // CONFIG["NUM_ENVS"]

    @functools.wraps(make_buffer)
    def make(**options: Any) -> Any:
        return make_buffer(**{**options, "min_length_time_axis": rollouts})

    flashbax.make_trajectory_buffer = make
    return module


def trained(script: Any, iterations: int, runs: int) -> tuple[Any, dict[str, Any]]:
    """A call that trains `runs` seeds for a number of iterations, and what compiling it took."""
    config = {**CONFIG, "TOTAL_TIMESTEPS": iterations * CONFIG["NUM_ENVS"] * CONFIG["NUM_STEPS"]}
    env, _ = script.env_from_config({**config, "ENV_KWARGS": dict(config["ENV_KWARGS"])})
    seeds = jax.random.split(jax.random.PRNGKey(0), runs)
    begun = time.process_time(), time.perf_counter()
    compiled = jax.jit(jax.vmap(script.make_train(config, env))).lower(seeds).compile()
    memory: Any = compiled.memory_analysis()
    facts = {
        "compile_cpu_seconds": round(time.process_time() - begun[0], 1),
        "compile_seconds": round(time.perf_counter() - begun[1], 1),
        "temporary_megabytes_per_run": round(memory.temp_size_in_bytes / runs / 1e6, 1),
    }
    return lambda: compiled(seeds), facts


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), int(sys.argv[2]))))

"""Environment steps a second of combat beside JaxMARL's SMAX: one process, one action rule, interleaved rounds.

Every step draws a uniformly random available action per agent, steps with auto-reset, and adds up observations, states,
rewards and ends, so that nothing is dead code. Medians of rounds; compile seconds and temporary memory beside.
"""

import statistics
import time
from typing import Any

import jax
import jax.numpy as jnp

from jaxvf import scripts
from jaxvf.envs import AutoReset, Combat, Environment, Smax
from jaxvf.envs.combat import MAPS
from jaxvf.envs.jaxmarl_names import import_jaxmarl

throughput = scripts.load("benchmarks", "throughput")
MAP_NAMES = ("3m", "2s3z", "smacv2_10_units", "27m_vs_30m")
BATCHES = (256, 1024)
ROUNDS = 5
AGENT_STEPS = 400_000  # units x environments x steps of one timed run, so that all maps take about as long


def bench(*, quick: bool = False) -> dict[str, Any]:
    """A row per map, batch and simulator; `quick` is 3m in two rounds."""
    cells = [("3m", 256)] if quick else [(name, batch) for name in MAP_NAMES for batch in BATCHES]
    rounds = 2 if quick else ROUNDS
    rows = [row for name, batch in cells for row in measure(name, batch, rounds)]
    return {"machine": throughput.machine(), "rounds": rounds, "rows": rows}


def measure(name: str, batch: int, rounds: int) -> list[dict[str, Any]]:
    """Both rule sets and JaxMARL in turn, round after round, so that a drift of the machine meets all alike."""
    smax = Smax(name)
    loops = {"jaxmarl": jaxmarl_loop(name, batch), "smax": our_loop(smax, batch)}
    if name in MAPS:
        loops["smac"] = our_loop(Combat(name), batch)
    steps = max(4, AGENT_STEPS // (batch * (smax.n_allies + smax.n_enemies)))
    compiled, facts = {}, {}
    for simulator, loop in loops.items():
        begun = time.perf_counter()
        compiled[simulator] = jax.jit(loop, static_argnums=1).lower(jax.random.key(0), steps).compile()
        facts[simulator] = {
            "compile_seconds": round(time.perf_counter() - begun, 2),
            "temporary_megabytes": round(compiled[simulator].memory_analysis().temp_size_in_bytes / 2**20, 1),
        }
    rates: dict[str, list[float]] = {simulator: [] for simulator in loops}
    for number in range(rounds + 1):
        for simulator, run in compiled.items():
            begun = time.perf_counter()
            jax.block_until_ready(run(jax.random.key(number)))
            rates[simulator].append(batch * steps / (time.perf_counter() - begun))
    medians = {simulator: statistics.median(spent[1:]) for simulator, spent in rates.items()}
    ratios = {
        simulator: statistics.median(
            ours / theirs for ours, theirs in zip(spent[1:], rates["jaxmarl"][1:], strict=True)
        )
        for simulator, spent in rates.items()
    }
    return [
        {
            "map": name,
            "environments": batch,
            "simulator": simulator,
            "steps_per_second": round(medians[simulator]),
            "over_jaxmarl": round(ratios[simulator], 2),
            **facts[simulator],
        }
        for simulator in loops
    ]


def our_loop(env: Environment, batch: int) -> Any:
    """Random play of one of our environments."""
    stepper, params = AutoReset(env), env.default_params()

    def play(key: jax.Array, steps: int) -> jax.Array:
        def step(carry: tuple, key: jax.Array) -> tuple[tuple, None]:
            states, view, total = carry
            act_key, step_key = jax.random.split(key)
            actions = random_actions(act_key, view.avail)
            states, outcome, view, _ = stepper.step(step_key, states, actions, params)
            total += view.obs.sum() + view.state.sum() + outcome.reward.sum() + outcome.done.sum()
            return (states, view, total), None

        start_key, play_key = jax.random.split(key)
        start = (*stepper.init(start_key, params, batch), jnp.float32(0))
        return jax.lax.scan(step, start, jax.random.split(play_key, steps))[0][-1]

    return play


def jaxmarl_loop(name: str, batch: int) -> Any:
    """Random play of JaxMARL's environment by its own auto-resetting `step`."""
    import_jaxmarl()  # keeps its greetings from standard output
    from jaxmarl.environments.smax import HeuristicEnemySMAX, map_name_to_scenario

    env = HeuristicEnemySMAX(scenario=map_name_to_scenario(name))

    def play(key: jax.Array, steps: int) -> jax.Array:
        def step(carry: tuple, key: jax.Array) -> tuple[tuple, None]:
            states, total = carry
            act_key, step_key = jax.random.split(key)
            avail = jax.vmap(env.get_avail_actions)(states)
            actions = random_actions(act_key, jnp.stack([avail[agent] for agent in env.agents], axis=1))
            named = {agent: actions[:, number] for number, agent in enumerate(env.agents)}
            keys = jax.random.split(step_key, batch)
            obs, states, reward, done, _ = jax.vmap(env.step)(keys, states, named)
            total += sum(leaf.sum() for leaf in obs.values()) + reward["ally_0"].sum() + done["__all__"].sum()
            return (states, total), None

        start_key, play_key = jax.random.split(key)
        _, states = jax.vmap(env.reset)(jax.random.split(start_key, batch))
        return jax.lax.scan(step, (states, jnp.float32(0)), jax.random.split(play_key, steps))[0][-1]

    return play


def random_actions(key: jax.Array, avail: jax.Array) -> jax.Array:
    """A uniformly random available action of every agent, [B, N]."""
    chance = jax.random.uniform(key, avail.shape)
    return jnp.where(avail.astype(bool), chance, -1.0).argmax(axis=-1)

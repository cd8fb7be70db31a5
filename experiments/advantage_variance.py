"""Does the variance of preceding agents' weights explode? By position, by rule, on the training batch and on a new one.

Le & Ta 2025 (doi 10.1007/s10458-025-09695-8) claim that it grows exponentially with the position. The exact part moves
softmax agents a given KL and multiplies their second moments. The trained part plays the Gaussian team in a fixed order
of agents, and after each iteration measures the weights of every position twice, with the same old and new policies: on
the samples that these were fitted to, and on as many new ones.
"""

import dataclasses
import itertools
import json
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxvf.algorithm import Progress, Rollout
from jaxvf.envs import GaussianTeam
from jaxvf.hyperparameters import replace
from jaxvf.reproduction import SMALL, Scale, agree, caption, choose
from jaxvf.results import figure_style as look
from jaxvf.results import plots, summaries
from jaxvf.results.store import write_atomically
from jaxvf.training import Clock, Program, make_program
from jaxvf.training.keys import Purpose, run_key
from jaxvf.trust_region import FeedForward, TrustRegion, weight_bounds
from jaxvf.trust_region.diagnostics import HIGHEST_LOG_WEIGHT

# The exact part: agents that move this far; positions that are reported; an earlier prototype's variances.
MOVES, ACTIONS, POSITIONS, DRAWS = (0.01, 0.05), 5, (2, 8, 16, 32, 64), 200_000
EXPECTED_EXACT = {0.01: (0.021, 0.148, 0.343, 0.847, 2.44), 0.05: (0.097, 1.06, 3.19, 18.7, 425)}

# The trained part: (step, step size, samples of an iteration).
SETTINGS = (("clip", 5e-3, 250), ("clip", 2e-3, 250), ("natural", 0.01, 250), ("clip", 2e-3, 4000))
RULES = {"is": weight_bounds("is"), "clip": weight_bounds("clip1")}
WORDS = {"is": "the product", "clip": "the product clipped at 1"}
BATCHES = ("training", "fresh")
STATISTICS = ("mean", "median")  # over iterations and seeds
CHUNK = 4  # runs at once: the samples of more do not stay in a CPU's cache


@dataclasses.dataclass(frozen=True, kw_only=True)
class Teams(Scale):
    """How many agents, which settings of `SETTINGS`, and iterations by kind of step."""

    agents: int
    settings: tuple[tuple[str, float, int], ...]
    iterations: dict[str, int]
    draws: int = DRAWS


FULL = {"clip": 100, "natural": 60}
SCALES = {
    "small": Teams(minutes=4, seeds=4, agents=16, settings=SETTINGS[:1], iterations=FULL, draws=DRAWS // 20),
    "medium": Teams(minutes=40, seeds=8, agents=16, settings=SETTINGS, iterations=FULL),
    "paper": Teams(minutes=200, seeds=32, agents=16, settings=SETTINGS, iterations=FULL),  # no paper's: ours, largest
}


def reproduce(
    *,
    out: Path,
    scale: str = SMALL,
    seeds: int | None = None,
    env_steps: int | None = None,
    yes: bool = False,
    agents: int | None = None,
    settings: tuple[tuple[str, float, int], ...] | None = None,
) -> None:
    """Compute the exact part, train, write `summary.json` and the figure by position to `out`.

    Args:
        out: directory.
        scale: one of `SCALES`.
        seeds: of each setting.
        env_steps: refused; a setting has its iterations.
        yes: agree to more than an hour.
        agents: of the team.
        settings: some of `SETTINGS`.
    """
    chosen = choose(SCALES, scale, seeds=seeds, env_steps=env_steps, agents=agents, settings=settings)
    agree(chosen, yes=yes)
    rows = exact_rows(chosen.draws)
    for setting in chosen.settings:
        for rule in RULES:
            rows += setting_rows(setting, rule, chosen, out)
    rows = [{"scale": chosen.label, **row} for row in rows]
    summaries.write_summary(rows, out)
    for row in rows:
        print(text(row))
    print(draw(rows, out))


def setting_rows(setting: tuple[str, float, int], rule: str, chosen: Teams, out: Path) -> list[dict[str, Any]]:
    """A row for either batch; kept in `out`, so that an interrupted experiment goes on with the next setting."""
    step, size, batch = setting
    iterations, title = chosen.iterations[step], f"{step} {size:g}, B = {batch}"
    path = out / "parts" / f"{step}_{size:g}_{batch}_{rule}_{chosen.agents}x{iterations}x{chosen.seeds}.json"
    if not path.exists():
        variances = trained(step, size, batch, rule, chosen.agents, chosen.seeds, iterations)
        rows = [trained_row(title, rule, kind, variances[kind]) | {"iterations": iterations} for kind in BATCHES]
        write_atomically(path, json.dumps(rows).encode())
    return json.loads(path.read_text())


def exact_rows(draws: int) -> list[dict[str, Any]]:
    """Var w and Var min(w, 1) by position, for agents whose KL(old || new) is given."""
    rng = np.random.default_rng(0)
    old = rng.dirichlet(np.ones(ACTIONS), size=max(POSITIONS))
    direction = rng.normal(size=old.shape)
    rows = []
    for move in MOVES:
        new = moved_by(old, direction, move)
        second = np.cumprod((new**2 / old).sum(axis=1))
        log_ratio = np.log(new / old)
        chosen = (rng.random((draws, len(old), 1)) > old.cumsum(axis=1)[:, :-1]).sum(axis=2)
        log_weight = np.cumsum(log_ratio[np.arange(len(old)), chosen], axis=1)
        for index, position in enumerate(POSITIONS):
            clipped = np.exp(np.minimum(log_weight[:, position - 2], 0))
            rows.append({
                "kl": move, "position": position, "variance": float(second[position - 2] - 1),
                "clipped_variance": float(clipped.var()), "clipped_mean": float(clipped.mean()),
                "expected": EXPECTED_EXACT[move][index],
            })  # fmt: skip
    return rows


def moved_by(old: Float[np.ndarray, "N A"], direction: Float[np.ndarray, "N A"], kl: float) -> Float[np.ndarray, "N A"]:
    """Policies old · exp(η direction), each with the η > 0 at which KL(old || new) is `kl`, by bisection."""

    def at(eta: np.ndarray) -> np.ndarray:
        raised = old * np.exp(eta[:, None] * direction)
        return raised / raised.sum(axis=1, keepdims=True)

    low, high = np.zeros(len(old)), np.full(len(old), 50.0)
    for _ in range(60):
        middle = (low + high) / 2
        far = (old * np.log(old / at(middle))).sum(axis=1) > kl
        low, high = np.where(far, low, middle), np.where(far, middle, high)
    return at(low)


def trained(
    step: str, size: float, batch: int, rule: str, agents: int, seeds: int, iterations: int
) -> dict[str, Float[np.ndarray, "S I N"]]:
    """Variance of the weights of every position in every iteration of every seed, on either batch."""
    low, high = RULES[rule]
    algorithm = TrustRegion(
        actor=FeedForward(hidden=32, activation="tanh", layer_norm=False), step=step, baseline="exact",
        order="fixed", num_envs=batch, rollout_length=1, max_grad_norm=1e6, clip=0.1, weight_low=low, weight_high=high,
    )  # fmt: skip
    algorithm = replace(algorithm, "learning_rate" if step == "clip" else "kl_radius", size)
    env = GaussianTeam(agents)
    program = make_program(env, algorithm, env_steps=batch, test_interval=batch, test_episodes=1, root=0)
    run = jax.jit(jax.vmap(lambda seed: _watched(program, algorithm, env.default_params(), seed, iterations)))
    parts = [run(jnp.arange(first, first + CHUNK)) for first in range(0, seeds, CHUNK)]
    return {kind: np.concatenate([part[kind] for part in parts])[:seeds] for kind in BATCHES}


def _watched(
    program: Program, algorithm: TrustRegion, env_params: Any, seed: Array, iterations: int
) -> dict[str, Float[Array, "I N"]]:
    """One run, and the variances of its weights in every iteration."""

    def iteration(run: Any, count: Array) -> tuple[Any, dict[str, Array]]:
        clock = Clock(count, count)
        memory, rollout, _ = program.collect(run, algorithm, env_params, clock)
        batches = {"training": rollout, "fresh": fresh_rollout(program, algorithm, env_params, run, clock)}
        key, progress = run_key(program.root, run.seed, Purpose.UPDATE, count), Progress(count, run.env_steps)
        learner, _ = algorithm.update(run.learner, rollout, key, progress)
        after = run._replace(learner=learner, memory=memory, env_steps=run.env_steps + program.experience.steps)
        return after, {kind: _variances(algorithm, learner.params.actor, batches[kind]) for kind in BATCHES}

    return jax.lax.scan(iteration, program.init_run(algorithm, env_params, seed), jnp.arange(iterations))[1]


def fresh_rollout(program: Program, algorithm: TrustRegion, env_params: Any, run: Any, clock: Clock) -> Rollout:
    """What the run's policies do in new contexts: as many samples as it learns from in this iteration, none of them."""
    elsewhere = dataclasses.replace(program, root=program.root + 1)  # the same run with other random streams
    key = run_key(elsewhere.root, run.seed, Purpose.INIT, clock.iteration)
    memory = program.experience.init(algorithm, run.learner, env_params, key)
    return elsewhere.collect(run._replace(memory=memory), algorithm, env_params, clock)[1]


def _variances(algorithm: TrustRegion, actor: Any, rollout: Rollout) -> Float[Array, "N"]:
    assert rollout.started is not None
    # Games of one step: every frame is a step.
    new, _ = algorithm.actors.policies(actor, rollout.obs, rollout.extras.carry[0], rollout.started, rollout.avail)
    log_ratio = new.log_prob(rollout.actions) - rollout.extras.log_prob
    log_weight = jnp.minimum(jnp.cumsum(log_ratio, axis=-1) - log_ratio, HIGHEST_LOG_WEIGHT)
    return jnp.exp(log_weight).reshape(-1, log_weight.shape[-1]).var(axis=0, ddof=1)


def trained_row(title: str, rule: str, kind: str, variance: Float[np.ndarray, "S I N"]) -> dict[str, Any]:
    """Mean, median and 95th percentile over iterations and seeds, by position; positions count from 1."""
    flat = variance.reshape(-1, variance.shape[-1])
    return {
        "setting": title, "rule": rule, "batch": kind, "runs": len(variance),
        "mean": flat.mean(axis=0).tolist(), "median": np.median(flat, axis=0).tolist(),
        "p95": np.quantile(flat, 0.95, axis=0).tolist(),
    }  # fmt: skip


def draw(rows: list[dict[str, Any]], out: Path) -> Path:
    """Mean and median variance of the weights against position, a panel per setting."""
    trained_rows = [row for row in rows if "setting" in row]
    titles = list(dict.fromkeys(row["setting"] for row in trained_rows))
    figure = look.blank(max(look.WIDTH, 2.6 * len(titles)), 5.2)
    grid = figure.subplots(len(STATISTICS), len(titles), sharex=True, sharey="row", squeeze=False)
    for (place, axes), (statistic, title) in zip(
        np.ndenumerate(grid), itertools.product(STATISTICS, titles), strict=True
    ):
        for row in trained_rows:
            if row["setting"] != title:
                continue
            positions = np.arange(2, len(row["median"]) + 1)  # the first has no weight
            colour = look.learner_colour("happo" if row["rule"] == "is" else "clip_happo")
            fresh = row["batch"] == "fresh"
            label = f"{WORDS[row['rule']]}, {'a new batch' if fresh else 'the batch learned from'}"
            axes.plot(
                positions, row[statistic][1:], color=colour, marker="o", markersize=4, label=label,
                markerfacecolor="white" if fresh else colour, linestyle="--" if fresh else "-",
            )  # fmt: skip
        axes.set_yscale("log")
        kind, size, batch = re.split(r" |, B = ", title)
        words = {"clip": "PPO steps, learning rate", "natural": "natural steps, δ ="}[kind]
        if place[0] == 0:
            axes.set_title(f"{words} {size}\n{batch} samples", loc="left", color=look.INK, fontsize=look.SMALL)
        look.dress(axes, xlabel="position of the agent" if place[0] else "", ylabel="")
        if place[1] == 0:
            axes.set_ylabel(f"{statistic} variance of the weight", fontsize=look.SMALL, color=look.INK)
    look.head(figure, grid[0, 0], "", "")
    agents = len(trained_rows[0]["mean"])
    claim = (
        "How much the weight of the agents updated before varies over samples: more, the later in the order; the "
        "product of their ratios, in the mean and with 250 samples, by orders of magnitude more on the batch learned "
        f"from than on a new one. Gaussian team of {agents} agents. Above: mean over iterations and seeds, which rare "
        "batches dominate; below: the median; no interval."
    )
    iterations = sorted({row["iterations"] for row in trained_rows if "iterations" in row})
    steps = f"{' or '.join(map(str, iterations))} iterations a run" if iterations else ""
    facts: dict[str, Any] = {"scale": rows[0]["scale"], "seeds": [row["runs"] for row in trained_rows], "steps": steps}
    note = caption(claim, **facts, behaviour="agents act by sampling from their policies", interval="")
    look.caption(figure, note)
    return plots.save(figure, out / "by_position.png")[0]


def text(row: dict[str, Any]) -> str:
    """A row as a line."""
    if "kl" in row:
        clipped = f"Var min(w, 1) {row['clipped_variance']:.3f}, mean {row['clipped_mean']:.3f}"
        weight = f"Var w {row['variance']:.3g} (prototype {row['expected']:g})"
        return f"KL {row['kl']:g} position {row['position']:2}: {weight}, {clipped}"
    last = f"mean {row['mean'][-1]:.3g}, median {row['median'][-1]:.3g}, 95th percentile {row['p95'][-1]:.3g}"
    return f"{row['setting']:24} {row['rule']:5} {row['batch']:9} Var w at the last position: {last}"

"""Where does the weight of preceding agents hurt? Chain and Gaussian team: every rule x agents x batch x step size.

Le & Ta 2025 (doi 10.1007/s10458-025-09695-8) bound the weight from above by 1; the games are ours. Agents are updated
one after another; the weight rule is a number of each run, so all rules, step sizes and seeds of a game with as many
agents and samples are one program. Printed beside the scores of an earlier prototype of ours, of which the chain's
payoffs and noise and the team's target were not recorded.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

import jaxvf
from jaxvf.envs import GaussianTeam, SoftmaxChain
from jaxvf.reproduction import MEAN, SMALL, Scale, caption, choose, facts_of, train
from jaxvf.results import Interval, Result, plots, summaries
from jaxvf.results import figure_style as look
from jaxvf.results.panels import curve_panels
from jaxvf.results.statistics import mean_interval
from jaxvf.trust_region import FeedForward, Table, TrustRegion, weight_bounds

RULES = {
    "is": weight_bounds("is"),
    "clip": weight_bounds("clip1"),
    "none": weight_bounds("none"),
    "max 5": weight_bounds("max_c", bound=5.0),
    "max 2": weight_bounds("max_c", bound=2.0),
    "max 1.2": weight_bounds("max_c", bound=1.2),
    "two-sided": weight_bounds("two_sided", band=0.1),
}
BASIC = ("is", "clip", "none")
# Their names and looks in the figure: the basic ones look as the learners that use them.
WORDS = {
    "is": "product of ratios", "clip": "product, at most 1", "none": "weight 1",
    "max 5": "product, at most 5", "max 2": "product, at most 2", "max 1.2": "product, at most 1.2",
    "two-sided": "product within 10 % of 1",
}  # fmt: skip
STYLE = dict(zip(BASIC, look.styles(["happo", "clip_happo", "unweighted_happo"]).values(), strict=True)) | {
    "max 5": look.Style(look.SKY, "v", ":"), "max 2": look.Style(look.SKY, "P", "--"),
    "max 1.2": look.Style(look.SKY, "X", "-."), "two-sided": look.Style(look.GREEN, "D", "--"),
}  # fmt: skip
EARLY, INTERVAL = 20, 10  # iterations whose variance counts on the chain; iterations between evaluations

# The prototype clips no gradients, and its values are exact.
PLAIN: dict[str, Any] = {"baseline": "exact", "rollout_length": 1, "max_grad_norm": 1e6, "actor_epochs": 5}
# On a CPU few runs at once: the samples of more do not stay in its cache.
CHUNK = {"chain": 16, "team": 4}


@dataclasses.dataclass(frozen=True)
class Study:
    """One program: a game of so many agents, and what varies between its runs.

    Attributes:
        game: "chain" or "team".
        step: "clip" (PPO epochs; sizes are learning rates) or "natural" (sizes are KL radii).
        agents: n.
        batch: B, samples in an iteration.
        sizes: step sizes.
        rules: names of `RULES`.
        iterations: of a run.
    """

    game: str
    step: str
    agents: int
    batch: int
    sizes: tuple[float, ...]
    rules: tuple[str, ...] = BASIC
    iterations: int = 100

    @property
    def name(self) -> str:
        """Directory of its runs."""
        return f"{self.game}-{self.step}-n{self.agents}-b{self.batch}"

    def algorithm(self) -> TrustRegion:
        """The learner of this game, all but what its sweep sets."""
        if self.game == "chain":
            return TrustRegion(actor=Table(), step=self.step, num_envs=self.batch, clip=0.2, **PLAIN)
        actor = FeedForward(hidden=32, activation="tanh", layer_norm=False)  # 1250 parameters with ξ
        return TrustRegion(actor=actor, step=self.step, num_envs=self.batch, clip=0.1, **PLAIN)

    def sweep(self, seeds: int) -> jaxvf.Sweep:
        """All rules x sizes x seeds."""
        iterations = self.iterations
        size = "learning_rate" if self.step == "clip" else "kl_radius"
        grid: dict[str, Any] = {"weight_low,weight_high": [RULES[rule] for rule in self.rules], size: self.sizes}
        return jaxvf.Sweep(
            env=SoftmaxChain(self.agents) if self.game == "chain" else GaussianTeam(self.agents),
            algorithms=self.algorithm(),
            grid=grid,
            seeds=seeds,
            env_steps=iterations * self.batch,
            test_interval=min(INTERVAL, iterations) * self.batch,
            test_episodes=1 if self.game == "chain" else 2048,  # contexts over which the exact score is averaged
        )


STUDIES = (
    *(Study("chain", "clip", agents, 400, (0.05,)) for agents in (4, 8, 16, 32, 64)),
    Study("chain", "clip", 64, 1600, (0.05,)),
    Study("chain", "natural", 64, 400, (0.001, 0.005, 0.02), iterations=60),
    *(Study("team", "clip", agents, 250, (5e-4, 2e-3, 5e-3), tuple(RULES)) for agents in (4, 16, 32)),
    *(Study("team", "natural", agents, 250, (0.001, 0.01, 0.05), iterations=60) for agents in (4, 16)),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Studies(Scale):
    """Which programs are run."""

    studies: tuple[Study, ...]


SCALES = {
    # Where the product collapses, and where it does not yet.
    "small": Studies(
        minutes=4,
        seeds=8,
        studies=(
            *(Study("chain", "clip", agents, 400, (0.05,)) for agents in (4, 64)),
            *(Study("team", "natural", agents, 250, (0.05,), iterations=60) for agents in (4, 16)),
        ),
    ),
    "medium": Studies(minutes=40, seeds=16, studies=STUDIES),
    "paper": Studies(minutes=160, seeds=64, studies=STUDIES),  # no paper's: ours, at its largest
}

# The prototype's scores by (game, step, agents, batch, size); in the order of the rules named.
EXPECTED: dict[tuple[str, str, int, int, float], dict[str, float]] = {
    ("chain", "clip", 4, 400, 0.05): {"is": 0.987, "clip": 0.975, "none": 0.975},
    ("chain", "clip", 8, 400, 0.05): {"is": 0.987, "clip": 0.991, "none": 0.989},
    ("chain", "clip", 16, 400, 0.05): {"is": 0.972, "clip": 0.983, "none": 0.983},
    ("chain", "clip", 32, 400, 0.05): {"is": 0.980, "clip": 0.991, "none": 0.986},
    ("chain", "clip", 64, 400, 0.05): {"is": 0.667, "clip": 0.983, "none": 0.981},
    ("chain", "clip", 64, 1600, 0.05): {"is": 0.918, "clip": 0.996, "none": 0.999},
    ("chain", "natural", 64, 400, 0.001): {"is": 0.847, "clip": 0.855, "none": 0.848},
    ("chain", "natural", 64, 400, 0.005): {"is": 0.969, "clip": 0.982, "none": 0.987},
    ("chain", "natural", 64, 400, 0.02): {"is": 0.880, "clip": 0.979, "none": 0.973},
    ("team", "clip", 4, 250, 5e-4): {"is": -0.1521, "clip": -0.1522, "none": -0.1530},
    ("team", "clip", 4, 250, 5e-3): {"is": -0.0195, "clip": -0.0178, "none": -0.0224},
    ("team", "clip", 16, 250, 5e-4): {"is": -0.1684, "clip": -0.1682, "none": -0.1691},
    ("team", "clip", 16, 250, 2e-3): {"is": -0.1173, "clip": -0.1126, "none": -0.1241},
    ("team", "clip", 16, 250, 5e-3): {
        "is": -0.0738, "clip": -0.0436, "none": -0.0865,
        "max 5": -0.0359, "max 2": -0.0335, "max 1.2": -0.0383, "two-sided": -0.0738,
    },
    ("team", "clip", 32, 250, 5e-4): {"is": -0.1767, "clip": -0.1758, "none": -0.1764},
    ("team", "clip", 32, 250, 2e-3): {"is": -0.1446, "clip": -0.1275, "none": -0.1440},
    ("team", "clip", 32, 250, 5e-3): {"is": -0.1113, "clip": -0.0516, "none": -0.1312},
    ("team", "natural", 4, 250, 0.001): {"is": -0.0973, "clip": -0.0967, "none": -0.1005},
    ("team", "natural", 4, 250, 0.01): {"is": -0.0224, "clip": -0.0188, "none": -0.0221},
    ("team", "natural", 4, 250, 0.05): {"is": -0.0148, "clip": -0.0104, "none": -0.0114},
    ("team", "natural", 16, 250, 0.001): {"is": -0.1351, "clip": -0.1307, "none": -0.1354},
    ("team", "natural", 16, 250, 0.01): {"is": -0.0965, "clip": -0.0682, "none": -0.0757},
    ("team", "natural", 16, 250, 0.05): {"is": -0.1000, "clip": -0.0440, "none": -0.0496},
}  # fmt: skip

CLAIM = (
    "Exact expected reward after training, agents updated one after another; the lines differ in how an agent's "
    "objective is weighted for those updated before it. On the chain of 64 agents the product of their ratios "
    "collapses, clipped at 1 it does not. On the Gaussian team product and clip are level at small steps; at large "
    "ones the clip loses less than the product and than weight 1."
)
LOOSER = "There bounds of 1.2 to 5 lose less still, and the product within 10 % of 1 more than the clip."
BEST = "The best is 1 on the chain, 0 on the team."


def reproduce(
    *,
    out: Path,
    scale: str = SMALL,
    seeds: int | None = None,
    env_steps: int | None = None,
    yes: bool = False,
    studies: tuple[Study, ...] | None = None,
) -> None:
    """Run the sweeps, write Parquet, `summary.json` and the figure to `out`; a study has its own iterations."""
    setting = choose(SCALES, scale, seeds=seeds, env_steps=env_steps, studies=studies)
    chosen = {study.name: study for study in setting.studies}
    sweeps = {name: study.sweep(setting.seeds) for name, study in chosen.items()}
    chunk = {name: CHUNK[study.game] for name, study in chosen.items()} if _on_cpu() else None
    rows = []
    for name, result in train(sweeps, out, setting, yes=yes, chunk=chunk).items():
        rows += [{"scale": setting.label, **row} for row in rows_of(chosen[name], result, setting.seeds)]
    summaries.write_summary(rows, out)
    for row in rows:
        print(line(row))
    print(draw(rows, out))


def rows_of(study: Study, result: Result, seeds: int) -> list[dict[str, Any]]:
    """One row per step size and rule: score, and what the last position and the first one looked like."""
    shape = (len(study.rules), len(study.sizes), seeds, -1)  # as the sweep orders its runs
    last = study.agents - 1

    def curves(name: str) -> np.ndarray:
        return result.metric(name).reshape(shape)

    score, variance = curves("test_expected_return")[..., -1], curves(f"variance_by_position/{last}")
    if study.game == "chain":
        variance = variance[..., : max(1, EARLY // INTERVAL)]
    kl = np.mean([curves(f"kl_mean_by_position/{place}") for place in range(study.agents)], axis=0)
    trials = [curves(f"trials_by_position/{place}").mean(axis=-1) for place in (0, last)]
    rows = []
    for j, size in enumerate(study.sizes):
        key = (study.game, study.step, study.agents, study.batch, size)
        for i, rule in enumerate(study.rules):
            valid = score[i, j][~np.isnan(score[i, j])]
            rows.append({
                **dict(zip(("game", "step", "agents", "batch", "size"), key, strict=True)),
                "rule": rule,
                "runs": seeds,
                "iterations": study.iterations,
                "score": mean_interval(score[i, j], rng=np.random.default_rng(0)),
                "standard_error": float(valid.std(ddof=1) / len(valid) ** 0.5) if len(valid) > 1 else None,
                "expected": EXPECTED.get(key, {}).get(rule),
                # Each number is a mean over ten iterations already; means are dominated by rare batches.
                "variance_mean": float(np.nanmean(variance[i, j])),
                "variance_median": float(np.nanmedian(variance[i, j])),
                "kl_mean": float(np.nanmean(kl[i, j])),
                "trials_first": float(np.nanmean(trials[0][i, j])),
                "trials_last": float(np.nanmean(trials[1][i, j])),
            })  # fmt: skip
    return rows


def draw(rows: list[dict[str, Any]], out: Path) -> Path:
    """Scores with their intervals: against the number of agents, else against the step size or the samples."""
    panels: dict[str, dict[str, list[tuple[float, Interval]]]] = {}
    xlabels: dict[str, str] = {}
    for title, xlabel, field, chosen in panels_of(rows):
        xlabels[title] = xlabel
        for rule in [rule for rule in RULES if any(row["rule"] == rule for row in chosen)]:
            points = sorted((row[field], Interval(*row["score"])) for row in chosen if row["rule"] == rule)
            panels.setdefault(title, {})[WORDS[rule]] = points
    iterations = sorted({row["iterations"] for row in rows if "iterations" in row})
    steps = f"{' or '.join(map(str, iterations))} iterations a run" if iterations else ""
    claim = " ".join([CLAIM, *([LOOSER] if any(row["rule"] == "max 2" for row in rows) else []), BEST])
    facts: dict[str, Any] = facts_of(rows, behaviour="agents act by sampling from their policies", interval=MEAN) | {
        "steps": steps
    }
    note = caption(claim, **facts)
    style = {WORDS[rule]: STYLE[rule] for rule in RULES}
    figure = curve_panels(panels, xlabels=xlabels, ylabel="expected reward", style=style, note=note)
    return plots.save(figure, out / "scores.png")[0]


def panels_of(rows: list[dict[str, Any]]) -> list[tuple[str, str, str, list[dict[str, Any]]]]:
    """Title, name of the x axis, its field and the rows of every panel: x is what differs between cells else equal."""
    xlabels = {"agents": "agents", "size": "step size", "batch": "samples an iteration"}
    games = {"chain": "chain", "team": "Gaussian team"}
    found, shown = [], set()
    for field, xlabel in xlabels.items():
        groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for row in rows:
            others = tuple(row[name] for name in ("game", "step", *xlabels) if name != field)
            groups.setdefault(others, []).append(row)
        for chosen in groups.values():
            cells = {condition(row) for row in chosen}
            if len({row[field] for row in chosen}) < 2 or cells <= shown:
                continue
            shown |= cells
            row = chosen[0]
            facts = {"agents": f"{row['agents']} agents", "size": size_text(row), "batch": f"{row['batch']} samples"}
            said = ", ".join(text for name, text in facts.items() if name != field)
            steps = "PPO" if row["step"] == "clip" else "natural"
            found.append((f"{games[row['game']]}, {steps} steps\n{said}", xlabel, field, chosen))
    return found or [("all cells", xlabels["agents"], "agents", rows)]  # these share no axis


def size_text(row: dict[str, Any]) -> str:
    """The step size in words."""
    return f"learning rate {row['size']:g}" if row["step"] == "clip" else f"δ = {row['size']:g}"


def condition(row: dict[str, Any]) -> str:
    """What the runs of a row have in common but for their rule."""
    size = "lr" if row["step"] == "clip" else "δ"
    return f"{row['game']} {row['step']} n={row['agents']} B={row['batch']} {size} {row['size']:g}"


def line(row: dict[str, Any]) -> str:
    """A row as text."""
    error = "" if row["standard_error"] is None else f" ± {row['standard_error']:.4f}"
    expected = "" if row["expected"] is None else f"  prototype {row['expected']:.4f}"
    trials = f"  trials {row['trials_first']:.1f} / {row['trials_last']:.1f}" if row["step"] == "natural" else ""
    variance = f"variance {row['variance_mean']:.3g} (median {row['variance_median']:.3g})  KL {row['kl_mean']:.4f}"
    return f"{condition(row):36} {row['rule']:9} score {row['score'][0]:8.4f}{error}  {variance}{trials}{expected}"


def _on_cpu() -> bool:
    import jax

    return jax.devices()[0].platform == "cpu"

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
from jaxvf import scripts
from jaxvf.envs import GaussianTeam, SoftmaxChain
from jaxvf.errors import InputError
from jaxvf.reproduction import MEAN, SMALL, Scale, caption, choose, facts_of, train
from jaxvf.results import Interval, Result, plots, summaries
from jaxvf.results import figure_style as look
from jaxvf.results.panels import curve_panels
from jaxvf.results.statistics import mean_interval
from jaxvf.trust_region import FeedForward, Table, TrustRegion, weight_bounds

EXPECTED = scripts.part("experiments", "_prototype_scores").EXPECTED
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
        draw: which random draw of what the game leaves open; 0 is the choice that was made in pilots.
    """

    game: str
    step: str
    agents: int
    batch: int
    sizes: tuple[float, ...]
    rules: tuple[str, ...] = BASIC
    iterations: int = 100
    draw: int = 0

    @property
    def name(self) -> str:
        """Directory of its runs."""
        return f"{self.game}-{self.step}-n{self.agents}-b{self.batch}" + (f"-draw{self.draw}" if self.draw else "")

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
        if self.game == "chain" and self.draw:
            grid["env.decline,env.noise"] = [chain_draw(self.draw)]
        return jaxvf.Sweep(
            env=SoftmaxChain(self.agents) if self.game == "chain" else GaussianTeam(self.agents, self.draw),
            algorithms=self.algorithm(),
            grid=grid,
            seeds=seeds,
            env_steps=iterations * self.batch,
            test_interval=min(INTERVAL, iterations) * self.batch,
            test_episodes=1 if self.game == "chain" else 2048,  # contexts over which the exact score is averaged
        )


def chain_draw(draw: int) -> tuple[float, float]:
    """A chain's decline, in [0.1, 0.4], and its noise, from 0.01 to 0.05 evenly in the logarithm."""
    rng = np.random.default_rng([draw, 1])
    return round(float(rng.uniform(0.1, 0.4)), 3), round(float(np.exp(rng.uniform(*np.log((0.01, 0.05))))), 4)


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

CLAIM = (
    "Exact expected reward after training, agents updated one after another; the lines differ in how an agent's "
    "objective is weighted for those updated before it. On the chain of 64 agents the product of their ratios "
    "collapses, clipped at 1 it does not. On the Gaussian team the clip loses less than the product and than weight 1 "
    "at large steps."
)
SMALL_STEPS = "At small ones product and clip are level."
LOOSER = "There bounds of 1.2 to 5 lose less still, and the product within 10 % of 1 more than the clip."
DRAWN = "Draws are random: of the chain's decline and noise, and of the team's target."
BEST = "The best is 1 on the chain, 0 on the team."


def reproduce(
    *,
    out: Path,
    scale: str = SMALL,
    seeds: int | None = None,
    env_steps: int | None = None,
    yes: bool = False,
    studies: tuple[Study, ...] | None = None,
    draws: int | None = None,
) -> None:
    """Run the sweeps, write Parquet, `summary.json` and the figure to `out`; a study has its own iterations.

    With `draws`, every study is run with so many random draws: of the chain's decline and noise, of the team's target.
    """
    setting = choose(SCALES, scale, seeds=seeds, env_steps=env_steps, studies=studies)
    if draws is not None:
        if draws < 1:
            raise InputError(f"draws={draws} must be at least 1")
        drawn = [dataclasses.replace(study, draw=draw) for study in setting.studies for draw in range(1, draws + 1)]
        setting = dataclasses.replace(setting, studies=tuple(drawn), changed=True, minutes=draws * setting.minutes)
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
                **({"draw": study.draw} if study.draw else {}),
                "runs": seeds,
                "iterations": study.iterations,
                "score": mean_interval(score[i, j], rng=np.random.default_rng(0)),
                "standard_error": float(valid.std(ddof=1) / len(valid) ** 0.5) if len(valid) > 1 else None,
                "expected": None if study.draw else EXPECTED.get(key, {}).get(rule),
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
    said = {
        CLAIM: True,
        LOOSER: any(row["rule"] == "max 2" for row in rows),
        SMALL_STEPS: len({row["size"] for row in rows if row["step"] == "natural"}) > 1,
        BEST: True,
        DRAWN: any("draw" in row for row in rows),
    }
    facts: dict[str, Any] = facts_of(rows, behaviour="agents act by sampling from their policies", interval=MEAN)
    facts["steps"] = f"{' or '.join(map(str, iterations))} iterations a run" if iterations else ""
    note = caption(" ".join(text for text, holds in said.items() if holds), **facts)
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
            others = (*(row[name] for name in ("game", "step", *xlabels) if name != field), row.get("draw", 0))
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
            name = f"draw {row['draw']} of the {row['game']}" if "draw" in row else games[row["game"]]
            found.append((f"{name}, {steps} steps\n{said}", xlabel, field, chosen))
    return found or [("all cells", xlabels["agents"], "agents", rows)]  # these share no axis


def size_text(row: dict[str, Any]) -> str:
    """The step size in words."""
    return f"learning rate {row['size']:g}" if row["step"] == "clip" else f"δ = {row['size']:g}"


def condition(row: dict[str, Any]) -> str:
    """What the runs of a row have in common but for their rule."""
    size = "lr" if row["step"] == "clip" else "δ"
    which = f" draw {row['draw']}" if "draw" in row else ""
    return f"{row['game']} {row['step']} n={row['agents']} B={row['batch']} {size} {row['size']:g}{which}"


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

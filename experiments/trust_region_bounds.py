"""Do the bounds on clipped weights hold? Thousands of random one-step games, fully enumerated, violations counted.

Statements about the weights of preceding agents (Le & Ta 2025, doi 10.1007/s10458-025-09695-8; derived anew in
`jaxvf.theory.trust_region`): identities and bounds of their moments, the bound on monotonic improvement with its KL
form, and how loose it is. Then exact ascent to a Nash equilibrium under three weight rules.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxvf.reproduction import SMALL, Scale, agree, choose
from jaxvf.results import summaries
from jaxvf.theory import trust_region
from jaxvf.theory.team_ascent import ascend

AGENTS, ACTIONS = (2, 3, 4, 5), (2, 3, 4)
SPREADS = (0.05, 3.0)  # standard deviation of the steps of logits: mild to large changes of policy
TOLERANCE = 1e-10  # float64's rounding; a bound is violated beyond it

FIRST = 10  # steps, after which the gap is compared with the last
UPDATES = ("is", "clip", "simultaneous")


@dataclass(frozen=True, kw_only=True)
class Games(Scale):
    """How many games, and the exact ascent.

    Attributes:
        games: of all shapes together, the same number of each.
        ascent: agents, actions, games, steps, and the sizes of the exponentiated steps.
    """

    games: int
    ascent: tuple[int, int, int, int, tuple[float, ...]]


SCALES = {
    "small": Games(minutes=0.5, seeds=1, games=300, ascent=(3, 3, 8, 200, (1.0, 20.0))),
    "medium": Games(minutes=2, seeds=1, games=4_008, ascent=(5, 3, 32, 1000, (0.1, 1.0, 5.0, 20.0))),
    # The paper's theorems have no protocol: ours, at its largest.
    "paper": Games(minutes=5, seeds=10, games=4_008, ascent=(5, 3, 32, 1000, (0.1, 1.0, 5.0, 20.0))),
}


def reproduce(
    *,
    out: Path,
    scale: str = SMALL,
    seeds: int | None = None,
    env_steps: int | None = None,
    yes: bool = False,
    games: int | None = None,
) -> None:
    """Check every statement on every game, ascend in some, write `summary.json` and print both tables.

    Args:
        out: directory.
        scale: one of `SCALES`.
        seeds: of the random games; the first is 0.
        env_steps: refused; nothing is trained.
        yes: agree to more than an hour.
        games: how many games in all.
    """
    setting = choose(SCALES, scale, seeds=seeds, env_steps=env_steps, games=games)
    agree(setting, yes=yes)
    rows = [{"scale": setting.label, **row} for row in check(setting.games, setting.seeds) + ascents(*setting.ascent)]
    summaries.write_summary(rows, out)
    for row in rows:
        print(text(row))


def check(games: int, seeds: int) -> list[dict[str, Any]]:
    """One row per statement: games, checks (one for each position), violations, and the smallest slack."""
    found: dict[str, list[np.ndarray]] = {}
    shares = []
    shapes = [(agents, actions) for agents in AGENTS for actions in ACTIONS]
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        for agents, actions in shapes:
            count = -(-games // len(shapes))
            scale = np.geomspace(*SPREADS, count)
            moved = trust_region.random_movement(rng, count, agents, actions, scale=scale)
            for name, slack in trust_region.slacks(moved).items():
                found.setdefault(name, []).append(slack.ravel())
            shares.append(trust_region.penalty_share(moved))
    rows = []
    for name, parts in found.items():
        slack = np.concatenate(parts)
        violations = int((slack < -TOLERANCE).sum())
        rows.append({"statement": name, "checks": slack.size, "violations": violations, "least": float(slack.min())})
    share = np.concatenate(shares)
    spread = {"median": np.median(share), "p95": np.quantile(share, 0.95), "most": share.max()}
    spread = {name: float(value) for name, value in spread.items()}
    return [*rows, {"statement": "share of the improvement bound's penalty", "games": share.size, **spread}]


def ascents(agents: int, actions: int, games: int, steps: int, sizes: tuple[float, ...]) -> list[dict[str, Any]]:
    """One row per update and step size: the worst drop of the team payoff, and the Nash gap that is left, by steps."""
    payoff = np.random.default_rng(0).normal(size=(games, *(actions,) * agents))
    rows = []
    for size in sizes:
        for update in UPDATES:
            value, gap = ascend(payoff, size, steps, update)
            drop = float((value[:-1] - value[1:]).max())
            # Of every game the smallest so far; at each step the largest of these.
            so_far = np.minimum.accumulate(gap, axis=0).max(axis=1)
            rows.append({
                "ascent": update, "size": size, "worst_drop": drop, "nash_gap": float(so_far[-1]),
                "gap_10": float(so_far[FIRST - 1]), "over_root": over_root(so_far),
            })  # fmt: skip
    return rows


def over_root(gap: np.ndarray) -> float:
    """What is left of a gap over what K^-1/2 would leave of that after `FIRST` steps: the derived sub-linear rate."""
    return float(gap[-1] / gap[FIRST - 1] * np.sqrt(len(gap) / FIRST))


def text(row: dict[str, Any]) -> str:
    """A row as a line."""
    if "ascent" in row:
        where = f"η {row['size']:5g}  {row['ascent']:13} worst drop {row['worst_drop']:9.2e}"
        fell = f"{row['gap_10']:9.2e} after {FIRST} steps, {row['over_root']:.1e} of what K^-1/2 would leave"
        return f"{where}  gap {row['nash_gap']:9.2e}; {fell}"
    if "checks" in row:
        counted = f"{row['violations']} violations in {row['checks']} checks"
        return f"{row['statement']:42} {counted}, smallest slack {row['least']:.2e}"
    return f"{row['statement']}: median {row['median']:.3f}, 95th percentile {row['p95']:.3f}, most {row['most']:.3f}"

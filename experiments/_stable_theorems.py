"""Theorems on weights, on random games: POW's on what is recognized and what follows, and those of weighted QMIX.

Huang et al. 2026 (POW, arXiv 2405.08036), theorem 1: an exact recognizer recognizes every best joint action; theorem
2: a fit of what is recognized has a greedy joint action of higher value, until it is the best. Rashid et al. 2020
(weighted QMIX, arXiv 2006.10800): with a small enough α the projection under ideal central weights, and that under
optimistic weights, has the best joint action on top.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from jaxvf import theory
from jaxvf.results import fraction_interval
from jaxvf.theory import FitClass

TOLERANCE = 0.1  # C of POW's code on matrix games
ALPHAS = (0.1, 0.01, 0.001)  # the first is that of weighted QMIX's experiments
PROJECTIONS = {"ideal central weights": theory.ideally_weighted, "optimistic weights": theory.optimistic_minimum}


def recognition_rows(
    payoff: Float[np.ndarray, "games A A"], behaviours: Mapping[str, tuple[theory.Behaviour, float]]
) -> list[dict[str, Any]]:
    """POW's theorem 1: pairs of a game and a greedy joint action in which a best joint action is not recognized."""
    joint = theory.joint_actions(2, payoff.shape[-1])
    flat = np.repeat(payoff.reshape(len(payoff), 1, -1), len(joint), axis=1)  # [games, greedy joint action, joint]
    best, greedy = flat == flat.max(axis=-1, keepdims=True), np.broadcast_to(np.eye(len(joint), dtype=bool), flat.shape)
    rows = []
    for behaviour, (kind, epsilon) in behaviours.items():
        weights = theory.behaviour_weights(joint, payoff.shape[-1], kind, epsilon).reshape(len(joint), -1)
        found = theory.recognize(flat, np.broadcast_to(weights, flat.shape), greedy, TOLERANCE).recognized
        missed = (best & ~found).any(axis=-1)
        rows.append({
            "theorem": "best joint actions are recognized", "behaviour": behaviour, "games": len(payoff),
            "pairs": int(missed.size), "exceptions": int(missed.sum()), "recognized": float(found.sum(axis=-1).mean()),
        })  # fmt: skip
    return rows


def upward_rows(
    payoff: Float[np.ndarray, "games A A"],
    behaviours: Mapping[str, tuple[theory.Behaviour, float]],
    classes: Mapping[str, FitClass],
) -> list[dict[str, Any]]:
    """POW's theorem 2: from a joint action that is not best, does the best fit around it lead to one that pays more?

    Of such pairs, "stays": those whose agents choose the same joint action again; "falls": those whose agents may
    choose another one that pays no more; "not_highest": those whose fit gives its highest value to nothing that pays
    more; "arrives": those from which following the agents' choice (of ties, the first) meets the best joint action.
    """
    flat = payoff.reshape(len(payoff), -1)
    better = flat[:, None, :] > flat[:, :, None]  # [games, from, to]
    beaten = better.any(axis=2)
    pairs, rows = int(beaten.sum()), []
    for behaviour, (kind, epsilon) in behaviours.items():
        for name, fit in classes.items():
            greedy, highest = theory.tops_around(payoff, fit, kind, epsilon)
            stays = beaten & np.diagonal(greedy, axis1=1, axis2=2)
            falls = beaten & ~stays & (greedy & ~better).any(axis=2)
            low = beaten & ~(highest & better).any(axis=2)
            arrives = beaten & meets(greedy, np.logical_not(beaten))
            counts = {"stays": stays, "falls": falls, "not_highest": low, "arrives": arrives}
            rows.append({
                "theorem": "fits lead upwards", "weights": name, "behaviour": behaviour, "games": len(payoff),
                "pairs": pairs, "games_with_exceptions": int((stays | falls).any(axis=1).sum()),
                **{key: fraction_interval(int(mask.sum()), pairs) for key, mask in counts.items()},
            })  # fmt: skip
    return rows


def meets(
    greedy: Bool[np.ndarray, "games joint joint"], best: Bool[np.ndarray, "games joint"]
) -> Bool[np.ndarray, "games joint"]:
    """Whether the path of first greedy joint actions from each one ever meets a best one."""
    following, games = greedy.argmax(axis=2), np.arange(len(greedy))[:, None]
    place, met = np.broadcast_to(np.arange(greedy.shape[1]), best.shape), best.copy()
    for _ in range(greedy.shape[1]):
        place = following[games, place]
        met |= best[games, place]
    return met


def projection_rows(payoff: Float[np.ndarray, "games A A"]) -> list[dict[str, Any]]:
    """Weighted QMIX's theorems: is the best joint action on top of the projection under equal play?

    "not_highest": games in which it has not the projection's highest value; "not_greedy": in which it shares that value
    with another one, which the agents choose.
    """
    weights, anchor = np.full(payoff.shape, 1 / payoff[0].size), np.zeros((len(payoff), 2), int)
    best = payoff == payoff.max(axis=(1, 2), keepdims=True)
    rows = []
    for name, weighted in PROJECTIONS.items():
        for alpha in ALPHAS:
            values, greedy = weighted(alpha)(payoff, weights, anchor)
            valued = theory.highest(values.reshape(len(payoff), -1)).reshape(payoff.shape)
            low = ~(valued & best).any(axis=(1, 2))
            counts = {"not_highest": low, "not_greedy": ~low & (greedy & ~best).any(axis=(1, 2))}
            rows.append({
                "theorem": "the best is on top", "weights": name, "alpha": alpha, "games": len(payoff),
                **{key: fraction_interval(int(mask.sum()), len(payoff)) for key, mask in counts.items()},
            })  # fmt: skip
    return rows


def text(row: dict[str, Any]) -> str:
    """A row as a line."""
    if "recognized" in row:
        found = f"{row['exceptions']} exceptions in {row['pairs']:,} pairs, {row['recognized']:.2f} of 9 recognized"
        return f"{row['theorem']}, {row['behaviour']}: {found}"
    if "alpha" in row:
        where, of = f"{row['weights']}, α = {row['alpha']}", f"{row['games']:,} games"
    else:
        where, of = f"{row['weights']}, {row['behaviour']}", f"{row['pairs']:,} pairs"
    counts = ", ".join(
        f"{name.replace('_', ' ')} {row[name][0]:.2%}"
        for name in ("stays", "falls", "arrives", "not_highest", "not_greedy")
        if name in row
    )
    return f"{row['theorem']}: {where}: of {of} {counts}"

"""Do zero-loss points repel where the greedy joint action is wrong? Curvature and flow at points of every game.

Theorems 1 to 3 of Hu et al. 2026 (arXiv 2511.09792) as computations: one state, a mixer that interpolates the payoff at
given local values, so that the loss is exactly 0, and behaviour that is a product of softmax(q_i / τ). Half of the
points have the optimum as their greedy joint action, half another one. Then everything is changed under which the claim
might hold after all: the policy term, noise, a mixer that is trained too or cannot fit, replay, small ε.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxvf.envs import PAYOFFS
from jaxvf.reproduction import SMALL, Scale, agree, choose
from jaxvf.results import summaries
from jaxvf.scripts import part
from jaxvf.theory import flow_theorems, gradient_flow
from jaxvf.theory.flow_solve import integrate
from jaxvf.theory.flow_stability import gauss_newton, hessian, linearization, normal_space, slopes, stability

escapes, pictures = part("experiments", "_gradient_flow_escapes"), part("experiments", "_gradient_flow_pictures")

AGENTS, ACTIONS = 2, 3
TEMPERATURES = (1.0, 0.5, 0.2, 0.1)
# Local values of one agent, before a shift of their order: gaps of about one, as in a fitted table.
LEVELS, JITTER = np.array([-1.2, 0.0, 1.0]), 0.2
# The point at which theorem 3 is worked out by hand: game B, in which agents choose (1, 1), which pays 0, not 12.
WORKED = np.array(PAYOFFS["B"], float), np.array([[-1.6, 0.0, -0.7], [-1.4, 0.0, -0.7]])
NOISE = 0.01  # length of a perturbation, from which the flow starts
KINDS = ("consistent", "violating")


@dataclass(frozen=True, kw_only=True)
class Points(Scale):
    """How many random games; seeds are perturbations of each point, `time` the length of the flow from them."""

    games: int
    time: float = 20.0


SCALES = {
    "small": Points(minutes=4, seeds=2, games=50),
    "medium": Points(minutes=15, seeds=4, games=500),
    "paper": Points(minutes=60, seeds=10, games=2_000, time=200.0),  # no paper's: ours, at its largest
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
    """Curvature at every point and where the flow goes from beside it; `summary.json` and two figures.

    Args:
        out: directory.
        scale: one of `SCALES`.
        seeds: perturbations of a point.
        env_steps: refused; nothing is trained.
        yes: agree to more than an hour.
        games: how many random games.
    """
    setting = choose(SCALES, scale, seeds=seeds, env_steps=env_steps, games=games)
    agree(setting, yes=yes)
    with jax.enable_x64(True):  # a zero-loss point is only one to the rounding error
        payoff, q = points(setting.games)
        rows = worked_rows()
        for temperature in TEMPERATURES:
            rows += curvature_rows(curvature(payoff, q, temperature), payoff, q, temperature)
        rows += flow_rows(payoff[: 2 * setting.games], q[: 2 * setting.games], setting)
        rows += escapes.rows(payoff[: 2 * setting.games], q[: 2 * setting.games])
        rows += pictures.portraits()
    rows = [{"scale": setting.label, **row} for row in rows]
    summaries.write_summary(rows, out)
    for path in draw(rows, out):
        print(path)
    for row in rows:
        if row["measure"] != "portrait":
            print(text(row))


def draw(rows: list[dict[str, Any]], out: Path) -> list[Path]:
    """Curvature against the claim, and phase portraits."""
    return [pictures.draw_curvature(rows, out), pictures.draw_portraits(rows, out)]


def points(games: int) -> tuple[np.ndarray, np.ndarray]:
    """Payoffs [P, 3, 3] and local values [P, 2, 3]: of every game a right and a wrong greedy action.

    First the random games with the right one, then the same with a wrong one, then the named games twice likewise.
    """
    rng = np.random.default_rng(0)
    payoff = 5 * rng.normal(size=(games, ACTIONS, ACTIONS))
    named = np.array(list(PAYOFFS.values()), float)
    sets = [_of_both_kinds(table, rng) for table in (payoff, named)]
    return tuple(np.concatenate([each[part] for each in sets]) for part in range(2))  # pyright: ignore[reportReturnType]


def _of_both_kinds(payoff: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    games = len(payoff)
    order = np.stack([[rng.permutation(LEVELS) for _ in range(AGENTS)] for _ in range(games)])
    q = order + rng.uniform(-JITTER, JITTER, order.shape)
    best = np.stack(np.unravel_index(payoff.reshape(games, -1).argmax(axis=1), payoff.shape[1:]), axis=1)
    greedy = q.argmax(axis=2)
    right = _swapped(q, greedy, best)
    # Another greedy joint action: the drawn one, or where that is the optimum, agent 0's next action.
    wrong = np.where((greedy == best).all(axis=1)[:, None], best + np.array([1, 0]), greedy) % ACTIONS
    return np.concatenate([payoff, payoff]), np.concatenate([right, _swapped(q, greedy, wrong)])


def _swapped(q: np.ndarray, greedy: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The local values with those of the greedy and the wanted action exchanged, [games, 2, 3]."""
    q, (game, agent) = q.copy(), np.indices(greedy.shape)
    top, other = q[game, agent, greedy], q[game, agent, wanted]
    q[game, agent, greedy], q[game, agent, wanted] = other, top
    return q


def is_consistent(payoff: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Whether the greedy joint action of the local values is the payoff's optimum."""
    return np.array([flow_theorems.consistent(*each) for each in zip(payoff, q, strict=True)])


def _matrices(payoff: Array, q: Array, temperature: Array) -> dict[str, Array]:
    model, policy = gradient_flow.fixed(gradient_flow.lagrange_mixer(payoff, q)), gradient_flow.softmax(temperature)
    return {
        "second": hessian(model, payoff, q, policy),
        "expected": gauss_newton(model, q, policy),
        "semi": linearization(lambda q: gradient_flow.semi_field(model, payoff, q, policy), q),
        "slopes": slopes(model, q),
    }


_many_matrices = jax.jit(jax.vmap(_matrices, (0, 0, None)))


def curvature(payoff: np.ndarray, q: np.ndarray, temperature: float) -> dict[str, np.ndarray]:
    """Of every point what theorems 2 and 3 are about, claimed and found; arrays [P].

    `along` and `claimed` are of the direction in eq. 21 where the greedy joint action is wrong, in eq. 19 where it is
    right. `normal` is the smallest eigenvalue on the space that the mixer's slopes span.
    """
    found = {name: np.asarray(leaf) for name, leaf in _many_matrices(payoff, q, temperature).items()}
    columns: dict[str, list[Any]] = {name: [] for name in ("along", "claimed", "normal", "tangent", "kind", "slowest")}
    for place, (game, local) in enumerate(zip(payoff, q, strict=True)):
        best, greedy = flow_theorems.optimum(game), flow_theorems.greedy(local)
        if flow_theorems.consistent(game, local):
            direction, claimed = flow_theorems.theorem_2(game, local, temperature, 0, (best[0] + 1) % ACTIONS)
        else:
            agent = int(best[0] == greedy[0])  # one whose greedy action is not the optimum's
            direction, claimed = flow_theorems.theorem_3(game, local, temperature, agent)
        normal, tangent = normal_space(found["slopes"][place])
        inside = normal.T @ found["second"][place] @ normal
        beside = stability(-inside)
        columns["along"].append(direction @ found["second"][place] @ direction)
        columns["claimed"].append(claimed)
        columns["normal"].append(np.linalg.eigvalsh(inside)[0])
        columns["tangent"].append(tangent.shape[1])
        columns["kind"].append(beside.kind)
        columns["slowest"].append(beside.slowest)
    return {
        "smallest": np.linalg.eigvalsh(found["second"])[:, 0],
        "difference": np.abs(found["second"] - found["expected"]).max(axis=(1, 2)),
        "policy_term": np.abs(found["second"] + found["semi"]).max(axis=(1, 2)),
        **{name: np.array(column) for name, column in columns.items()},
    }


def curvature_rows(
    found: dict[str, np.ndarray], payoff: np.ndarray, q: np.ndarray, temperature: float
) -> list[dict[str, Any]]:
    """One row for the random points of either kind, and one for each named game's."""
    named, right = 2 * len(PAYOFFS), is_consistent(payoff, q)
    drawn = np.arange(len(q)) < len(q) - named
    rows = []
    for kind, of_kind in zip(KINDS, (right, ~right), strict=True):
        rows.append(_curvature_row("curvature", kind, temperature, found, drawn & of_kind))
        places = np.flatnonzero(~drawn & of_kind)
        for name, place in zip(PAYOFFS, places, strict=True):
            row = _curvature_row("named game", kind, temperature, found, np.arange(len(q)) == place)
            rows.append({"game": name, **row})
    return rows


def worked_rows() -> list[dict[str, Any]]:
    """Curvature from the greedy action towards the optimum's at one point of game B, claimed and found, by τ."""
    payoff, q = (each[None] for each in WORKED)
    rows = []
    for temperature in TEMPERATURES:
        found = curvature(payoff, q, temperature)
        values = {name: round(float(found[name][0]), 4) for name in ("claimed", "along")}
        rows.append({"measure": "worked example", "game": "B", "temperature": temperature, **values})
    return rows


def _curvature_row(
    measure: str, kind: str, temperature: float, found: dict[str, np.ndarray], chosen: np.ndarray
) -> dict[str, Any]:
    claimed, along = found["claimed"][chosen], found["along"][chosen]
    row = {
        "measure": measure,
        "kind": kind,
        "temperature": temperature,
        "points": int(chosen.sum()),
        "smallest_eigenvalue": float(found["smallest"][chosen].min()),
        "smallest_on_normal_space": float(found["normal"][chosen].min()),
        "largest_difference_from_gauss_newton": float(found["difference"][chosen].max()),
        "largest_difference_of_semi_gradient": float(found["policy_term"][chosen].max()),
        "dimensions_of_zero_loss_set": sorted(set(found["tangent"][chosen].tolist())),
        **{kind: int((found["kind"][chosen] == kind).sum()) for kind in ("attracting", "neutral", "repelling")},
        "median_slowest_time": float(np.median(found["slowest"][chosen])),
        "claimed": np.round(claimed, 4).tolist(),
        "along": np.round(along, 4).tolist(),
    }
    if kind == "violating":
        row |= {
            "claimed_negative": int((claimed < 0).sum()),
            "found_negative": int((along < 0).sum()),
            "smallest_along_theorem_3": float(along.min()),
        }
    return row


def flow_rows(payoff: np.ndarray, q: np.ndarray, setting: Points) -> list[dict[str, Any]]:
    """Where full and semi-gradient flow end that start beside every point: how many change their greedy action."""
    noise = np.random.default_rng(1).normal(size=(setting.seeds, *q.shape))
    start = q + NOISE * noise / np.linalg.norm(noise, axis=(2, 3), keepdims=True)
    policy, consistent, rows = gradient_flow.softmax(1.0), is_consistent(payoff, q), []
    fields = {"full": gradient_flow.full_field, "semi-gradient": gradient_flow.semi_field}
    for name, field in fields.items():

        def one(payoff: Array, q: Array, start: Array, field: gradient_flow.Field = field) -> tuple[Array, Array]:
            model = gradient_flow.fixed(gradient_flow.lagrange_mixer(payoff, q))
            times = jnp.array([0.0, setting.time])
            path = integrate(lambda x: field(model, payoff, x, policy), start, times, stiff=True)
            return path.x[-1], gradient_flow.loss(model, payoff, path.x[-1], policy)

        many = jax.jit(jax.vmap(jax.vmap(one), in_axes=(None, None, 0)))
        end, loss = (np.asarray(each) for each in many(jnp.asarray(payoff), jnp.asarray(q), jnp.asarray(start)))
        far = np.linalg.norm(end - q, axis=(2, 3))
        changed = (end.argmax(axis=3) != q.argmax(axis=2)).any(axis=2)
        for kind, chosen in zip(KINDS, (consistent, ~consistent), strict=True):
            rows.append({
                "measure": f"{name} flow", "kind": kind, "temperature": 1.0, "points": int(chosen.sum()),
                "runs": setting.seeds, "changed_greedy_action": int(changed[:, chosen].sum()),
                "farthest": float(far[:, chosen].max()), "largest_loss": float(loss[:, chosen].max()),
            })  # fmt: skip
    return rows


def text(row: dict[str, Any]) -> str:
    """A row as a line: what is claimed, and beside it what is true."""
    if row["measure"] == "worked example":
        return f"game B, τ {row['temperature']:<4g} theorem 3 claims {row['claimed']:.0f}, found {row['along']:.1f}"
    if row["measure"] not in ("curvature", "named game") and "changed_greedy_action" not in row:
        return escapes.text(row)
    head = f"{row['kind']:10} τ {row['temperature']:<4g} {row['points']:4} points "
    if "changed_greedy_action" in row:
        ends = f"{row['changed_greedy_action']} of {row['points'] * row['runs']} change their greedy action"
        return f"{head} {row['measure']:18}: {ends}, farthest {row['farthest']:.4f}, loss {row['largest_loss']:.1e}"
    head = f"game {row['game']} {head}" if "game" in row else head
    dimensions = " or ".join(map(str, row["dimensions_of_zero_loss_set"]))
    truth = (
        f"theorem 1, claimed a set without end: {dimensions} dimensions; "
        f"Hessian - Gauss-Newton {row['largest_difference_from_gauss_newton']:.0e}, smallest on normal space "
        f"{row['smallest_on_normal_space']:.1e}, {row['attracting']} attracting, {row['neutral']} neutral, "
        f"{row['repelling']} repelling, time {row['median_slowest_time']:.2g}"
    )
    if row["kind"] == "consistent":
        return (
            f"{head} theorem 2, claimed positive: median {np.median(row['claimed']):.2f} by eq. 19, found "
            f"{np.median(row['along']):.2f}; {truth}"
        )
    return f"{head} theorem 3, claimed negative {row['claimed_negative']}, found {row['found_negative']}; {truth}"

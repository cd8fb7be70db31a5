"""Do zero-loss points repel where the greedy joint action is wrong? Curvature and flow at points of random games.

Theorems 1 to 3 of Hu et al. 2026 (arXiv 2511.09792) as computations: one state, a mixer that interpolates the payoff at
given local values, so that the loss is exactly 0, and behaviour that is a product of softmax(q_i / τ). Half of the
points have the optimum as their greedy joint action, half another one.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxvf.reproduction import SMALL, Scale, agree, choose
from jaxvf.results import figure_style, plots, summaries
from jaxvf.theory import gradient_flow

AGENTS, ACTIONS = 2, 3
TEMPERATURES = (1.0, 0.5, 0.2, 0.1)
# Local values of one agent, before a shift of their order: gaps of about one, as in a fitted table.
LEVELS, JITTER = np.array([-1.2, 0.0, 1.0]), 0.2
NOISE = 0.01  # length of a perturbation, from which the flow starts
DT = 2e-4  # of an explicit step; the curvature of these games stays below 1 / DT


@dataclass(frozen=True, kw_only=True)
class Points(Scale):
    """How many random games; seeds are perturbations of each point, `flow_steps` the length of the flow from them."""

    games: int
    flow_steps: int


SCALES = {
    "small": Points(minutes=2, seeds=2, games=50, flow_steps=20_000),
    "medium": Points(minutes=15, seeds=4, games=500, flow_steps=50_000),
    "paper": Points(minutes=150, seeds=10, games=2_000, flow_steps=50_000),  # no paper's: ours, at its largest
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
    """Curvature at every point and where the flow goes from beside it; `summary.json` and a figure.

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
        consistent = is_consistent(payoff, q)
        cells = [curvature(payoff, q, temperature) for temperature in TEMPERATURES]
        rows = [row for cell, t in zip(cells, TEMPERATURES, strict=True) for row in curvature_rows(cell, consistent, t)]
        rows += flow_rows(payoff, q, consistent, setting)
    rows = [{"scale": setting.label, **row} for row in rows]
    summaries.write_summary(rows, out)
    print(draw(cells, consistent, setting, out))
    for row in rows:
        print(text(row))


def points(games: int) -> tuple[np.ndarray, np.ndarray]:
    """Payoffs [2 games, 3, 3] and local values [2 games, 2, 3]: of every game a right and a wrong greedy action."""
    rng = np.random.default_rng(0)
    payoff = 5 * rng.normal(size=(games, ACTIONS, ACTIONS))
    order = np.stack([[rng.permutation(LEVELS) for _ in range(AGENTS)] for _ in range(games)])
    q = order + rng.uniform(-JITTER, JITTER, order.shape)
    best = np.stack(np.unravel_index(payoff.reshape(games, -1).argmax(axis=1), payoff.shape[1:]), axis=1)
    greedy = q.argmax(axis=2)
    right = _swapped(q, greedy, best)
    # Another greedy joint action: the drawn one, or where that is the optimum, agent 0's next action.
    wrong = np.where((greedy == best).all(axis=1)[:, None], best + np.array([1, 0]), greedy) % ACTIONS
    return np.concatenate([payoff, payoff]), np.concatenate([right, _swapped(q, greedy, wrong)])


def is_consistent(payoff: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Whether the greedy joint action of the local values is the payoff's optimum."""
    greedy = q.argmax(axis=2)
    return payoff[np.arange(len(q)), greedy[:, 0], greedy[:, 1]] == payoff.max(axis=(1, 2))


def curvature(payoff: np.ndarray, q: np.ndarray, temperature: float) -> dict[str, np.ndarray]:
    """Of every point: the Hessian's smallest eigenvalue, alone and on the space that the mixer's slopes span.

    Further how far the Hessian is from Gauss-Newton, and along the direction of theorem 3 its curvature and the claim.
    """

    def one(payoff: Array, q: Array) -> tuple[Array, Array]:
        mixer = gradient_flow.lagrange_mixer(payoff, q)
        return gradient_flow.hessian(mixer, payoff, q, temperature), gradient_flow.gauss_newton(mixer, q, temperature)

    second, expected = (np.asarray(each) for each in jax.jit(jax.vmap(one))(payoff, q))
    spanned = np.linalg.eigvalsh(expected)
    # Directions in which no joint value changes have curvature 0; the others are the normal space.
    normal = np.where(spanned > 1e-9 * spanned[:, -1:], spanned, np.inf).min(axis=1)
    along, claimed = np.zeros((2, len(q)))
    for place, (game, local) in enumerate(zip(payoff, q, strict=True)):
        optimum = np.unravel_index(game.argmax(), game.shape)
        agent = int(optimum[0] == local[0].argmax())  # one whose greedy action is not the optimum's
        direction, claimed[place] = gradient_flow.theorem_3(game, local, temperature, agent)
        along[place] = direction @ second[place] @ direction
    return {
        "smallest": np.linalg.eigvalsh(second)[:, 0],
        "normal": normal,
        "difference": np.abs(second - expected).max(axis=(1, 2)),
        "along": along,
        "claimed": claimed,
    }


def curvature_rows(cell: dict[str, np.ndarray], consistent: np.ndarray, temperature: float) -> list[dict[str, Any]]:
    """One row for the points of either kind."""
    rows = []
    for kind, chosen in (("consistent", consistent), ("violating", ~consistent)):
        row = {"measure": "curvature", "kind": kind, "temperature": temperature, "points": int(chosen.sum())}
        row |= {
            "smallest_eigenvalue": float(cell["smallest"][chosen].min()),
            "smallest_on_normal_space": float(cell["normal"][chosen].min()),
            "largest_difference_from_gauss_newton": float(cell["difference"][chosen].max()),
        }
        if kind == "violating":
            row |= {
                "claimed_negative": int((cell["claimed"][chosen] < 0).sum()),
                "found_negative": int((cell["along"][chosen] < 0).sum()),
                "smallest_along_theorem_3": float(cell["along"][chosen].min()),
            }
        rows.append(row)
    return rows


def flow_rows(payoff: np.ndarray, q: np.ndarray, consistent: np.ndarray, setting: Points) -> list[dict[str, Any]]:
    """Where full and semi-gradient flow end that start beside every point: how many change their greedy action."""
    noise = np.random.default_rng(1).normal(size=(setting.seeds, *q.shape))
    start = q + NOISE * noise / np.linalg.norm(noise, axis=(2, 3), keepdims=True)
    rows = []
    for name, flow in (("full", gradient_flow.full_flow), ("semi-gradient", gradient_flow.semi_gradient_flow)):

        def one(payoff: Array, q: Array, start: Array, flow: Any = flow) -> tuple[Array, Array]:
            mixer = gradient_flow.lagrange_mixer(payoff, q)
            end = flow(mixer, payoff, start, 1.0, DT, setting.flow_steps)
            return end, gradient_flow.loss(mixer, payoff, end, 1.0)

        many = jax.jit(jax.vmap(jax.vmap(one), in_axes=(None, None, 0)))
        end, loss = (np.asarray(each) for each in many(jnp.asarray(payoff), jnp.asarray(q), jnp.asarray(start)))
        far = np.linalg.norm(end - q, axis=(2, 3))
        changed = (end.argmax(axis=3) != q.argmax(axis=2)).any(axis=2)
        for kind, chosen in (("consistent", consistent), ("violating", ~consistent)):
            row = {"measure": f"{name} flow", "kind": kind, "temperature": 1.0, "points": int(chosen.sum())}
            row |= {
                "runs": setting.seeds,
                "changed_greedy_action": int(changed[:, chosen].sum()),
                "farthest": float(far[:, chosen].max()),
            }
            rows.append(row | {"largest_loss": float(loss[:, chosen].max())})
    return rows


def draw(cells: list[dict[str, np.ndarray]], consistent: np.ndarray, setting: Points, out: Path) -> Path:
    """Curvature along theorem 3's direction against what the theorem says, one point a game and temperature."""
    figure = figure_style.blank(figure_style.WIDTH, 4.2)
    axes = figure.add_subplot()
    figure_style.dress(axes, xlabel="curvature that theorem 3 claims", ylabel="curvature of the loss")
    for cell, temperature, colour in zip(cells, TEMPERATURES, figure_style.COLOURS, strict=False):
        wrong = ~consistent
        axes.scatter(cell["claimed"][wrong], cell["along"][wrong], s=12, color=colour, label=f"τ = {temperature:g}")
    axes.set_xscale("symlog")
    axes.set_yscale("symlog", linthresh=1e-2)
    axes.axhline(0, color=figure_style.FAINT, linewidth=1)
    axes.legend(frameon=False, fontsize=figure_style.SMALL, loc="upper right")
    claim = (
        "At points of zero loss whose greedy joint action is not the optimum, theorem 3 of Hu et al. 2026 has the loss "
        "curve downwards from the greedy action to the optimum's. Computed exactly it curves upwards, as at every "
        "zero-loss point: nothing repels there."
    )
    what = f"{setting.games} random games of 2 agents with 3 actions"
    scale = "Own setting" if setting.changed else f"Scale {setting.name}"
    facts = f"{scale}; {what}; a dot is a game under softmax behaviour of temperature τ; exact, no interval."
    figure_style.caption(figure, f"{claim} {facts}")
    return plots.save(figure, out / "curvature.png")[0]


def text(row: dict[str, Any]) -> str:
    """A row as a line."""
    head = f"{row['kind']:10} τ {row['temperature']:<4g} {row['points']:4} points "
    if "changed_greedy_action" in row:
        ends = f"{row['changed_greedy_action']} of {row['points'] * row['runs']} change their greedy action"
        return f"{head} {row['measure']:18}: {ends}, farthest {row['farthest']:.4f}, loss {row['largest_loss']:.1e}"
    line = f"{head} smallest eigenvalue {row['smallest_eigenvalue']:9.1e}, normal {row['smallest_on_normal_space']:.1e}"
    if "found_negative" in row:
        line += f"; negative along theorem 3: {row['found_negative']}, claimed {row['claimed_negative']}"
    return line


def _swapped(q: np.ndarray, greedy: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The local values with those of the greedy and the wanted action exchanged, [games, 2, 3]."""
    q, (game, agent) = q.copy(), np.indices(greedy.shape)
    top, other = q[game, agent, greedy], q[game, agent, wanted]
    q[game, agent, greedy], q[game, agent, wanted] = other, top
    return q

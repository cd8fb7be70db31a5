"""Pictures of `gradient_flow`: curvature against the claim, and phase portraits of a game with two local values."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxvf.reproduction import OWN
from jaxvf.results import figure_style as look
from jaxvf.results import plots
from jaxvf.theory import gradient_flow
from jaxvf.theory.flow_solve import integrate

# Two agents with two actions and one set of local values (x_A, x_B), as agents that share a network have. The mixer
# sees their squares, and fits the payoff where x_A is ±1 and x_B is ±2: at two points A is greedy, at two B is.
PAYOFF = np.array([[8.0, -12.0], [-12.0, 0.0]])
SQUARES = np.array([[1.0, 4.0], [1.0, 4.0]])
ZEROS = np.array([[a, b] for a in (-1.0, 1.0) for b in (-2.0, 2.0)])
EXTENT, ARROWS, CELLS, PATHS, MOMENTS, TIME = 3.0, 15, 25, 6, 24, 100.0
NEAR = 0.05  # of a zero-loss point, where a flow has reached it
ELSEWHERE = 9  # where it ended at none
PANELS = (
    ("uniform play", "semi", "epsilon", 1.0),
    ("ε-greedy, ε = 0.05", "semi", "epsilon", 0.05),
    ("softmax, τ = 0.5, semi-gradient", "semi", "softmax", 0.5),
    ("softmax, τ = 0.5, full gradient", "full", "softmax", 0.5),
)
POLICIES = {"epsilon": gradient_flow.epsilon_greedy, "softmax": gradient_flow.softmax}
FIELDS = {"semi": gradient_flow.semi_field, "full": gradient_flow.full_field}


def model() -> gradient_flow.Model:
    """Shared local values x [2], and the mixer of their squares."""
    mixer = gradient_flow.lagrange_mixer(PAYOFF, SQUARES)
    both = lambda x: jnp.stack([x, x])  # noqa: E731
    return gradient_flow.Model(both, lambda x: gradient_flow.joint_table(mixer, both(x) ** 2))


def portraits() -> list[dict[str, Any]]:
    """A row per panel: directions of the field, where starts end, and some paths."""
    shared, rows, programs = model(), [], {}
    grid = np.linspace(-EXTENT, EXTENT, ARROWS)
    starts = np.linspace(-EXTENT, EXTENT, CELLS)
    lines = np.linspace(-0.9 * EXTENT, 0.9 * EXTENT, PATHS)
    times = np.concatenate([[0.0], np.geomspace(1e-3, TIME, MOMENTS - 1)])
    for title, kind, policy, number in PANELS:
        if (kind, policy) not in programs:

            def field(x: Array, number: Array, kind: str = kind, policy: str = policy) -> Array:
                return FIELDS[kind](shared, jnp.asarray(PAYOFF), x, POLICIES[policy](number))

            def path(x: Array, number: Array, field: Any = field) -> Array:
                return integrate(lambda x: field(x, number), x, jnp.asarray(times), stiff=True, max_steps=1_024).x

            programs[kind, policy] = tuple(jax.jit(jax.vmap(each, (0, None))) for each in (field, path))
        direction, follow = programs[kind, policy]
        arrows = np.asarray(direction(_pairs(grid), number))
        paths = np.asarray(follow(np.concatenate([_pairs(starts), _pairs(lines)]), number))
        ends, shown = paths[: CELLS**2, -1], paths[CELLS**2 :]
        far = np.linalg.norm(ends[:, None] - ZEROS, axis=2)
        reached = np.where(far.min(axis=1) < NEAR, far.argmin(axis=1), ELSEWHERE).reshape(CELLS, CELLS)
        rows.append({
            "measure": "portrait", "title": title, "payoff": PAYOFF.tolist(), "zeros": ZEROS.tolist(),
            "ends": ["".join(map(str, line)) for line in reached],
            "angles": np.round(np.arctan2(arrows[:, 1], arrows[:, 0]), 2).reshape(ARROWS, ARROWS).tolist(),
            # What has left the picture, or did not get so far, is not drawn.
            "paths": [np.round(one[np.abs(one).max(axis=1) < 2 * EXTENT], 3).tolist() for one in shown],
        })  # fmt: skip
    return rows


def _pairs(line: np.ndarray) -> np.ndarray:
    """Points (x_A, x_B) of a grid, x_B the slowest."""
    return np.stack([axis.ravel() for axis in np.meshgrid(line, line)], axis=1)


def draw_portraits(rows: list[dict[str, Any]], out: Path) -> Path:
    """Directions and paths over the plane of both local values, coloured by where starts end."""
    rows = [row for row in rows if row["measure"] == "portrait"]
    figure = look.blank(look.WIDTH, look.WIDTH)
    panels = figure.subplots(2, 2, sharex=True, sharey=True).ravel()
    shades = {ELSEWHERE: "#FFFFFF"}
    for place, (a, b) in enumerate(rows[0]["zeros"]):
        shades[place] = ("#CFE3F3" if a < 0 else "#E7F1F9") if a > b else ("#F9DCC8" if a < 0 else "#FCEEE3")
    for axes, row in zip(panels, rows, strict=True):
        look.dress(axes, xlabel="", ylabel="")
        axes.grid(False)
        ends = np.array([[int(end) for end in line] for line in row["ends"]])
        colours = np.array([[[int(shades[end][k : k + 2], 16) for k in (1, 3, 5)] for end in line] for line in ends])
        axes.imshow(colours.astype(np.uint8), origin="lower", extent=(-EXTENT, EXTENT) * 2, interpolation="nearest")
        grid, angles = np.linspace(-EXTENT, EXTENT, ARROWS), np.array(row["angles"])
        axes.quiver(grid, grid, np.cos(angles), np.sin(angles), color="#999999", scale=32, width=0.003, pivot="mid")
        for path in row["paths"]:
            axes.plot(*np.array(path).T, color=look.INK, linewidth=0.8)
        axes.plot([-EXTENT, EXTENT], [-EXTENT, EXTENT], ":", color=look.FAINT, linewidth=1.2)
        for a, b in row["zeros"]:
            axes.plot(a, b, "o" if a > b else "X", color=look.BLUE if a > b else look.VERMILION, markersize=9,
                      markeredgecolor="white")  # fmt: skip
        axes.set(xlim=(-EXTENT, EXTENT), ylim=(-EXTENT, EXTENT), aspect="equal")
        axes.set_title(row["title"], loc="left", fontsize=look.TEXT, color=look.INK)
    for axes in panels[::2]:
        axes.set_ylabel("local value of action B", fontsize=look.TEXT, color=look.INK)
    claim = (
        "Two agents that share their two local values; payoff 8 for (A, A), −12 where they differ, 0 for (B, B). The "
        "mixer sees squares of local values and fits the payoff at four points: at two (dots, below the dotted line) A "
        "is greedy, the optimum, at two (crosses) B. Every one attracts, under any play, by the full gradient and with "
        "sampling held fixed: each shade is the set of starts that end at one of them, blue at a dot, red at a cross, "
        "white at none within time 100. Lines: paths."
    )
    look.caption(figure, f"{claim} {_scale(rows)}; exact, no interval.", xlabel="local value of action A")
    return plots.save(figure, out / "portraits.png")[0]


def draw_curvature(rows: list[dict[str, Any]], out: Path) -> Path:
    """Curvature along theorem 3's direction against what the theorem says, one point a game and temperature."""
    rows = [row for row in rows if row["measure"] == "curvature" and row["kind"] == "violating"]
    figure = look.blank(look.WIDTH, 4.2)
    axes = figure.add_subplot()
    look.dress(axes, xlabel="curvature that theorem 3 claims", ylabel="curvature of the loss")
    for row, colour in zip(rows, look.COLOURS, strict=False):
        axes.scatter(row["claimed"], row["along"], s=12, color=colour, label=f"τ = {row['temperature']:g}")
    axes.set_xscale("symlog")
    axes.set_yscale("symlog", linthresh=1e-2)
    axes.axhline(0, color=look.FAINT, linewidth=1)
    axes.legend(frameon=False, fontsize=look.SMALL, loc="upper right")
    claim = (
        "At points of zero loss whose greedy joint action is not the optimum, theorem 3 of Hu et al. 2026 has the loss "
        "curve downwards from the greedy action to the optimum's. Computed exactly it curves upwards, as at every "
        "zero-loss point: nothing repels there."
    )
    what = f"{rows[0]['points']} random games of 2 agents with 3 actions"
    facts = f"{_scale(rows)}; {what}; a dot is a game under softmax behaviour of temperature τ; exact, no interval."
    look.caption(figure, f"{claim} {facts}")
    return plots.save(figure, out / "curvature.png")[0]


def _scale(rows: list[dict[str, Any]]) -> str:
    return "Own setting" if rows[0]["scale"] == OWN else f"Scale {rows[0]['scale']}"

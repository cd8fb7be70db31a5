"""Where points of wrong greedy action might repel after all: noise, replay, small ε, mixers that learn or misfit."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxvf.theory import flow_theorems, gradient_flow
from jaxvf.theory.flow_solve import integrate
from jaxvf.theory.flow_stability import (
    fit_exactly,
    gauss_newton,
    hessian,
    linearization,
    normal_space,
    slopes,
    stability,
)

GAMES = 50  # at most, of the random games
WIDTH = 8  # of a mixing network
# Largest standard deviation of a reward whose noise differs between joint actions; payoffs deviate by 4.6.
LITTLE_NOISE, NOISE = 1.0, 10.0
LAGS = (0.1, 10.0)  # of a replay buffer
EPSILONS = (0.1, 0.01, 0.001)
STARTS = 2  # of the flow where the mixer cannot fit
TIME, MOST_STEPS = 60.0, 16_384  # of a flow that is followed to its end
SETTLED = 1e-2  # speed at which a flow has come to rest


def rows(payoff: np.ndarray, q: np.ndarray) -> list[dict[str, Any]]:
    """All of them, for the games of points whose first half has the right greedy action, the second a wrong one."""
    half = len(q) // 2
    few = np.concatenate([np.arange(min(GAMES, half)), half + np.arange(min(GAMES, half))])
    payoff, q = payoff[few], q[few]
    right = np.array([flow_theorems.consistent(*each) for each in zip(payoff, q, strict=True)])
    found = noise_rows(payoff, q, right) + noisy_end_rows(payoff, q, right)
    found += replay_rows(payoff, q, right) + epsilon_rows(payoff, q, right)
    return found + trained_rows(payoff[: len(payoff) // 2]) + unfit_rows(payoff[: len(payoff) // 2])


def by_kind(right: np.ndarray) -> dict[str, np.ndarray]:
    """Which points are consistent, and which are not."""
    return {"consistent": right, "violating": ~right}


def noise_rows(payoff: np.ndarray, q: np.ndarray, right: np.ndarray) -> list[dict[str, Any]]:
    """Rewards with noise, equal everywhere or not: what it adds to the Hessian, and whether points stay at rest."""

    def one(payoff: Array, q: Array, variance: Array) -> dict[str, Array]:
        model, policy = gradient_flow.fixed(gradient_flow.lagrange_mixer(payoff, q)), gradient_flow.softmax(1.0)
        drift = jax.grad(lambda q: gradient_flow.loss(model, payoff, q, policy, variance))(q)
        return {
            "added": hessian(model, payoff, q, policy, variance) - gauss_newton(model, q, policy),
            "drift": jnp.linalg.norm(drift),
            "semi": jnp.linalg.norm(gradient_flow.semi_field(model, payoff, q, policy)),
            "towards": jnp.sum(_direction(payoff, q) * -drift),
        }

    many, rows = jax.jit(jax.vmap(one)), []
    for name, variance in (("equal", np.full(payoff.shape, NOISE**2)), ("unequal", unequal_variances(payoff, NOISE))):
        found = {key: np.asarray(leaf) for key, leaf in many(payoff, q, variance).items()}
        for kind, chosen in by_kind(right).items():
            rows.append({
                "measure": "noise", "noise": name, "kind": kind, "points": int(chosen.sum()),
                "largest_added_curvature": float(np.abs(found["added"][chosen]).max()),
                "median_drift_of_full_flow": float(np.median(found["drift"][chosen])),
                "largest_drift_of_semi_gradient": float(found["semi"][chosen].max()),
                "drifts_towards_optimum": int((found["towards"][chosen] > 1e-9).sum()),
            })  # fmt: skip
    return rows


def unequal_variances(payoff: np.ndarray, largest: float) -> np.ndarray:
    """Of every joint action's reward, whose standard deviation is at most the largest."""
    return np.random.default_rng(2).uniform(0, largest, payoff.shape) ** 2


def noisy_end_rows(payoff: np.ndarray, q: np.ndarray, right: np.ndarray) -> list[dict[str, Any]]:
    """Unequal noise drives the full flow away from every zero-loss point: where it ends that begins there."""

    def one(payoff: Array, q: Array, variance: Array) -> tuple[Array, Array, Array]:
        model, policy = gradient_flow.fixed(gradient_flow.lagrange_mixer(payoff, q)), gradient_flow.softmax(1.0)
        drift = jax.grad(lambda x: gradient_flow.loss(model, payoff, x, policy, variance))
        return flow_to_end(lambda x: -drift(x), q)

    many, rows = jax.jit(jax.vmap(one)), []
    for largest in (LITTLE_NOISE, NOISE):
        found = many(payoff, q, unequal_variances(payoff, largest))
        end, speed, beside = (np.asarray(each) for each in found)
        after = np.array([flow_theorems.consistent(*pair) for pair in zip(payoff, end, strict=True)])
        row = {"measure": "noise, to its end", "largest_deviation": largest, "starts": len(payoff)}
        rows.append(row | counted(right, after, end, speed, beside))
    return rows


def flow_to_end(field: Callable[[Array], Array], start: Array) -> tuple[Array, Array, Array]:
    """Where a flow is after `TIME`, its speed there, and its linearization."""
    end = integrate(field, start, jnp.array([0.0, TIME]), max_steps=MOST_STEPS).x[-1]
    return end, jnp.linalg.norm(field(end)), linearization(field, end)


def _direction(payoff: Array, q: Array) -> Array:
    """From every agent's greedy action to the optimum's; 0 where they are the same."""
    best = jnp.stack(jnp.unravel_index(payoff.argmax(), payoff.shape))
    return jax.nn.one_hot(best, q.shape[1]) - jax.nn.one_hot(q.argmax(axis=1), q.shape[1])


def replay_rows(payoff: np.ndarray, q: np.ndarray, right: np.ndarray) -> list[dict[str, Any]]:
    """Values and a buffer that lags behind play as one system: its largest growth, beside that without replay."""

    def one(payoff: Array, q: Array, lag: Array) -> tuple[Array, Array]:
        model, policy = gradient_flow.fixed(gradient_flow.lagrange_mixer(payoff, q)), gradient_flow.softmax(1.0)
        x = (q, gradient_flow.behaviour(q, policy))
        whole = linearization(lambda x: gradient_flow.replay_field(model, payoff, x, policy, lag), x)
        return whole, linearization(lambda q: gradient_flow.semi_field(model, payoff, q, policy), q)

    many, rows = jax.jit(jax.vmap(one, (0, 0, None))), []
    for lag in LAGS:
        whole, alone = (np.asarray(each) for each in many(payoff, q, lag))
        growth = np.linalg.eigvals(whole).real
        expected = np.concatenate([np.linalg.eigvals(alone).real, np.full((len(q), payoff[0].size), -1 / lag)], axis=1)
        scale = np.abs(expected).max(axis=1, keepdims=True)
        apart = np.abs(np.sort(growth, axis=1) - np.sort(expected, axis=1)) / scale
        for kind, chosen in by_kind(right).items():
            rows.append({
                "measure": "replay", "lag": lag, "kind": kind, "points": int(chosen.sum()),
                "fastest_growth": float((growth / scale)[chosen].max()),
                "largest_difference_from_no_replay": float(apart[chosen].max()),
            })  # fmt: skip
    return rows


def epsilon_rows(payoff: np.ndarray, q: np.ndarray, right: np.ndarray) -> list[dict[str, Any]]:
    """ε-greedy play: how the eigenvalues on the normal space shrink with ε, and the slowest time constants."""

    def one(payoff: Array, q: Array, epsilon: Array) -> tuple[Array, Array]:
        model = gradient_flow.fixed(gradient_flow.lagrange_mixer(payoff, q))
        return hessian(model, payoff, q, gradient_flow.epsilon_greedy(epsilon)), slopes(model, q)

    many, spectra = jax.jit(jax.vmap(one, (0, 0, None))), []
    for epsilon in EPSILONS:
        second, each = (np.asarray(part) for part in many(payoff, q, epsilon))
        spectra.append([])
        for place in range(len(q)):
            normal, _ = normal_space(each[place])
            spectra[-1].append(np.linalg.eigvalsh(normal.T @ second[place] @ normal))
    # A power of ε for each: 0 for what the greedy joint action holds, 1 where one agent leaves it, 2 where both do.
    powers = [np.log10(high / low) for high, low in zip(spectra[-2], spectra[-1], strict=True)]
    rows = []
    for epsilon, found in zip(EPSILONS, spectra, strict=True):
        for kind, chosen in by_kind(right).items():
            lowest = np.array([found[place][0] for place in np.flatnonzero(chosen)])
            row = {"measure": "small ε", "epsilon": epsilon, "kind": kind, "points": int(chosen.sum())}
            row |= {
                "smallest_on_normal_space": float(lowest.min()),
                "median_slowest_time": float(np.median(1 / lowest)),
            }
            shrinking = np.round(np.concatenate([powers[place] for place in np.flatnonzero(chosen)]))
            row["eigenvalues_by_power"] = {
                f"{power}": float((shrinking == power).sum() / chosen.sum()) for power in range(3)
            }
            rows.append(row)
    return rows


def random_mixers(count: int, seed: int) -> tuple[Array, Array, Array, Array]:
    """Weights of networks of one layer, normal, each as large as its inputs' number makes the sum's spread 1."""
    rng = np.random.default_rng(seed)
    shapes = ((2, WIDTH), (WIDTH,), (WIDTH,), ())
    scale = (2**-0.5, 1.0, WIDTH**-0.5, 1.0)
    return tuple(jnp.asarray(s * rng.normal(size=(count, *shape))) for s, shape in zip(scale, shapes, strict=True))  # pyright: ignore[reportReturnType]


def trained_rows(payoff: np.ndarray) -> list[dict[str, Any]]:
    """Zero-loss points of local values and a network's weights together: the Hessian there, by kind."""
    payoff = np.repeat(payoff, STARTS, axis=0)
    q = jnp.asarray(np.random.default_rng(3).normal(size=(len(payoff), 2, 3)))
    model = gradient_flow.trained(gradient_flow.network_mixer)
    x, error = fit_exactly(model, jnp.asarray(payoff), (q, random_mixers(len(payoff), 4)))

    def one(payoff: Array, x: Any) -> tuple[Array, Array, Array]:
        policy = gradient_flow.softmax(1.0)
        return hessian(model, payoff, x, policy), gauss_newton(model, x, policy), slopes(model, x)

    second, expected, each = (np.asarray(part) for part in jax.jit(jax.vmap(one))(payoff, x))
    fitted = error < 1e-8
    right = np.array([flow_theorems.consistent(*pair) for pair in zip(payoff, np.asarray(x[0]), strict=True)])
    rows = []
    for kind, chosen in by_kind(right).items():
        places, lowest, claimed, along, kinds, tangents = np.flatnonzero(chosen & fitted), [], [], [], [], []
        for place in places:
            normal, tangent = normal_space(each[place])
            inside = normal.T @ second[place] @ normal
            lowest.append(np.linalg.eigvalsh(inside)[0])
            kinds.append(stability(-inside).kind)
            tangents.append(tangent.shape[1])
            if kind == "violating":
                local = np.asarray(x[0][place])
                agent = int(flow_theorems.optimum(payoff[place])[0] == flow_theorems.greedy(local)[0])
                direction, claim = flow_theorems.theorem_3(payoff[place], local, 1.0, agent)
                claimed.append(claim)
                along.append(direction @ second[place][:6, :6] @ direction)
        row = {"measure": "trained mixer", "kind": kind, "temperature": 1.0, "points": len(places)}
        size = np.abs(expected).max(axis=(1, 2))
        row |= {
            "largest_difference_from_gauss_newton": float(
                (np.abs(second - expected).max(axis=(1, 2)) / size)[places].max()
            ),
            "least_growth_on_normal_space": float(min(lowest)),
            "dimensions_of_zero_loss_set": sorted(set(tangents)),
            **{name: kinds.count(name) for name in ("attracting", "neutral", "repelling")},
            "claimed_negative_along_theorem_3": int((np.array(claimed) < 0).sum()),
            "found_negative_along_theorem_3": int((np.array(along) < 0).sum()),
        }
        rows.append(row)
    return rows


def unfit_rows(payoff: np.ndarray) -> list[dict[str, Any]]:
    """A fixed random network that cannot fit: from random starts, who ends where, under either flow."""
    payoff = np.repeat(payoff, STARTS, axis=0)
    start, mixers = (
        jnp.asarray(np.random.default_rng(5).normal(size=(len(payoff), 2, 3))),
        random_mixers(len(payoff), 6),
    )
    rows = []
    for name, field in (("full", gradient_flow.full_field), ("semi-gradient", gradient_flow.semi_field)):

        def one(
            payoff: Array, mixer: Any, start: Array, temperature: Array, field: gradient_flow.Field = field
        ) -> tuple[Array, Array, Array]:
            model, policy = gradient_flow.fixed(gradient_flow.network_mixer(mixer)), gradient_flow.softmax(temperature)
            return flow_to_end(lambda q: field(model, payoff, q, policy), start)

        many = jax.jit(jax.vmap(one, (0, 0, 0, None)))
        for temperature in (1.0, 0.2):
            end, speed, beside = (np.asarray(each) for each in many(payoff, mixers, start, temperature))
            before, after = (
                np.array([flow_theorems.consistent(*pair) for pair in zip(payoff, values, strict=True)])
                for values in (np.asarray(start), end)
            )
            row = {"measure": "cannot fit", "flow": name, "temperature": temperature, "starts": len(payoff)}
            rows.append(row | counted(before, after, end, speed, beside))
    return rows


def counted(
    before: np.ndarray, after: np.ndarray, end: np.ndarray, speed: np.ndarray, beside: np.ndarray
) -> dict[str, int]:
    """How many flows correct a greedy action, lose one, or come to rest.

    Args:
        before: whether the greedy action is right at the start, [starts].
        after: and at the end.
        end: local values there, not finite where steps ran out, [starts, 2, 3].
        speed: of the flow there, [starts].
        beside: its linearization there, [starts, 6, 6]; where nothing grows faster than `SETTLED` the point attracts.
    """
    reached, settled = np.isfinite(end).all(axis=(1, 2)), speed < SETTLED  # no comparison holds where steps ran out
    growth = np.array([
        np.linalg.eigvals(matrix).real.max() if good else np.nan for matrix, good in zip(beside, settled, strict=True)
    ])  # fmt: skip
    chosen = {
        "reached": reached, "wrong_before": reached & ~before, "corrected": reached & ~before & after,
        "right_before": reached & before, "lost": reached & before & ~after, "at_rest": settled,
        "rest_wrong_and_attract": settled & ~after & (growth < SETTLED), "rest_right": settled & after,
    }  # fmt: skip
    return {name: int(which.sum()) for name, which in chosen.items()}


def text(row: dict[str, Any]) -> str:
    """A row as a line."""
    left = {key: value for key, value in row.items() if key not in ("scale", "measure")}
    parts = [f"{key.replace('_', ' ')} {value:.2g}" if isinstance(value, float) else f"{key.replace('_', ' ')} {value}"
             for key, value in left.items()]  # fmt: skip
    return f"{row['measure']:14} {', '.join(parts)}"

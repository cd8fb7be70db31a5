"""Mixers as their papers' equations in NumPy, for one joint action in one frame; double precision, no JAX.

A function takes the mixer's fields, its leaves and the local values [N, A] (each twice: those that a gradient reaches,
and frozen ones for what a stop-gradient hides), the mask, the joint action u [N] and the state x [S].
"""

from typing import Any

import numpy as np

from jaxvf.mixers import QfixMixer, QmixMixer, VdnMixer

Pair = tuple[Any, Any]


def layers(leaves: Any, x: np.ndarray) -> np.ndarray:
    """Linear layers with relu between them."""
    for index in range(len(leaves)):
        x = (np.maximum(x, 0) if index else x) @ leaves[f"layer_{index}"]["kernel"] + leaves[f"layer_{index}"]["bias"]
    return x


def chosen_and_best(q: np.ndarray, mask: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """q_i(u_i) and the maximum of q_i over available actions."""
    return q[np.arange(len(u)), u], np.where(mask, q, -np.inf).max(axis=-1)


def vdn(mixer: Any, leaves: Pair, q: Pair, mask: np.ndarray, u: np.ndarray, x: np.ndarray) -> float:
    """Σ_i q_i(u_i)."""
    return float(chosen_and_best(q[0], mask, u)[0].sum())


def qmix(mixer: Any, leaves: Pair, q: Pair, mask: np.ndarray, u: np.ndarray, x: np.ndarray) -> float:
    """w2(x) · elu(q W1(x) + b1(x)) + v(x)."""
    return _mixed(leaves[0], chosen_and_best(q[0], mask, u)[0], x, monotonic=mixer.monotonic)


def _mixed(leaves: Any, values: np.ndarray, x: np.ndarray, *, monotonic: bool = True) -> float:
    def linear(name: str, inputs: np.ndarray) -> np.ndarray:
        return inputs @ leaves[name]["kernel"] + leaves[name]["bias"]

    w1, w2, v = (linear(f"{n}_output", np.maximum(linear(f"{n}_input", x), 0)) for n in ("w1", "w2", "v"))
    if monotonic:
        w1, w2 = np.abs(w1), np.abs(w2)
    inner = values @ w1.reshape(len(values), -1) + linear("b1", x)
    return float(np.where(inner > 0, inner, np.expm1(inner)) @ w2 + v[0])


def qfix(mixer: QfixMixer, leaves: Pair, q: Pair, mask: np.ndarray, u: np.ndarray, x: np.ndarray) -> float:
    """w(x, u) [f(q) - f(v)] + b(x); Q+FIX adds f(q), and its bracket is frozen."""

    def fixee(leaves: Any, values: np.ndarray) -> float:
        return _mixed(leaves["monotone"], values, x) if mixer.fixee == "monotone" else float(values.sum())

    bracket = 1 if mixer.additive and mixer.adv_stop_grad else 0
    own, best = chosen_and_best(q[bracket], mask, u)
    mixed = [own, best] if mixer.fixee == "linear" else [fixee(leaves[bracket], each) for each in (own, best)]
    advantage = mixed[0] - mixed[1]
    lowest = -1.0 if mixer.additive else 0.0
    y = layers(leaves[0]["weight"], np.concatenate([x, np.eye(q[0].shape[-1])[u].ravel()]))
    value = np.sum((np.abs(y - lowest) + lowest + 1e-10) * advantage) + layers(leaves[0]["bias"], x)[0]
    return float(value + (fixee(leaves[0], chosen_and_best(q[0], mask, u)[0]) if mixer.additive else 0.0))


MIXERS_BY_HAND = {VdnMixer: vdn, QmixMixer: qmix, QfixMixer: qfix}

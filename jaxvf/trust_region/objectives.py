"""What an actor maximizes: the clipped surrogate, the weight of the agents before it, and the entropy bonus."""

from collections.abc import Mapping
from types import MappingProxyType

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxvf.errors import InputError, unknown
from jaxvf.trust_region.advantages import masked_mean

PLACES = ("outside", "inside")
ENTROPY_REDUCTIONS = ("mean", "sum_over_batch")
UNBOUNDED = 1e38  # finite, so that a weight never is infinity
WEIGHT_RULES: Mapping[str, str] = MappingProxyType(
    {
        "is": "the product of ratios itself (HAPPO, HATRPO)",
        "clip1": "the product, at most 1 (clip-HAPPO, clip-HATRPO)",
        "none": "1: no correction at all (the control)",
        "max_c": "the product, at most `bound`",
        "two_sided": "the product, within `band` of 1 (A2PO, CoPPO)",
    }
)


def weight_bounds(rule: str, *, bound: float = 1.0, band: float = 0.1) -> tuple[float, float]:
    """The two ends to which a weight rule clips the preceding agents' ratio (see `WEIGHT_RULES`).

    Every rule is this one operation with other numbers, so runs of different rules share a program:
    `sweep={"weight_low,weight_high": [weight_bounds("is"), weight_bounds("clip1")]}`.

    Args:
        rule: one of `WEIGHT_RULES`.
        bound: the upper end of "max_c".
        band: half the width of "two_sided".

    Raises:
        InputError: for another rule, a bound below 0 or a band outside [0, 1], or one that is another rule's.
    """
    if rule not in WEIGHT_RULES:
        raise unknown("weight rule", rule, WEIGHT_RULES)
    if bound < 0:
        raise InputError(f"bound={bound} is below its smallest valid value 0")
    if not 0 <= band <= 1:
        raise InputError(f"band={band} is outside [0, 1]")
    if bound != 1.0 and rule != "max_c":
        raise InputError(f"bound={bound} does nothing to the rule {rule!r}; leave it at 1.0, or take 'max_c'")
    if band != 0.1 and rule != "two_sided":
        raise InputError(f"band={band} does nothing to the rule {rule!r}; leave it at 0.1, or take 'two_sided'")
    bounds = {
        "is": (0.0, UNBOUNDED),
        "clip1": (0.0, 1.0),
        "none": (1.0, 1.0),
        "max_c": (0.0, bound),
        "two_sided": (1.0 - band, 1.0 + band),
    }
    return bounds[rule]


def preceding_weight(
    log_weight: Float[Array, "*b"], low: float | Float[Array, ""], high: float | Float[Array, ""]
) -> Float[Array, "*b"]:
    """The product of the preceding agents' ratios, clipped to [low, high]; it never overflows.

    The carried product stays unclipped: this is min(prod, 1), not a product of minima (Le & Ta 2025).
    """
    low, high = jnp.asarray(low, jnp.float32), jnp.asarray(high, jnp.float32)
    # Clipped as a logarithm first: the exponential of what lies above `high` may be infinite.
    return jnp.clip(jnp.exp(jnp.minimum(log_weight, jnp.log(high))), low, high)


def clipped_surrogate(
    log_ratio: Float[Array, "*#b"],
    advantage: Float[Array, "*#b"],
    weight: Float[Array, "*#b"],
    alive: Bool[Array, "*#b"],
    *,
    clip: float | Float[Array, ""],
    place: str = "outside",
) -> Float[Array, ""]:
    """Mean over living samples of c · min(u A, clip(u, 1 ± ε) A).

    With `place="outside"` it is the form of Kuba et al. 2022. With "inside" the weight multiplies the own ratio before
    the clip: that of Wu et al. 2021 (CoPPO) and Wang et al. 2023 (A2PO).

    Args:
        log_ratio: log u, of the agent's own action.
        advantage: normalized advantage of the joint action.
        weight: c, of the other agents' ratios; a constant.
        alive: which samples count.
        clip: ε.
        place: where the weight goes.
    """
    ratio = jnp.exp(log_ratio)
    if place == "inside":
        ratio, weight = ratio * weight, jnp.ones_like(weight)
    clipped = jnp.clip(ratio, 1 - clip, 1 + clip)
    return masked_mean(weight * jnp.minimum(ratio * advantage, clipped * advantage), alive)


def surrogate(
    log_ratio: Float[Array, "*#b"],
    advantage: Float[Array, "*#b"],
    weight: Float[Array, "*#b"],
    alive: Bool[Array, "*#b"],
) -> Float[Array, ""]:
    """Mean over living samples of c u A: what the natural-gradient step improves."""
    return masked_mean(weight * jnp.exp(log_ratio) * advantage, alive)


def entropy_bonus(
    entropy: Float[Array, "*#b"], alive: Bool[Array, "*#b"], samples: int, *, reduction: str = "mean"
) -> Float[Array, ""]:
    """The mean entropy over living samples.

    With "sum_over_batch" it is `samples` times as large: for Gaussian actors the code of Le & Ta 2025 has this defect,
    because its mask broadcasts against the entropies.
    """
    mean = masked_mean(entropy, alive)
    return mean * samples if reduction == "sum_over_batch" else mean

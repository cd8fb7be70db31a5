"""What an actor's update did: variance of the weighted advantage, weights, divergence, clipping, line search.

Every number is of one agent's turn. Runs report them by position in the order of updates and by agent; what the code of
Le & Ta 2025 calls an agent's advantage variance is that of a position.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxvf.trust_region.advantages import masked_mean
from jaxvf.trust_region.objectives import preceding_weight
from jaxvf.trust_region.settings import Settings

# What is reported of a weight stops here. A variance adds up e^(2 log w) A²: at 30 that is 1e26 A², which leaves room
# for a thousand million samples of A² = 100 in float32; at 40 sums overflowed and marked healthy runs as diverged.
HIGHEST_LOG_WEIGHT = 30.0
TAIL = 0.99

Facts = dict[str, Float[Array, "..."]]


def log_clipped(config: Settings, log_ratio: Float[Array, "*b"], log_weight: Float[Array, "*#b"]) -> Float[Array, "*b"]:
    """Logarithm of the ratio that the clip acts on: the agent's own, times the others' weight where that is inside."""
    if config.weight_place == "outside":
        return log_ratio
    return log_ratio + jnp.log(preceding_weight(log_weight, config.weight_low, config.weight_high))


def turn_facts(
    log_weight: Float[Array, "T B"],
    log_ratio: Float[Array, "T B"],
    kl: Float[Array, "T _"],
    advantage: Float[Array, "T B"],
    alive: Bool[Array, "T _"],
    *,
    bounds: tuple[float | Float[Array, ""], float | Float[Array, ""]],
    clip: float | Float[Array, ""],
) -> Facts:
    """Numbers of one agent's turn.

    Args:
        log_weight: logarithm of the preceding agents' ratio product when the turn began.
        log_ratio: logarithm of the ratio that the clip acts on, after the turn (`log_clipped`).
        kl: of every sample, from the agent's policy before the turn to the one after it.
        advantage: as the turn used it.
        alive: which samples count.
        bounds: what the algorithm clips the weight to; reported beside the product itself and min(w, 1), which every
            algorithm reports, whichever it uses.
        clip: ε.
    """
    alive, kl = (jnp.broadcast_to(each, log_weight.shape) for each in (alive, kl))
    tail = jnp.nanquantile(jnp.where(alive, kl, jnp.nan), TAIL)
    capped = jnp.minimum(log_weight, HIGHEST_LOG_WEIGHT)
    weight = jnp.exp(capped)
    used = jnp.minimum(preceding_weight(log_weight, *bounds), jnp.exp(HIGHEST_LOG_WEIGHT))
    return {
        "variance": unbiased_variance(used * advantage, alive),
        "variance_is": unbiased_variance(weight * advantage, alive),
        "variance_clip1": unbiased_variance(jnp.minimum(weight, 1.0) * advantage, alive),
        "weight_mean": masked_mean(weight, alive),
        "weight_max": jnp.max(jnp.where(alive, weight, 0.0)),
        "weight_above_one": masked_mean(log_weight > 0, alive),
        "effective_samples": effective_samples(log_weight, alive),
        "kl_mean": masked_mean(kl, alive),
        "kl_p99": jnp.where(alive.any(), tail, 0.0),
        "clip_fraction": masked_mean(jnp.abs(jnp.expm1(log_ratio)) > clip, alive),
    }


def unbiased_variance(values: Float[Array, "*b"], alive: Bool[Array, "*b"]) -> Float[Array, ""]:
    """Variance over living samples with denominator n - 1."""
    count = jnp.sum(alive)
    squares = jnp.where(alive, (values - masked_mean(values, alive)) ** 2, 0.0)
    return jnp.sum(squares) / jnp.maximum(count - 1, 1)


def effective_samples(log_weight: Float[Array, "*b"], alive: Bool[Array, "*b"]) -> Float[Array, ""]:
    """(Σ w)² / Σ w² over living samples; it does not depend on the scale of w."""
    log_weight = jnp.where(alive, log_weight, -jnp.inf)
    top = jnp.max(log_weight)
    weight = jnp.exp(log_weight - jnp.where(jnp.isfinite(top), top, 0.0))
    return jnp.sum(weight) ** 2 / jnp.maximum(jnp.sum(weight**2), jnp.finfo(jnp.float32).tiny)


def by_position_and_agent(facts: Facts, order: Int[Array, "N"]) -> Facts:
    """Facts [N] by position in the order of updates, named so, and the same by agent: `order[m]` had position m.

    What is one number of all agents is left out.
    """
    facts = {name: values for name, values in facts.items() if values.ndim}
    by_agent = jnp.stack(list(facts.values()))[:, jnp.argsort(order)]
    positions = {f"{name}_by_position": values for name, values in facts.items()}
    return positions | {f"{name}_by_agent": values for name, values in zip(facts, by_agent, strict=True)}

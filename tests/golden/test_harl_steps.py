"""One learning iteration of HAPPO, HATRPO and MAPPO as the authors' PyTorch code (HARL) computed it, on one rollout."""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from test_released_steps import QUICK, Read, assert_recorded, linear, moved

from jaxvf.algorithm import Progress, Rollout
from jaxvf.algorithms import make
from jaxvf.envs.protocol import EnvSpec
from jaxvf.trust_region import FeedForward, TrustRegion
from jaxvf.trust_region.actor_critic import ActorParams
from jaxvf.trust_region.batches import Extras
from jaxvf.trust_region.distributions import divergence
from jaxvf.trust_region.learner import LearnerState, Params
from jaxvf.trust_region.sequential import update_order
from jaxvf.trust_region.value_norm import ValueNorm

RECORDED: Mapping[str, np.ndarray] = np.load(Path(__file__).with_name("harl_steps.npz"))
NETWORK = FeedForward(hidden=6)
NOW = Progress(jnp.int32(0), jnp.int32(0))
ORDER = [int(agent) for agent in RECORDED["order"]]
# optax computes 1 - 0.999 in float32, which is 1.3e-5 too small: Adam's steps become 6.4e-6 too short, made good here.
STRETCH = float(np.sqrt(0.001 / (1 - np.float32(0.999))))
CLOSE, LOOSE = 2e-5, 1e-4  # for what an iteration changes; for what is computed from that
# What a run changes in HARL's settings.
FIELDS: Mapping[str, dict[str, float]] = {
    "happo": {},
    "happo_clipped": {"max_grad_norm": 0.6},
    "hatrpo": {},
    "hatrpo_far": {"kl_radius": 3.2},
    "mappo": {},
}


@functools.partial(jax.jit, compiler_options=QUICK)
def update(learner: TrustRegion, state: LearnerState, batch: Rollout, key: Any) -> tuple[LearnerState, dict[str, Any]]:
    """The learner after the iteration, its metrics, and what it makes of the rollout before and after."""
    after, metrics = learner.update(state, batch, key, NOW)
    assert batch.started is not None
    frames = batch.obs, batch.extras.carry[0], batch.started, batch.avail
    old, new = (learner.actors.policies(params.actor, *frames)[0] for params in (state.params, after.params))
    log_prob, moved = (policy.log_prob(batch.actions)[:-1] for policy in (old, new))
    apart = divergence(old, new, learner.kl)[:-1].mean((0, 1))
    return after, metrics | {"log_prob": log_prob, "ratio": jnp.exp(moved - log_prob), "divergence": apart}


def learner_of(run: str) -> TrustRegion:
    """HARL's settings with a small network, two passes, and step sizes that float32 resolves in the parameters."""
    rates = {name: STRETCH * float(RECORDED["lr"]) for name in ("learning_rate", "critic_learning_rate")}
    small = {"actor": NETWORK, "critic": NETWORK, "actor_epochs": 2, "critic_epochs": 2}
    return dataclasses.replace(make(f"{run.partition('_')[0]}@harl"), **small, **rates, **FIELDS[run])


def network(read: Read, output: str) -> dict[str, Any]:
    """LayerNorm, and twice a layer, relu and LayerNorm."""

    def norm(name: str) -> dict[str, np.ndarray]:
        return {"scale": read(f"{name}.weight"), "bias": read(f"{name}.bias")}

    layers = {"norm_input": norm("base.feature_norm"), "output": linear(read, output)}
    for index in range(2):
        layers[f"layer_{index}"] = linear(read, f"base.mlp.fc.{3 * index}")
        layers[f"norm_{index}"] = norm(f"base.mlp.fc.{3 * index + 2}")
    return {"params": layers}


def params_of(read: Read, *, shared: bool) -> Params:
    """Every agent's actor and the critic; of one actor for all the first agent's."""
    actor = network(lambda leaf: read(f"actor/{leaf}"), "act.action_out.linear")
    actor = jax.tree.map(lambda leaf: leaf[0], actor) if shared else actor
    return Params(ActorParams(actor, None), network(lambda leaf: read(f"critic/{leaf}"), "v_out"))


def state_of(learner: TrustRegion) -> LearnerState:
    """The parameters before the iteration; Adam has seen nothing, the statistics of returns one batch.

    Actors of natural steps have smaller weights: with those of the others, ten steps of conjugate gradients end
    elsewhere whenever rounding differs.
    """

    def read(leaf: str) -> np.ndarray:
        return RECORDED[f"{learner.step}/{leaf}" if leaf.startswith("actor") else leaf]

    _, environments, agents, actions = RECORDED["avail"].shape
    spec = EnvSpec("recorded", 1, agents, actions, RECORDED["obs"].shape[-1], RECORDED["state"].shape[-1], 4)
    params = jax.tree.map(jnp.asarray, params_of(read, shared=learner.shared))
    fresh = jax.eval_shape(lambda: learner.init(jax.random.key(0), spec))
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, fresh.params)
    opt_state = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), fresh.opt_state)
    carry = learner.initial_critic_carry(environments, agents)
    return LearnerState(params, opt_state, ValueNorm(*map(jnp.float32, RECORDED["norm"])), carry)


def recorded_rollout(learner: TrustRegion, run: str) -> Rollout:
    """Four steps of five environments. One episode ends at step 1, others at 0 and 3, where one is cut off.

    Every agent is dead in one or two steps. With natural steps every action is available.
    """
    ended, alive = RECORDED["term"], RECORDED["alive"]
    last_frame = ((0, 1), (0, 0), (0, 0))  # nothing is recorded of what is done there
    leaves = {
        "obs": RECORDED["obs"],
        "state": RECORDED["state"],
        "avail": RECORDED["avail"] | (learner.step == "natural"),
        "actions": np.pad(RECORDED["act"], last_frame),
        "reward": RECORDED["rew"],
        "terminated": ended,
        "truncated": RECORDED["trunc"],
        "filled": np.ones_like(ended),
        "started": np.concatenate([np.ones_like(ended[:1]), ended]),
        "alive": alive,
        "extras": Extras(jnp.pad(RECORDED[f"{run}/log_prob"], last_frame), learner.initial_carry(alive.shape)),
    }
    return Rollout(**jax.tree.map(jnp.asarray, leaves))


def key_of(learner: TrustRegion) -> Any:
    """A key of an iteration that draws the recorded order."""

    def order(key: Any) -> list[int]:
        return update_order(learner, jax.random.split(key, 3)[0], jnp.zeros(len(ORDER))).tolist()

    return next(key for key in map(jax.random.key, range(100)) if order(key) == ORDER)


def iteration(run: str) -> Mapping[str, np.ndarray]:
    """The facts of a recorded iteration, of which what several algorithms have in common is compared."""
    learner = learner_of(run)
    before = state_of(learner)
    after, facts = jax.device_get(update(learner, before, recorded_rollout(learner, run), key_of(learner)))
    assert_recorded(moved(after.params, before.params), lambda path: RECORDED[f"{run}/step{path}"], CLOSE)
    np.testing.assert_allclose(facts["log_prob"], RECORDED[f"{run}/log_prob"], rtol=2e-6, atol=2e-6)
    assert facts["value_loss"] == pytest.approx(RECORDED[f"{run}/value_loss"].mean(), rel=2e-6)
    # Norms before clipping are recorded; of the gradients after it Adam keeps the squares.
    for name, opt_state in zip(("grad_norm", "value_grad_norm"), after.opt_state, strict=True):
        if f"{run}/{name}" in RECORDED:
            first, second = np.minimum(RECORDED[f"{run}/{name}"], learner.max_grad_norm).T ** 2
            squares = sum(float(leaf.sum()) for leaf in jax.tree.leaves(optax.tree.get(opt_state, "nu")))
            assert squares == pytest.approx(0.001 * np.sum(0.999 * first + second), rel=LOOSE)
    return facts


def assert_weights(run: str, facts: Mapping[str, np.ndarray]) -> None:
    """The ratios that weigh later agents are the recorded ones: of each sample, and in the mean over living ones."""
    factor, living = RECORDED[f"{run}/factor"], RECORDED["alive"][:-1, :, ORDER]
    np.testing.assert_allclose(np.cumprod(facts["ratio"][..., ORDER], axis=-1), factor, rtol=LOOSE)
    means = [np.average(factor[..., place], weights=living[..., place + 1]) for place in range(2)]
    np.testing.assert_allclose(facts["weight_mean_by_position"], [1.0, *means], rtol=LOOSE)


@pytest.mark.golden("happo")
@pytest.mark.parametrize("run", ["happo", "happo_clipped"])
def test_happo_is_the_released_one(run):
    facts = iteration(run)
    assert_weights(run, facts)
    for ours, theirs in (("actor_loss", "loss"), ("entropy", "entropy")):
        mean = RECORDED[f"{run}/{theirs}"].mean(axis=-1)
        np.testing.assert_allclose(facts[f"{ours}_by_position"], mean, rtol=CLOSE, atol=1e-6)


@pytest.mark.golden("hatrpo")
@pytest.mark.parametrize("run", ["hatrpo", "hatrpo_far"])
def test_hatrpo_is_the_released_one(run):
    """One search takes the second candidate, two the first; far out one takes none of ten, one the fourth."""
    facts = iteration(run)
    assert_weights(run, facts)
    np.testing.assert_array_equal(facts["trials_by_position"], RECORDED[f"{run}/trials"])
    np.testing.assert_array_equal(facts["accepted_by_position"], RECORDED[f"{run}/accepted"])
    np.testing.assert_allclose(-facts["actor_loss_by_position"], RECORDED[f"{run}/gain"], rtol=LOOSE)
    np.testing.assert_allclose(facts["divergence"][ORDER], RECORDED[f"{run}/kl"], rtol=LOOSE)


@pytest.mark.golden("mappo")
def test_mappo_is_the_released_one():
    """Of one network for all agents, whose loss is the mean over all living samples."""
    facts, living = iteration("mappo"), RECORDED["alive"][:-1].sum((0, 1))
    for ours, theirs in (("actor_loss", "loss"), ("entropy", "entropy")):
        mean = np.average(facts[f"{ours}_by_agent"], weights=living)
        assert mean == pytest.approx(RECORDED[f"mappo/{theirs}"].mean(), rel=CLOSE, abs=1e-6)

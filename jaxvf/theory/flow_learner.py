"""What is trained in one-step games beside the flow: local values, a mixer, a ring's sizes; tables of two-step games.

The mixer is the one of Hu et al. 2026 (arXiv 2511.09792, section 4): QMIX's without absolute values. In one situation
its hypernetworks see a constant, so it is an ordinary network; with `hypernetworks` it is the registered mixer, of the
same function class and with other rates of learning.
"""

import dataclasses
import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from jaxvf.errors import InputError
from jaxvf.mixers import QmixMixer, init_mixer, utilities_of
from jaxvf.value.optimizers import clip_by_global_norm, make_optimizer

MAX_GRAD_NORM = 10.0  # PyMARL's, as every learner's default
RULES = ("adam", "rmsprop", "sgd")
BOOTSTRAPS = ("sarsa", "max")
START, FLAT, GAME = range(3)  # situations of a game behind a choice


class Numbers(NamedTuple):
    """What may differ between runs of one program; leaves [R], or [] for one run.

    Attributes:
        learning_rate: step size.
        epsilon_start: ε before the first update.
        epsilon_end: ε from update `epsilon_anneal` on; linear between.
        epsilon_anneal: in updates.
        value_scale: initial local values are uniform in ± this (0.1 is `TabularAgent`'s).
        mixer_scale: factor of the mixer's initial weights, which are PyTorch's at 1.
        mixer_rate: factor of the mixer's steps; 0 freezes it.
        noise: standard deviation of the reward of an episode.
    """

    learning_rate: Float[Array, "*R"] | float = 5e-3
    epsilon_start: Float[Array, "*R"] | float = 1.0
    epsilon_end: Float[Array, "*R"] | float = 0.05
    epsilon_anneal: Float[Array, "*R"] | float = 500.0
    value_scale: Float[Array, "*R"] | float = 0.1
    mixer_scale: Float[Array, "*R"] | float = 1.0
    mixer_rate: Float[Array, "*R"] | float = 1.0
    noise: Float[Array, "*R"] | float = 0.0


class Game(NamedTuple):
    """Rewards, and what is asked of a run.

    Attributes:
        reward: of every situation and joint action, agent 0's action the slowest; J = A^N.
        best: largest return of a deterministic joint policy.
    """

    reward: Float[Array, "*R S J"]
    best: Float[Array, "*R"]


@dataclasses.dataclass(frozen=True)
class Learner:
    """What is the same in all runs of a program.

    Attributes:
        n_agents: N.
        n_actions: A.
        width: of the mixing layers.
        depth: mixing layers; QMIX has one.
        monotonic: keep absolute values on the mixing weights: QMIX.
        hypernetworks: weights of the one mixing layer by QMIX's two-layer hypernetworks of a constant state.
        optimizer: one of `RULES`.
        ring: episodes that replay holds, a multiple of `collect`.
        collect: episodes between two updates.
        batch: episodes of an update, drawn with replacement; the whole ring in order where it holds no more.
        bootstrap: what a first step's target takes of the second: the stored action's value, or that of the local
            argmaxes. Games of one step have none.
        target_interval: updates between copies of the table that targets read.
        noisy: rewards have noise; it is stored with the episode.
    """

    n_agents: int = 2
    n_actions: int = 3
    width: int = 32
    depth: int = 1
    monotonic: bool = False
    hypernetworks: bool = False
    optimizer: str = "adam"
    ring: int = 5_000
    collect: int = 8
    batch: int = 32
    bootstrap: str = "sarsa"
    target_interval: int = 50
    noisy: bool = False

    def __post_init__(self) -> None:
        if self.optimizer not in RULES or self.bootstrap not in BOOTSTRAPS:
            raise InputError(f"optimizer={self.optimizer!r}, bootstrap={self.bootstrap!r}: of {RULES} and {BOOTSTRAPS}")
        if self.ring % self.collect or self.ring < self.collect:
            raise InputError(f"ring={self.ring} is not a multiple of collect={self.collect}")
        if self.hypernetworks and self.depth != 1:
            raise InputError(f"depth={self.depth}: hypernetworks make the weights of one mixing layer")

    @property
    def whole_ring(self) -> bool:
        """Whether every update learns from all that the ring holds: on-policy where it is renewed in between."""
        return self.batch >= self.ring

    @property
    def joint_actions(self) -> Int[Array, "J N"]:
        """All of them, agent 0's the slowest."""
        return jnp.indices((self.n_actions,) * self.n_agents).reshape(self.n_agents, -1).T

    @property
    def module(self) -> QmixMixer:
        """The registered mixer, for `hypernetworks`."""
        return QmixMixer(embed=self.width, monotonic=self.monotonic)

    def init(self, key: Array, situations: int, numbers: Numbers) -> tuple[Array, Any]:
        """Local values [S, N, A], and the mixer's parameters, a set for every situation."""
        value_key, mixer_key = jax.random.split(key)
        shape = (situations, self.n_agents, self.n_actions)
        values = jax.random.uniform(value_key, shape, minval=-1.0) * numbers.value_scale
        mixer = jax.vmap(self._init_mixer)(jax.random.split(mixer_key, situations))
        return values, jax.tree.map(lambda leaf: leaf * numbers.mixer_scale, mixer)

    def _init_mixer(self, key: Array) -> Any:
        if self.hypernetworks:
            return init_mixer(self.module, key, self.n_agents, self.n_actions, self.n_actions, 1)
        sizes = (self.n_agents, *(self.width,) * self.depth, 1)
        layers = []
        for place, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
            bound = inputs**-0.5  # PyTorch's default, for weights and biases
            kernel, bias = (jax.random.fold_in(key, 2 * place + part) for part in range(2))
            layers.append((
                jax.random.uniform(kernel, (inputs, outputs), minval=-bound, maxval=bound),
                jax.random.uniform(bias, (outputs,), minval=-bound, maxval=bound),
            ))  # fmt: skip
        return layers

    def table(self, params: tuple[Array, Any]) -> Float[Array, "S J"]:
        """The mixed value of every joint action in every situation."""
        return jax.vmap(self._table)(*params)

    def _table(self, values: Float[Array, "N A"], mixer: Any) -> Float[Array, "J"]:
        actions = self.joint_actions
        # A product: its gradient is not a scatter.
        chosen = (values * jax.nn.one_hot(actions, self.n_actions)).sum(axis=-1)
        if self.hypernetworks:
            avail = jnp.ones((1, *values.shape), bool)
            utilities = utilities_of(values[None], values[None], avail, actions)
            mixed: Any = self.module.apply(mixer, utilities, jnp.ones((1, 1)))
            return mixed[:, 0]
        constrain = jnp.abs if self.monotonic else (lambda weights: weights)
        (kernel, bias), *later = mixer
        hidden = chosen @ constrain(kernel) + bias
        for kernel, bias in later:
            hidden = jax.nn.elu(hidden) @ constrain(kernel) + bias
        return hidden[:, 0]

    def rule(self, learning_rate: Array | float) -> optax.GradientTransformation:
        """The optimizer, after the clip of every learner here."""
        if self.optimizer == "sgd":
            return optax.chain(clip_by_global_norm(MAX_GRAD_NORM), optax.sgd(learning_rate))
        return make_optimizer(self.optimizer, learning_rate, MAX_GRAD_NORM)

    @property
    def places(self) -> Int[Array, "N"]:
        """What one step of each agent's action adds to the index of a joint action."""
        return self.n_actions ** jnp.arange(self.n_agents - 1, -1, -1)

    def greedy(self, params: tuple[Array, Any]) -> Int[Array, "S"]:
        """Index of the joint action of the local argmaxes, in every situation."""
        return jnp.argmax(params[0], axis=-1) @ self.places

    def led_to(self, first: Int[Array, "*b"]) -> Int[Array, "*b"]:
        """The situation after a joint action of the first step, of a game behind a choice."""
        return jnp.where(first // self.n_actions ** (self.n_agents - 1) == 0, FLAT, GAME)

    def optimal(self, greedy: Int[Array, "S"], game: "Game") -> Bool[Array, ""]:
        """Whether the greedy joint actions pay the most."""
        if len(game.reward) == 1:
            return game.reward[0, greedy[0]] >= game.best
        then = self.led_to(greedy[START])
        return game.reward[START, greedy[START]] + game.reward[then, greedy[then]] >= game.best


def one_step(payoff: Float[Array, "*R J"]) -> Game:
    """The game that ends after its only joint action."""
    return Game(payoff[..., None, :], payoff.max(axis=-1))


def behind_a_choice(payoff: Float[Array, "*R J"], flat: float = 7.0) -> Game:
    """Agent 0's first action 0 leads to a certain `flat`, others to the game, as in QMIX's two-step game."""
    reward = jnp.stack([jnp.zeros_like(payoff), jnp.full_like(payoff, flat), payoff], axis=-2)
    return Game(reward, jnp.maximum(payoff.max(axis=-1), flat))

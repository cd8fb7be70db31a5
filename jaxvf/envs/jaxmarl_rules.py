"""What JaxMARL's environments do not say themselves: why an episode ended, who is alive, whether it was won.

Each rule reads a fact off one environment class (read in jaxmarl 0.2.0). Classes are known by name, so that
nothing here imports JaxMARL.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxvf.errors import InputError

# Rewards are not a dictionary over agents, and the games are general-sum.
UNSUPPORTED = ("storm", "storm_2p", "storm_np")
# Classes whose agents work against each other: what the mean of their rewards asks for is not what any of them does.
OPPOSED = (
    "SimpleTagMPE", "SimplePushMPE", "SimpleAdversaryMPE", "SimpleCryptoMPE", "SimpleWorldCommMPE", "SimpleFacmacMPE",
    "SMAX", "CoinGame",  # against a scripted enemy SMAX is a team's: `EnemySMAX` is another class
)  # fmt: skip


class Step(NamedTuple):
    """One step of a JaxMARL environment."""

    before: Any  # its state
    actions: Int[Array, "N"] | Float[Array, "N d"]
    after: Any  # its state; not reset
    info: Mapping[str, Any]
    steps: Int[Array, ""]  # taken in this episode, this one included


@dataclasses.dataclass(frozen=True, eq=False)
class Rules:
    """How to read the steps of one environment.

    Attributes:
        limit: steps that it declares as an episode's length.
        longest: steps after which it really cuts an episode; some test the limit before they count the step.
        terminates: whether an episode that is over ended by its own rules, and not by the clock alone.
        alive: from a state, who is alive, [N]; without it everyone always is.
        metrics: by name, what a step adds to each metric.
        self_ending: True where the clock never ends an episode.
    """

    limit: int
    longest: int
    terminates: Callable[[Step], Bool[Array, ""]]
    alive: Callable[[Any], Bool[Array, "N"]] | None = None
    metrics: Mapping[str, Callable[[Step], Array]] = dataclasses.field(default_factory=dict)
    self_ending: bool = False

    @property
    def fixed_length(self) -> bool:
        """Whether the clock alone ends an episode."""
        return self.terminates is _never


def rules_of(env: Any) -> Rules:
    """The rules of a JaxMARL environment, or of the nearest class that it derives from.

    Raises:
        InputError: for an environment that declares no limit, or whose terminal observation is lost.
    """
    for kind in kinds_of(env):
        if kind in RULES:
            return RULES[kind](env)
    return _by_the_clock(env)


def kinds_of(env: Any) -> list[str]:
    """Names of the classes of JaxMARL, or of jaxvf, that an environment is of, its own first."""
    return [kind.__name__ for kind in type(env).__mro__ if kind.__module__.partition(".")[0] in ("jaxmarl", "jaxvf")]


def is_general_sum(env: Any) -> bool:
    """Whether agents are rewarded at each other's cost; of a class that is not JaxMARL's nobody knows."""
    kinds = kinds_of(env)
    if "ToJaxMARL" in kinds:
        return env.env.spec.general_sum
    return any(kind in OPPOSED for kind in kinds)


def _by_the_clock(env: Any) -> Rules:
    """An unknown environment: an episode that ends no sooner than its declared limit is cut, every other terminates."""
    limit = getattr(env, "max_steps", None)
    if limit is None:
        raise InputError(f"{type(env).__name__} declares no max_steps, so no array can hold its episodes; set it")
    limit = int(limit)
    return Rules(limit, longest=limit + 1, terminates=lambda step: step.steps < limit)


def _never(step: Step) -> Bool[Array, ""]:
    return jnp.bool_(False)


def _particles(env: Any) -> Rules:
    """MPE: only the clock ends an episode, one step late."""
    return Rules(env.max_steps, longest=env.max_steps + 1, terminates=_never)


def _kitchen(env: Any) -> Rules:
    """Overcooked, both versions: only the clock ends an episode."""
    return Rules(env.max_steps, longest=env.max_steps, terminates=_never)


def _coins(env: Any) -> Rules:
    """Coin game: a fixed number of games of fixed length. Upstream resets within the last step of each game."""
    limit = env.num_inner_steps * env.num_outer_steps
    return Rules(limit, longest=limit, terminates=_never)


def _battle(env: Any, units: Callable[[Any], Any], alive: Callable[[Any], Bool[Array, "N"]]) -> Rules:
    """SMAX: an episode terminates when a team is dead, and is cut one step late; winning needs a survivor."""

    def allies(step: Step) -> Bool[Array, ""]:
        return units(step.after).unit_alive[: env.num_allies].any()

    def enemies(step: Step) -> Bool[Array, ""]:
        return units(step.after).unit_alive[env.num_allies :].any()

    return Rules(
        env.max_steps,
        longest=env.max_steps + 1,
        terminates=lambda step: ~allies(step) | ~enemies(step),
        alive=alive,
        metrics={"won": lambda step: allies(step) & ~enemies(step)},
    )


def _smax(env: Any) -> Rules:
    """Both teams are agents."""
    return _battle(env, units=lambda state: state, alive=lambda state: state.unit_alive)


def _smax_with_enemy(env: Any) -> Rules:
    """The allies are the agents; the battle is one level down in the state."""
    return _battle(
        env, units=lambda state: state.state, alive=lambda state: state.state.unit_alive[: env.num_allies]
    )  # fmt: skip


def _riddle(env: Any) -> Rules:
    """Switch riddle: an episode terminates when the agent in the room tells."""
    tell = env.game_actions["TELL"]
    return Rules(
        env.max_steps,
        longest=env.max_steps,
        terminates=lambda step: step.actions[step.before.agent_in_room] == tell,
    )


def _hanabi(env: Any) -> Rules:
    """Hanabi: no clock. Every play or discard draws a card, and every hint costs a token that only those give back.

    While the deck lasts there are at most D plays and discards, and at most D hints beside those of the first tokens;
    when it is empty, everyone moves once more.
    """
    deck = int(env.deck_size) - env.num_agents * env.hand_size
    longest = 2 * deck + env.max_info_tokens + env.num_agents
    return Rules(longest, longest=longest, terminates=lambda step: jnp.bool_(True), self_ending=True)


def _navigation(env: Any) -> Rules:
    """JaxNav: who has arrived or crashed is done; the clock cuts on time."""
    rules = _by_the_clock(env)
    return dataclasses.replace(rules, longest=rules.limit, alive=lambda state: ~state.done)


def _brax(env: Any) -> Rules:
    """MABrax: Brax itself says which ends are truncations."""
    if env.auto_reset:
        raise InputError(f"{type(env).__name__} resets itself, so the terminal observation is lost: auto_reset=False")
    longest = -(-env.episode_length // env.action_repeat)  # Brax counts repeated actions as steps
    return Rules(longest, longest=longest, terminates=lambda step: step.info["truncation"] == 0)


def _own(env: Any) -> Rules:
    """A jaxvf environment that was made a JaxMARL one: it says everything itself."""
    spec = env.env.spec
    return Rules(
        spec.limit_max,
        longest=spec.limit_max,
        terminates=lambda step: step.info["terminated"],
        alive=lambda state: env.view(state).alive,
        metrics={name: lambda step, name=name: step.info["metrics"][name] for name in spec.metric_names},
        self_ending=spec.self_ending,
    )


RULES: dict[str, Callable[[Any], Rules]] = {
    "SimpleMPE": _particles,
    "SMAX": _smax,
    "EnemySMAX": _smax_with_enemy,
    "SwitchRiddle": _riddle,
    "HanabiGame": _hanabi,
    "Overcooked": _kitchen,
    "OvercookedV2": _kitchen,
    "CoinGame": _coins,
    "JaxNav": _navigation,
    "MABraxEnv": _brax,
    "ToJaxMARL": _own,
}

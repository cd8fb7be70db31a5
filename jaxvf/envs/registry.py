"""Names of environments: what `--env NAME` and `jaxvf.run(env=NAME)` accept."""

from collections.abc import Callable

from jaxvf.envs import brax_team, jaxmarl, jaxmarl_names
from jaxvf.envs.box_pushing import BoxPushing
from jaxvf.envs.box_pushing_classic import BoxPushingClassic
from jaxvf.envs.combat import MAPS, Combat
from jaxvf.envs.football import SCENARIOS as ACADEMY
from jaxvf.envs.football import Football
from jaxvf.envs.intersection import Intersection
from jaxvf.envs.matrix_game import PAYOFFS, MatrixGame
from jaxvf.envs.predator_prey import PredatorPrey
from jaxvf.envs.protocol import Environment
from jaxvf.envs.smaclite import SMACLITE_MAPS, Smaclite
from jaxvf.envs.smax import SCENARIOS, Smax
from jaxvf.envs.team_games import GaussianTeam, SoftmaxChain, random_team_game
from jaxvf.envs.two_step_game import TwoStepGame
from jaxvf.errors import InputError, unknown

ENVIRONMENTS: dict[str, Callable[[], Environment]] = {
    **{f"matrix_game/{letter}": (lambda payoff=payoff: MatrixGame(payoff)) for letter, payoff in PAYOFFS.items()},
    "two_step_game": TwoStepGame,
    "predator_prey": PredatorPrey,
    **{f"box_pushing/{size}": (lambda size=size: BoxPushing(size)) for size in (4, 6, 8, 10)},
    "box_pushing_classic": BoxPushingClassic,
    **{f"combat/{name}": (lambda name=name: Combat(name)) for name in MAPS},
    **{f"smax/{name}": (lambda name=name: Smax(name)) for name in SCENARIOS},
    **{f"football/{name}": (lambda name=name: Football(name)) for name in ACADEMY},
    **{f"smaclite/{name}": (lambda name=name: Smaclite(name)) for name in SMACLITE_MAPS},
    "intersection": Intersection,
    "softmax_chain": SoftmaxChain,
    "gaussian_team": GaussianTeam,
    "random_team_game": lambda: random_team_game(3, 3),
}


def make(name: str | Environment) -> Environment:
    """The environment of a registered name, of `jaxmarl/NAME` or `brax/SPLIT`; an environment passes through.

    Raises:
        InputError: for a name that is not registered, with the nearest one that is.
    """
    if isinstance(name, Environment):
        return name
    if not isinstance(name, str):
        raise InputError(f"env={name!r} is neither a registered name nor an Environment")
    for package, prefix in ((jaxmarl, jaxmarl_names.PREFIX), (brax_team, brax_team.PREFIX)):
        if name.startswith(prefix):
            return package.from_name(name.removeprefix(prefix))
    if name not in ENVIRONMENTS:
        raise unknown("environment", name, ENVIRONMENTS)
    return ENVIRONMENTS[name]()

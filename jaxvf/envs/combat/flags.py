"""The switches of SMAC and SMACv2, under their names there: what agents and critics are shown."""

import dataclasses
from typing import Any

from jaxvf.errors import InputError, unknown

STATES = ("global", "agent_specific")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flags:
    """What observations and states hold beside SMAC's default features.

    Attributes:
        obs_last_action: observations hold the last action of every mate in sight, one-hot.
        obs_timestep_number: observations end with the step over the limit.
        obs_pathing_grid: observations hold whether 8 cells round the agent can be walked on.
        obs_terrain_height: observations hold the height of the same cells and of the agent's own.
        state_timestep_number: the state ends with the step over the limit.
        state_kind: "global" is SMAC's state; "agent_specific" is one state an agent, as HARL's and MAPPO's critics read
            it, all of them end to end.
        conic_fov: SMACv2's viewing cone: agents see and attack only what is in front of them, and may turn instead of
            acting. Needs partial_sight=True.
        num_fov_actions: directions an agent can turn to; the cone is as wide as the angle between two of them.
    """

    obs_last_action: bool = False
    obs_timestep_number: bool = False
    obs_pathing_grid: bool = False
    obs_terrain_height: bool = False
    state_timestep_number: bool = False
    state_kind: str = "global"
    conic_fov: bool = False
    num_fov_actions: int = 12

    @property
    def directions(self) -> int:
        """To how many directions an agent can turn; none without a cone."""
        return self.num_fov_actions if self.conic_fov else 0


SMAC_FLAGS = Flags()  # SMAC's defaults


def flags_of(env: Any) -> Flags:
    """The flags of an environment that has them among its fields."""
    return Flags(**{field.name: getattr(env, field.name) for field in dataclasses.fields(Flags)})


def check_flags(flags: Flags, *, partial_sight: bool) -> None:
    """Whether flags are what they can be, and fit together.

    Raises:
        InputError: if not, naming the flag, its value and a valid choice.
    """
    for field in dataclasses.fields(Flags):
        value = getattr(flags, field.name)
        if isinstance(field.default, bool) and not isinstance(value, bool):
            raise InputError(f"{field.name}={value!r} is neither True nor False")
    if flags.state_kind not in STATES:
        raise unknown("state_kind", flags.state_kind, STATES)
    if type(flags.num_fov_actions) is not int or flags.num_fov_actions < 2:
        raise InputError(f"num_fov_actions={flags.num_fov_actions!r} is no number of directions from 2 on")
    if flags.num_fov_actions != Flags.num_fov_actions and not flags.conic_fov:
        raise InputError(f"num_fov_actions={flags.num_fov_actions} without a cone means nothing; set conic_fov=True")
    if flags.conic_fov and not partial_sight:
        raise InputError("conic_fov=True contradicts partial_sight=False, by which everything near is seen; "
                         "set partial_sight=True")  # fmt: skip

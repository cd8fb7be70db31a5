"""Which features a battle has, in which order, and where each lies: sizes follow from that.

With [..] where a map has shields, or several kinds, and <..> where a flag asks for it:

- observation: 4 move bits, <8 cells that can be walked on>, <9 heights>; per enemy attackable, distance, dx, dy,
  health, [shield], [kind]; per mate visible, distance, dx, dy, health, [shield], [kind], <last action>; own health,
  [shield], [x, y in SMACv2], <direction of the cone>, [kind]; <step over the limit>.
- state: per ally health, cooldown or energy, dx, dy to the centre, [shield], <direction of the cone>, [kind]; per enemy
  health, dx, dy, [shield], [kind]; last actions, one-hot; <step over the limit>.
- agent-specific state, of each agent as in HARL (Zhong et al. 2024, arXiv 2304.09870; its state type FP): per mate
  visible, distance, dx, dy, cooldown or energy, health, [shield], dx, dy to the centre, [kind], last action; per enemy
  attackable, distance, dx, dy, visible, health, [shield], [kind], dx, dy to the centre; 4 move bits; own 1, 0, 0, 0,
  health, [shield], dx, dy to the centre, [kind], last action; index; <step over the limit>. It holds what is out of
  sight, too, so that distances pass 1.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from jaxvf.envs.combat import units
from jaxvf.envs.combat.dynamics import FIRST_TARGET, MOVES
from jaxvf.envs.combat.flags import SMAC_FLAGS, Flags
from jaxvf.envs.combat.maps import Map
from jaxvf.envs.combat.sight import SIGHT
from jaxvf.envs.combat.terrain import AROUND
from jaxvf.envs.combat.units import WORLD, CombatParams
from jaxvf.envs.storage import BIT, FRACTION, SIGNED, Span

Spans = tuple[Span, ...]
PLACE = (Span(-0.5, 0.5),) * 2  # from the centre, over the width of the map
CHARGE = Span(0.0, 2.0)  # SMAC divides cooldowns by less than the longest of them


@dataclasses.dataclass(frozen=True)
class Layout:
    """The features of a battle."""

    battle: Map
    flags: Flags = SMAC_FLAGS

    def _shields(self, groups: Sequence[Sequence[Any]]) -> bool:
        kinds = self.battle.kinds if self.battle.race else tuple(group[0] for group in groups)
        return any(units.PROTOSS[units.ID[kind]] for kind in kinds)

    @property
    def ally_shield(self) -> bool:
        """Allies' shields are a feature."""
        return self._shields(self.battle.allies)

    @property
    def enemy_shield(self) -> bool:
        """Enemies' shields are a feature."""
        return self._shields(self.battle.enemies)

    @property
    def kinds(self) -> tuple[int, ...]:
        """The kinds that have a bit; none where both sides are of one kind each."""
        each_one = all(len({group[0] for group in side}) == 1 for side in (self.battle.allies, self.battle.enemies))
        alone = each_one and not self.battle.race
        return () if alone else tuple(units.ID[kind] for kind in self.battle.kinds)

    @property
    def first_target(self) -> int:
        """Number of the action that attacks enemy 0: after no-op, stop, moves, and turns where there is a cone."""
        return FIRST_TARGET + self.flags.directions

    @property
    def n_actions(self) -> int:
        """No-op, stop, four moves, turns, and a target each."""
        heals = "medivac" in self.battle.kinds
        return self.first_target + max(self.battle.n_enemies, self.battle.n_allies if heals else 0)

    @property
    def obs_spans(self) -> Spans:
        """Where each feature of an observation lies."""
        battle, flags = self.battle, self.flags
        near = (BIT, FRACTION, SIGNED, SIGNED)
        enemy = near + self._vitals(self.enemy_shield) + self._bits
        mate = near + self._vitals(self.ally_shield) + self._bits + self._actions(flags.obs_last_action)
        own = self._vitals(self.ally_shield) + (FRACTION,) * 2 * bool(battle.race) + self._facing + self._bits
        pathing = (BIT,) * (len(AROUND) - 1) * flags.obs_pathing_grid
        moves = (BIT,) * len(MOVES) + pathing + (FRACTION,) * len(AROUND) * flags.obs_terrain_height
        sides = enemy * battle.n_enemies + mate * (battle.n_allies - 1)
        return moves + sides + own + (FRACTION,) * flags.obs_timestep_number

    @property
    def state_spans(self) -> Spans:
        """Where each feature of the state lies."""
        if self.flags.state_kind == "agent_specific":
            return self._agent_state * self.battle.n_allies
        battle = self.battle
        ally = (FRACTION, CHARGE, *PLACE, *self._vitals(self.ally_shield)[1:], *self._facing, *self._bits)
        enemy = (FRACTION, *PLACE, *self._vitals(self.enemy_shield)[1:], *self._bits)
        sides = ally * battle.n_allies + enemy * battle.n_enemies
        return sides + self._actions(True) * battle.n_allies + self._time

    @property
    def _agent_state(self) -> Spans:
        # Of seeing nobody closer than it must: sweeps over sight are clipped where they exceed this.
        far = WORLD / (float(CombatParams().sight.min()) if self.battle.race else SIGHT)
        between = (Span(0.0, math.sqrt(2) * far), Span(-far, far), Span(-far, far))
        mates = BIT, *between, CHARGE, *self._vitals(self.ally_shield), *PLACE, *self._bits, *self._actions(True)
        enemy = BIT, *between, BIT, *self._vitals(self.enemy_shield), *self._bits, *PLACE
        own = (BIT,) * 4 + self._vitals(self.ally_shield) + PLACE + self._bits + self._actions(True)
        n = self.battle.n_allies
        moves = (BIT,) * len(MOVES)
        return mates * (n - 1) + enemy * self.battle.n_enemies + moves + own + (BIT,) * n + self._time

    @staticmethod
    def _vitals(shield: bool) -> Spans:
        return (FRACTION,) * (1 + shield)

    @property
    def _bits(self) -> Spans:
        return (BIT,) * len(self.kinds)

    @property
    def _facing(self) -> Spans:
        return (SIGNED,) * 2 * self.flags.conic_fov

    @property
    def _time(self) -> Spans:
        return (FRACTION,) * self.flags.state_timestep_number

    def _actions(self, shown: bool) -> Spans:
        return (BIT,) * self.n_actions * shown

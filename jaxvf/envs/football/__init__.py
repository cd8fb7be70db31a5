"""Football: the academy scenarios of Google Research Football as a light game of the same decisions, not its engine.

Sources, which modules below name briefly:

- Google Research Football: Kurach et al. 2020, arXiv 1907.11180; github.com/google-research/football: scenarios,
  actions, passes, the ball, the keeper's positions, checkpoint rewards, simple115.
- CDS: Li et al. 2021, arXiv 2106.02195; github.com/lich14/CDS: the observation, reward and ends of value learners.
- HARL: Zhong et al. 2023, arXiv 2304.09870; MAPPO: Yu et al. 2022, arXiv 2103.01955: simple115 and checkpoints.

Bodies are points with bounded acceleration; duels, saves and the errors of kicks are drawn. What was chosen is said in
`docs/papers/football.md`. Results are of this game: call them jaxvf's football, never GRF.
"""

from jaxvf.envs.football.football import Football
from jaxvf.envs.football.numbers import FootballParams
from jaxvf.envs.football.scenarios import SCENARIOS, Scenario
from jaxvf.envs.football.scripts import SCRIPTS
from jaxvf.envs.football.state import FootballState

__all__ = ["SCENARIOS", "SCRIPTS", "Football", "FootballParams", "FootballState", "Scenario"]

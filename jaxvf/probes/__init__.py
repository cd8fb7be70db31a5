"""Probes of an environment: whether policies need their history there, and what they reach without looking.

Sources, cited below by author and year:

- Tessera et al. 2026 ("Probing Dec-POMDP Reasoning in Cooperative MARL"), arXiv 2602.20804: the gap between policies
  with and without memory, and the five measures of information; code: github.com/KaleabTessera/probing-dec-pomdps.
- Ellis et al. 2022 (SMACv2), arXiv 2212.07489: open-loop control, a policy of the step and the agent's index alone.

What a probe says is about policies that a small budget trains, not about the best ones.
"""

from jaxvf.probes.information import Measure, measures
from jaxvf.probes.probe import ProbeSettings, probe
from jaxvf.probes.table import ProbeTable, page

__all__ = ["Measure", "ProbeSettings", "ProbeTable", "measures", "page", "probe"]

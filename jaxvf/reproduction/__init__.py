"""What experiments share: scales, the plan with its estimated time, training, captions (`jaxvf reproduce`)."""

from jaxvf.reproduction.captions import IQM, MEAN, SCORE, UNIFORM, caption, facts_of, findings, percent, steps_text
from jaxvf.reproduction.plan import agree, train
from jaxvf.reproduction.scale import OWN, SMALL, Scale, choose

__all__ = [
    "IQM",
    "MEAN",
    "OWN",
    "SCORE",
    "SMALL",
    "UNIFORM",
    "Scale",
    "agree",
    "caption",
    "choose",
    "facts_of",
    "findings",
    "percent",
    "steps_text",
    "train",
]

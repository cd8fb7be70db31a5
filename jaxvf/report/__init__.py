"""Sweeps as one self-contained HTML page: the answer first, then every figure, run and setting it rests on."""

from jaxvf.report.page import write

__all__ = ["write"]

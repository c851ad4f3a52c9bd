"""Numbers over a dataset or an experiment; plain Python, no Django."""

from scoring.statistics.fixcost import FixCost, fixcost_of
from scoring.statistics.shares import Share, shares_of

__all__ = ["FixCost", "Share", "fixcost_of", "shares_of"]

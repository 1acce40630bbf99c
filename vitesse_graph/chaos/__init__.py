"""Breaking integrations on purpose: is it noticed, understood, and healed or rightly handed over?

Both APIs are sandboxes of their documents; reader, mapper, runtime, database, monitor, diagnosis and
repair are the product's own. Nothing that is deployed is touched.
"""

from vitesse_graph.chaos.cases import CASES, Case
from vitesse_graph.chaos.matrix import Asked, cases_named, run_matrix
from vitesse_graph.chaos.report import HEADINGS, Outcome, render, rows, summary, totals

__all__ = [
    "CASES",
    "HEADINGS",
    "Asked",
    "Case",
    "Outcome",
    "cases_named",
    "render",
    "rows",
    "run_matrix",
    "summary",
    "totals",
]

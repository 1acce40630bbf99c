"""The health score, precisely.

    health = success_rate × 70 + endpoint_coverage × 30        out of 100

* success_rate: of the records tried, those that the destination took, against those plus the ones
  that failed. A record rightly refused (see `verdict`) is in neither. Where the source could not be
  read it is 0.
* endpoint_coverage: of the operations that the integration will use (the source's list, the
  destination's create, and its update and lookup where it has them), the share that succeeded at
  least once in this run.

Beside it: data_quality (share of destination values that keep the contract) and reliability (share
of calls answered with success). Hard fails stand apart and never pass, whatever the score: the
credential is refused or the API cannot be reached (critical issues), or a required destination
field is fed by nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from vitesse_graph.state.testing import Issue

SUCCESS_WEIGHT = 70.0
COVERAGE_WEIGHT = 30.0


def health_score(success_rate: float, endpoint_coverage: float) -> float:
    """0..100, rounded to two decimals."""
    return round(success_rate * SUCCESS_WEIGHT + endpoint_coverage * COVERAGE_WEIGHT, 2)


def endpoint_coverage(planned: Sequence[str], succeeded: set[str]) -> float:
    """Share of the planned operations that succeeded; 0 when none was planned."""
    wanted = set(planned)
    return len(wanted & succeeded) / len(wanted) if wanted else 0.0


def hard_fails(issues: Sequence[Issue]) -> list[str]:
    """One line for each critical issue."""
    return [f"{issue.message}: {issue.remedy}" for issue in issues if issue.critical]

"""The `st` command as the contract test runs it: mended where it breaks, and quicker.

- `many.more()` became iteration in hypothesis 6.170; hypothesis-jsonschema still calls it.
- For each value of a wrong type the coverage phase starts a whole hypothesis run, and throws away
  all but the first value that it accepts: four fifths of the time. Here it is drawn directly.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from random import Random
from typing import Any

from hypothesis.control import BuildContext
from hypothesis.errors import HypothesisException, StopTest
from hypothesis.internal.conjecture.choice import ChoiceTemplate
from hypothesis.internal.conjecture.data import ConjectureData
from hypothesis.internal.conjecture.utils import many
from schemathesis.generation.hypothesis import examples

TRIES = 50


def _more(self: Any) -> bool:
    if self._depth is None:
        self.__enter__()
        self._going_on = iter(self)
    try:
        next(self._going_on)
    except StopIteration:
        self.__exit__(None)
        return False
    return True


def _first_of(whole_run: Callable[..., Any]) -> Callable[..., Any]:
    """The simplest value, as a run would try it first, else a random one that is not filtered out."""

    def generate_one(strategy: Any, suppress_health_check: list[Any] | None = None) -> Any:
        for attempt in range(TRIES):
            data = (
                ConjectureData(random=Random(attempt))
                if attempt
                else ConjectureData.for_choices((ChoiceTemplate("simplest", count=None),))
            )
            try:
                with BuildContext(data, wrapped_test=generate_one):
                    return data.draw(strategy)
            except (StopTest, HypothesisException):
                continue
        return whole_run(strategy, suppress_health_check)

    return generate_one


if __name__ == "__main__":
    if not hasattr(many, "more"):
        many.more = _more
    examples.generate_one = _first_of(examples.generate_one)
    from schemathesis.cli import schemathesis

    sys.exit(schemathesis())

"""The `st` command as the contract test runs it: mended where it breaks, and quicker.

- `many.more()` became iteration in hypothesis 6.170; hypothesis-jsonschema still calls it.
- For each value of a wrong type the coverage phase starts a whole hypothesis run, and throws away
  all but the first value that it accepts: four fifths of the time. Here it is drawn directly.
- Where no such value exists (a header that is no text) that run tries hundreds of times before it says
  so: four fifths of what was left. Here a hundred draws without a value say it.
"""

from __future__ import annotations

import sys
from random import Random
from typing import Any

from hypothesis.control import BuildContext
from hypothesis.errors import HypothesisException, StopTest, Unsatisfiable
from hypothesis.internal.conjecture.choice import ChoiceTemplate
from hypothesis.internal.conjecture.data import ConjectureData
from hypothesis.internal.conjecture.utils import many
from schemathesis.generation.hypothesis import examples

TRIES = 100


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


def first_of(strategy: Any, suppress_health_check: list[Any] | None = None) -> Any:
    """The simplest value, as a run would try it first, else a random one that is not filtered out.

    Raises Unsatisfiable, as a run would.
    """
    for attempt in range(TRIES):
        data = (
            ConjectureData(random=Random(attempt))
            if attempt
            else ConjectureData.for_choices((ChoiceTemplate("simplest", count=None),))
        )
        try:
            with BuildContext(data, wrapped_test=first_of):
                return data.draw(strategy)
        except (StopTest, HypothesisException):
            continue
    raise Unsatisfiable("no value is accepted")


if __name__ == "__main__":
    if not hasattr(many, "more"):
        many.more = _more
    examples.generate_one = first_of
    from schemathesis.cli import schemathesis

    sys.exit(schemathesis())

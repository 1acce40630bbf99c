"""The `st` command, where the installed hypothesis has outgrown hypothesis-jsonschema.

`many.more()` became iteration in hypothesis 6.170; the generator of JSON values still calls it.
"""

from __future__ import annotations

import sys
from typing import Any

from hypothesis.internal.conjecture.utils import many


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


if __name__ == "__main__":
    if not hasattr(many, "more"):
        many.more = _more
    from schemathesis.cli import schemathesis

    sys.exit(schemathesis())

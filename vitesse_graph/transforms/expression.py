"""JSONata expressions: the one language in which a mapping may hold code."""

from __future__ import annotations

import logging
import threading
from typing import Any

from vitesse_graph.errors import MappingError
from vitesse_graph.transforms.registry import Apply
from vitesse_graph.transforms.result import TransformProblem

MAX_LENGTH = 4_000
TIMEOUT_MS = 250
MAX_DEPTH = 100


def expression_function(text: Any) -> Apply:
    """The function of one value for an expression. Raises MappingError where it does not parse."""
    if not isinstance(text, str) or not text.strip() or len(text) > MAX_LENGTH:
        raise MappingError(f"expression must be a text of 1 to {MAX_LENGTH} characters")
    import jsonata

    try:
        compiled = jsonata.Jsonata.jsonata(text, timeout=TIMEOUT_MS, stack=MAX_DEPTH)
    except Exception as error:
        raise MappingError(f"expression does not parse: {str(error)[:200]}") from error
    lock = threading.Lock()

    def evaluate(value: Any) -> Any:
        with lock:
            try:
                return compiled.evaluate(value)
            except Exception as error:  # noqa: BLE001 - as above; none may reach the record's row
                logging.getLogger(__name__).debug("expression failed: %s", type(error).__name__)
                raise TransformProblem("the expression failed on this value") from None

    return evaluate

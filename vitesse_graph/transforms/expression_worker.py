"""The process in which JSONata expressions run. Started by `expression`, by path, alone.

It reads one JSON line `[expression, value]` and writes one: `[true, result]` or `[false]`. Memory
is limited by the system; time by whoever started it, who kills it. It imports nothing of ours.
"""

import contextlib
import functools
import json
import resource
import sys

MEMORY_BYTES = 1 << 30
STACK = 200
TIMEOUT_MS = 2_000


@functools.lru_cache(maxsize=256)
def compiled(text):  # type: ignore[no-untyped-def]
    import jsonata

    return jsonata.Jsonata.jsonata(text, timeout=TIMEOUT_MS, stack=STACK)


def main() -> None:
    import jsonata  # noqa: F401 - before the first request's clock runs

    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    answer = sys.stdout
    sys.stdout = sys.stderr
    answer.write("ready\n")
    answer.flush()
    for line in sys.stdin:
        try:
            text, value = json.loads(line)
            result = json.dumps([True, compiled(text).evaluate(value)])
        except Exception:  # noqa: BLE001 - whatever an expression raises; its text may hold the value
            result = "[false]"
        answer.write(result + "\n")
        answer.flush()


if __name__ == "__main__":
    main()

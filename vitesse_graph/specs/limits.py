"""How fast one may call, as a document declares it: extensions first, then prose."""

from __future__ import annotations

import re
from typing import Any

from vitesse_graph.specs.operations import RawOperation, Reader
from vitesse_graph.specs.words import squash
from vitesse_graph.state.api_spec import RateLimit

_SECONDS = {
    "s": 1.0, "sec": 1.0, "second": 1.0, "m": 60.0, "min": 60.0, "minute": 60.0, "h": 3600.0, "hr": 3600.0,
    "hour": 3600.0, "d": 86_400.0, "day": 86_400.0,
}  # fmt: skip
MAX_PROSE = 20_000
"""Characters of one description that are searched: what comes later is no statement of limits."""
_NUMBERS = {
    "two": 2,
    "three": 3,
    "five": 5,
    "ten": 10,
    "fifteen": 15,
    "twenty": 20,
    "thirty": 30,
    "sixty": 60,
}
_UNIT = rf"(?:(?P<n>\d{{1,6}}|{'|'.join(_NUMBERS)})[- ]?)?(?P<unit>seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|s|m|h|d)\b"
_COUNT = r"(?<![\d.,])(?P<count>\d{1,3}(?:,\d{3}){1,3}|\d{1,9}(?:\.\d{1,6})?)"
_SHORT = re.compile(_COUNT + r"\s*(?:r|req|requests?|calls?)?\s*/\s*" + _UNIT, re.IGNORECASE)
_PER = re.compile(
    _COUNT + r"\s+(?:api\s+|http\s+)?(?:requests?|calls?|queries|hits|times|messages|uploads|operations)"
    r"(?:\s+(?:can|may|will)\s+be\s+(?:made|sent))?"
    r"(?:\s+(?:per|for each|by)\s+(?!second|minute|hour|day)[\w -]{1,40}?)?"
    r"\s*(?:per|every|each|an?|in an?|in any|within|in|/)\s+(?:(?:period of|rolling|one|an?|any)\s+)?"
    + _UNIT,
    re.IGNORECASE,
)
_BARE = re.compile(
    r"\b(?:requests|calls|traffic|clients?|rates?|limits?|usage)\b[^.\n]{0,60}?\b(?:limited|throttled|restricted|capped|limit)\s+"
    r"(?:to|of|at|is)\s+" + _COUNT + r"\s+(?:per|every|an?)\s+" + _UNIT,
    re.IGNORECASE,
)
"""`Requests are limited to 3,600 per hour`: what is counted stands before."""
_ABBREVIATED = re.compile(_COUNT + r"\s*(?P<abbreviation>QPS|RPS|TPS|QPM|RPM|RPH)\b")
_TIMES = re.compile(
    r"\b(?P<word>once|twice|three times)\b(?:\s+per\s+\w+)?\s+(?:in|per|every|within|each)\s+(?:a|an|any)?\s*"
    + _UNIT,
    re.IGNORECASE,
)
_TABLE = re.compile(
    r"^\s*\|[^|\n]*\brequests? per (?P<unit>second|minute|hour|day)\b[^|\n]*\|(?:\s*(?P<b>burst)[^|\n]*\|)?[^\n]*\n"
    r"\s*\|[ :|-]+\n\s*\|\s*(?P<rate>\d{1,9}(?:\.\d{1,6})?)\s*\|(?:\s*(?P<burst>\d{1,9})\s*\|)?",
    re.IGNORECASE | re.MULTILINE,
)
"""A Markdown table whose first column is the rate (and the second the burst)."""
_WORDS = {"once": 1.0, "twice": 2.0, "three times": 3.0}
_HINTS = (
    "per second", "per minute", "per hour", "per day", "/s", "/m", "/h", "rate limit", "throttl", "requests",
    "calls", "limited to", "qps", "rpm", "rps", "twice", "once per", "once in", "once every", "three times",
)  # fmt: skip
"""What a sentence about limits holds, lower case; plain search, as it runs over every description."""
_ABOUT_CALLS = re.compile(
    r"rate|limit|quota|thrott|qps|request|call|burst|steady|quer|changed|maximum of|no more than",
    re.IGNORECASE,
)


def parse_limit(text: str) -> RateLimit | None:
    """The limit that a phrase names (`2 requests per second`, `75/s`, `twice in a 24 hour …`), or None."""
    short = _ABBREVIATED.search(text)
    if short is not None and float(short["count"].replace(",", "")) > 0:
        return RateLimit(
            requests=float(short["count"].replace(",", "")),
            per_seconds=_SECONDS[short["abbreviation"][2].lower()],
            evidence=short.group(0),
        )
    found = _PER.search(text) or _SHORT.search(text) or _BARE.search(text)
    if found is not None:
        count = float(found["count"].replace(",", ""))
    else:
        found = _TIMES.search(text)
        if found is None:
            return None
        count = _WORDS[found["word"].lower()]
    unit = found["unit"].lower()
    seconds = _SECONDS.get(unit) or _SECONDS.get(unit.rstrip("s"))
    if seconds is None or count <= 0:
        return None
    return RateLimit(requests=count, per_seconds=seconds * _number(found["n"]), evidence=found.group(0)[:160])


def _number(text: str | None) -> float:
    return 1.0 if text is None else float(_NUMBERS.get(text.lower(), 0) or text)


def _may_tell(text: str) -> bool:
    lower = text.lower()
    for hint in _HINTS:  # noqa: SIM110 - three times as fast as `any`, and this runs over all prose
        if hint in lower:
            return True
    return False


class LimitReader:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._said_by: dict[int, RateLimit | None] = {}
        """What a response or header says, by node: thousands of operations share one."""
        self.announced: dict[str, None] = {}
        """Names of the headers by which the API tells its limits at run time."""

    def for_api(self) -> RateLimit | None:
        """The limit of the whole API: an extension at the root or in `info`, or prose of its description."""
        resolver = self._reader.resolver
        info = resolver.mapping(resolver.root.get("info"))
        for holder in (resolver.root, info):
            found = self._extension(holder)
            if found is not None:
                return found
        return self._prose(resolver.text(info.get("description")))

    def for_operation(self, raw: RawOperation) -> RateLimit | None:
        found = self._extension(raw.operation)
        if found is None:
            text = raw.operation.get("description")
            found = self._prose(text) if type(text) is str else None
        return found or self._from_responses(raw)

    def _extension(self, holder: dict[str, Any]) -> RateLimit | None:
        """`x-ratelimit…` in any of the shapes seen: a text, {burst, steady}, {limit, period}."""
        for key, value in holder.items():
            if type(key) is not str or not key.startswith("x-"):
                continue
            name = squash(key)
            if "ratelimit" not in name and "throttl" not in name:
                continue
            if type(value) is dict:
                value = self._reader.resolver.deref(value)
            found = _from_value(value, key)
            if found is not None:
                return found
        return None

    def _prose(self, text: str) -> RateLimit | None:
        text = text[:MAX_PROSE]
        if not text or not _may_tell(text):
            return None
        table = _TABLE.search(text)
        if table is not None:
            return RateLimit(
                requests=float(table["rate"]),
                per_seconds=_SECONDS[table["unit"].lower()],
                burst=int(table["burst"]) if table["burst"] else None,
                evidence=f"description: {table['rate']} requests per {table['unit']} (table)",
            )
        for sentence in re.split(r"(?<=[.!?])\s|\n\n", text):
            if _may_tell(sentence) and _ABOUT_CALLS.search(sentence):
                found = parse_limit(sentence.replace("`", "").replace("*", ""))
                if found is not None:
                    found.evidence = f"description: {found.evidence}"
                    return found
        return None

    def _from_responses(self, raw: RawOperation) -> RateLimit | None:
        """What the 429 answer says, else what a `RateLimit…` header of any answer is described as."""
        resolver = self._reader.resolver
        responses = resolver.mapping(raw.operation.get("responses"))
        node = responses.get("429", responses.get(429))
        if node is not None:
            key = id(node)
            if key not in self._said_by:
                text = resolver.text(resolver.mapping(node).get("description"))
                found = self._prose(text) if text else None
                if found is not None:
                    found.evidence = f"429 {found.evidence}"
                self._said_by[key] = found or self._from_headers(resolver.mapping(node))
            if self._said_by[key] is not None:
                return self._said_by[key]
        for status, node in responses.items():
            if str(status)[:1] != "2":
                continue
            response = resolver.mapping(node)
            if "headers" in response:
                return self._from_headers(response)
        return None

    def _from_headers(self, response: dict[str, Any]) -> RateLimit | None:
        """`X-RateLimit-Limit: 5000 requests per hour …`, by its description or its schema's."""
        resolver = self._reader.resolver
        for name, node in resolver.mapping(response.get("headers")).items():
            short = squash(str(name))
            if "ratelimit" not in short and "throttl" not in short:
                continue
            self.announced.setdefault(str(name))
            key = id(node)
            if key not in self._said_by:
                header = resolver.mapping(node)
                schema = resolver.mapping(header.get("schema"))
                texts = (header.get("description"), schema.get("description"))
                found = next((f for t in texts if type(t) is str and (f := self._prose(t))), None)
                if found is not None:
                    found.evidence = f"header {name}: {found.evidence.removeprefix('description: ')}"
                self._said_by[key] = found
            if self._said_by[key] is not None:
                return self._said_by[key]
        return None


def _from_value(value: Any, key: str) -> RateLimit | None:
    if type(value) is str:
        found = parse_limit(value)
    elif type(value) is dict:
        found = _from_parts({squash(str(k)): v for k, v in value.items()})
    else:
        return None
    if found is not None:
        found.evidence = f"{key}: {value}"[:200]
    return found


def _from_parts(parts: dict[str, Any]) -> RateLimit | None:
    """{burst: "75/s", steady: "750/m"}: the steady rate is the limit, the burst's count its burst."""
    steady = next(
        (
            parse_limit(v)
            for k, v in parts.items()
            if type(v) is str and k in ("steady", "sustained", "rate", "limit")
        ),
        None,
    )
    burst = parse_limit(parts["burst"]) if type(parts.get("burst")) is str else None
    if steady is not None:
        steady.burst = int(burst.requests) if burst is not None else None
        return steady
    if burst is not None:
        return burst
    count = next(
        (
            v
            for k, v in parts.items()
            if k in ("limit", "requests", "max", "count", "rate", "quota") and isinstance(v, int | float)
        ),
        None,
    )
    period = next(
        (
            v
            for k, v in parts.items()
            if k in ("period", "window", "interval", "per", "unit", "perseconds", "windowseconds")
        ),
        None,
    )
    if count is None or isinstance(count, bool) or period is None:
        return None
    if isinstance(period, int | float):
        return RateLimit(requests=float(count), per_seconds=float(period))
    return parse_limit(f"{count}/{period}")

"""What was called and how it went: counts, latencies, samples, and the issues recognised in them."""

from __future__ import annotations

import json
import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, Literal

from vitesse_graph.guardian.targets import Answer, Call
from vitesse_graph.state.testing import Issue, IssueKind, LatencyStats, ShadowCall

SideName = Literal["source", "dest"]
MAX_SAMPLES = 10
_BODY_CHARACTERS = 2_000
_CRITICAL_SHARE = 0.2
_SECRET = re.compile(
    r"authorization|cookie|passw|secret|token|api_?key|access_?key|client_?key|signature|credential|private_?key|ssn",
    re.IGNORECASE,
)
_HARMLESS: tuple[Any, ...] = (None, True, False, "", [], {})
# A credential inside a text: `Bearer …`, `Basic …` in base64, `https://x.example/?access_token=…`.
_IN_TEXT = re.compile(
    r"(\bbearer +|\bbasic +(?=[a-z0-9+/]*[0-9=])(?=[a-z0-9+/=]{8})"
    r"|[?&][\w.\-]*(?:token|secret|passw|api_?key|access_?key|signature)[\w.\-]*=)[^\s&\"']+",
    re.IGNORECASE,
)

_REMEDIES: dict[IssueKind, str] = {
    "auth": "check the credential and its scopes, or authorise the connection again",
    "rate_limit": "lower the concurrency or the schedule, or ask the vendor for a higher limit",
    "schema_mismatch": "map again with the findings, or mend the named fields by hand",
    "connectivity": "check the base URL, the network and the certificate",
    "timeout": "try smaller pages or batches, or raise the time limit",
    "server_error": "try again later; if it stays, report it to the vendor with the samples",
    "required_unfed": "give the field a source or a constant",
}
_WORDS: dict[IssueKind, str] = {
    "auth": "the {side} refuses the credential",
    "rate_limit": "the {side} limits the number of requests",
    "schema_mismatch": "the {side} refuses requests as malformed",
    "connectivity": "the {side} cannot be reached",
    "timeout": "the {side} does not answer in time",
    "server_error": "the {side} answers with errors of its own",
    "required_unfed": "the {side} demands a field that nothing feeds",
}


def kind_of(answer: Answer) -> IssueKind | None:
    """What an answer that did not succeed tells; None for a success or a plain 404."""
    if answer.status is None:
        return "timeout" if answer.fault == "timeout" else "connectivity"
    if answer.status in (401, 403):
        return "auth"
    if answer.status == 429:
        return "rate_limit"
    if answer.status in (400, 415, 422):
        return "schema_mismatch"
    if answer.status in (408, 504):
        return "timeout"
    return "server_error" if answer.status >= 500 else None


class CallBook:
    """All calls of a run, in bounded memory: times per endpoint, counts, at most ten samples."""

    def __init__(self) -> None:
        self.made = 0
        self.succeeded = 0
        self.by_endpoint: Counter[str] = Counter()
        self.good_endpoints: set[str] = set()
        self.errors: Counter[str] = Counter()
        self.kinds: Counter[tuple[SideName, IssueKind]] = Counter()
        self._times: dict[str, array[float]] = defaultdict(lambda: array("d"))
        self._bad: list[ShadowCall] = []
        self._good: list[ShadowCall] = []
        self.headroom: dict[SideName, float] = {}
        """The smallest share of its rate limit that a side said was left."""
        self._kinds_at: Counter[tuple[SideName, IssueKind, str]] = Counter()
        self._failing_in_a_row: Counter[tuple[SideName, IssueKind]] = Counter()

    def note(
        self,
        side: SideName,
        call: Call,
        answer: Answer,
        failing_field: str | None = None,
        *,
        may_be_refused: bool = False,
    ) -> ShadowCall | None:
        """Counts a call; returns it as a sample where one was kept.

        `may_be_refused`: a record that nobody promises to take; that it is called malformed is no issue.
        """
        key = call.key or f"{call.method} {call.path}"
        self.made += 1
        self.by_endpoint[key] += 1
        kind = None
        if answer.status is not None:
            self._times[key].append(answer.seconds)
        if answer.ok:
            self.succeeded += 1
            self.good_endpoints.add(key)
            self._failing_in_a_row.clear()
            if len(self._good) >= MAX_SAMPLES // 2:
                return None
        else:
            kind = kind_of(answer)
            self.errors[str(answer.status) if answer.status is not None else str(answer.fault)] += 1
            if kind is not None and not (may_be_refused and kind == "schema_mismatch"):
                self.kinds[(side, kind)] += 1
                self._kinds_at[(side, kind, key)] += 1
                self._failing_in_a_row[(side, kind)] += 1
            if len(self._bad) >= MAX_SAMPLES:
                return None
        sample = shadow_call(side, call, answer, failing_field)
        (self._good if answer.ok else self._bad).append(sample)
        return sample

    def gives_up(self, side: SideName) -> bool:
        """Whether calling on makes no sense: five refusals of the credential, or ten dead ends, in a row."""
        return (
            self._failing_in_a_row[(side, "auth")] >= 5
            or self._failing_in_a_row[(side, "connectivity")] >= 10
        )

    def _dominates(self, side: SideName, kind: IssueKind) -> bool:
        """Whether a fifth of the calls to any one operation (and not a single one of several) ended so."""
        return any(
            count / self.by_endpoint[key] >= _CRITICAL_SHARE and (count > 1 or self.by_endpoint[key] == 1)
            for (of, what, key), count in self._kinds_at.items()
            if (of, what) == (side, kind)
        )

    def note_limit(self, side: SideName, headers: Mapping[str, str]) -> None:
        """Takes in what a real API says of its rate limit."""
        left = rate_left(headers)
        if left is not None:
            self.headroom[side] = min(left, self.headroom.get(side, 1.0))

    def samples(self) -> list[ShadowCall]:
        """At most ten: failures first."""
        return [*self._bad, *self._good][:MAX_SAMPLES]

    def latency(self) -> list[LatencyStats]:
        """Percentiles by endpoint, in the order of first use."""
        return [
            LatencyStats(
                endpoint=key,
                calls=len(times),
                p50_ms=_percentile(ordered, 0.5),
                p95_ms=_percentile(ordered, 0.95),
                p99_ms=_percentile(ordered, 0.99),
            )
            for key, times in self._times.items()
            if (ordered := sorted(times))
        ]

    def issues(self) -> list[Issue]:
        """Recognised problems by side. Credentials and dead connections are critical once they dominate."""
        found = []
        for (side, kind), count in self.kinds.most_common():
            critical = kind in ("auth", "connectivity") and (
                self._dominates(side, kind) or self.gives_up(side)
            )
            name = "source" if side == "source" else "destination"
            found.append(
                Issue(
                    kind=kind, side=side, message=_WORDS[kind].format(side=name), remedy=_REMEDIES[kind], count=count,
                    critical=critical,
                )
            )  # fmt: skip
        return found


def rate_left(headers: Mapping[str, str]) -> float | None:
    """The share of the rate limit that is left, from the headers that vendors use; None where none says so."""
    used, _, whole = headers.get("x-shopify-shop-api-call-limit", "").partition("/")
    if used.isdigit() and whole.isdigit() and int(whole):
        return max(0.0, 1 - int(used) / int(whole))
    for prefix in ("x-ratelimit", "x-rate-limit", "ratelimit"):
        left, limit = headers.get(f"{prefix}-remaining", ""), headers.get(f"{prefix}-limit", "")
        limit = limit.split(",")[0].split(";")[0].strip()
        if left.strip().isdigit() and limit.isdigit() and int(limit):
            return min(1.0, int(left) / int(limit))
    return None


def required_issue(path: str) -> Issue:
    """The issue of a required destination field that nothing feeds."""
    return Issue(
        kind="required_unfed", side="dest", critical=True, remedy=_REMEDIES["required_unfed"],
        message=f"the destination demands {path}, which nothing feeds",
    )  # fmt: skip


def _percentile(ordered: list[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 3)


def shadow_call(side: SideName, call: Call, answer: Answer, failing_field: str | None) -> ShadowCall:
    """One call as it is kept: secrets redacted, bodies capped, no credential headers."""
    return ShadowCall(
        side=side,
        endpoint=call.key or f"{call.method} {call.path}",
        method=call.method,
        status=answer.status,
        seconds=round(answer.seconds, 6),
        success=answer.ok,
        error=None if answer.ok else _error_text(answer),
        failing_field=failing_field,
        request=capped({"query": dict(call.query), "body": call.body} if call.query else call.body),
        response=capped(answer.value() if answer.raw else None),
    )


def _error_text(answer: Answer) -> str:
    if answer.status is None:
        return {"timeout": "no answer in time", "refused": "this address may not be called"}.get(
            answer.fault or "", "the connection failed"
        )
    return f"HTTP {answer.status}"


def capped(value: Any) -> Any:
    """The value with secrets redacted; a text cut short where it is large."""
    shown = redacted(value)
    text = json.dumps(shown, default=str, ensure_ascii=False)
    return shown if len(text) <= _BODY_CHARACTERS else text[:_BODY_CHARACTERS] + " …"


def redacted(value: Any) -> Any:
    """A copy in which fields whose names speak of secrets hold `***`; what no sample could show is left out."""
    return _redacted(value, [_BODY_CHARACTERS])


def _redacted(value: Any, left: list[int]) -> Any:
    # Each value takes two characters at least: once that many were taken, the text is cut before them.
    left[0] -= 2
    if left[0] < 0:
        return None
    if isinstance(value, dict):
        return {
            key: "***" if _SECRET.search(str(key)) and inner not in _HARMLESS else _redacted(inner, left)
            for key, inner in value.items()
            if left[0] >= 0
        }
    if isinstance(value, list):
        return [_redacted(inner, left) for inner in value if left[0] >= 0]
    if isinstance(value, str):
        return _IN_TEXT.sub(r"\1***", value)
    return value

"""A few live questions to both APIs, and what the answers say.

Probes only read: the source's own read with a small page, a harmless GET at the destination, and,
where something moved, the candidates for its new place. A credential goes only to the origin that
it was given for: another address is asked without one (a 401 from there says enough).
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urljoin, urlsplit

from pydantic import Field

from vitesse_graph.errors import RefusedAddress
from vitesse_graph.healing.impact import Side
from vitesse_graph.healing.observed import observe_drift
from vitesse_graph.healing.profiles import (
    MIN_PROFILE_RECORDS,
    RecordProfile,
    Shift,
    compare_profiles,
    profile_records,
)
from vitesse_graph.state.base import Model
from vitesse_graph.state.health import DriftItem
from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.state.mapping import MappingLogic

if TYPE_CHECKING:
    import httpx

ProbeKind = Literal["read", "reach", "alternative"]
Fault = Literal["dns", "tls", "refused", "timeout", "broken", "forbidden_address"]

MAX_BODY_BYTES = 2_000_000
MAX_SAID = 2_000
MAX_NAMES = 300
USUALLY_SENT = 0.9
"""Share of records from which on a field counts as always sent."""
_SIGNALS: tuple[tuple[str, str], ...] = (
    ("expired", r"expired"),
    ("revoked", r"revoked|deactivated|disabled"),
    ("invalid_token", r"invalid[_ ](api[_ ]key|access[_ ]token|token|key|credentials)|unrecognized"),
    ("scope", r"insufficient|scope|permission|not (allowed|authori[sz]ed) to"),
    ("maintenance", r"maintenance|temporarily"),
    ("version", r"no longer supported|unsupported.{0,20}version|version.{0,20}(retired|unsupported)|sunset"),
    ("quota", r"quota|rate.?limit|too many requests"),
)


class Probe(Model):
    """One question and its answer. `target` is method and address without its query."""

    side: Side
    kind: ProbeKind
    target: str
    status: int | None = None
    """None: no answer came, `fault` says why."""
    fault: Fault | None = None
    seconds: float = 0.0
    signals: list[str] = Field(default_factory=list)
    """Words found in an error's body or headers: `expired`, `revoked`, `scope`, `maintenance`, …"""
    retry_after_seconds: float | None = None
    moved_to: str | None = None
    """Address that a redirect or a successor link names, without its query."""
    records: int | None = None
    """Records in the answer, where it was read for records."""
    drift: list[DriftItem] = Field(default_factory=list)
    """How those records differ from their schema."""
    shifts: list[Shift] = Field(default_factory=list)
    """How they differ from the records of a good day."""
    profile: RecordProfile | None = None
    """Their own figures, where there was nothing to compare them with."""
    said: str = Field(default="", repr=False, exclude=True)
    """Beginning of an error's body, for a reader who takes values out of it; never shown or kept."""
    names: list[str] = Field(default_factory=list)
    """Names of members in the records of an answer, at any depth."""
    notices: list[str] = Field(default_factory=list)
    """Addresses of pages about changes that the answer names (`Link: rel="deprecation"` and `sunset`)."""
    switch_to: dict[str, str] = Field(default_factory=dict)
    """{"base_url": …} or {"endpoint": "GET /v2/x"}: for an alternative what would have to be changed to
    use it, for another probe what its redirect asks for."""

    @property
    def is_well(self) -> bool:
        return self.status is not None and self.status < 400 and self.moved_to is None

    @property
    def is_alive(self) -> bool:
        """Something that knows this address answered, be it that it asks for a credential."""
        return self.status is not None and self.status < 500 and self.status not in (404, 410)


@dataclass(frozen=True, kw_only=True)
class Credential:
    """What one side's calls carry. Never shown: a probe keeps neither headers nor query."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Target:
    """One question to be asked. `record_schema` set: the answer's records are compared with it."""

    side: Side
    kind: ProbeKind
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Any = field(default=None, repr=False)
    items_at: str | None = None
    record_schema: JsonSchema | None = None
    mapping: MappingLogic | None = None
    profile: RecordProfile | None = None
    base_url: str = ""
    path: str = ""
    """The part after the base URL."""
    key: str = ""
    """`METHOD /path` that this stands for."""
    switch_to: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        parts = urlsplit(self.url)
        return f"{self.method} {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


async def probe(
    client: httpx.AsyncClient, targets: Sequence[Target], *, timeout_seconds: float = 10.0
) -> list[Probe]:
    """Asks all targets at once; a target that does not answer is a probe with a `fault`, never an error.

    The client should be a guarded one (`vitesse_graph.http.guarded_httpx`).
    """
    return list(await asyncio.gather(*(_ask(client, target, timeout_seconds) for target in targets)))


async def _ask(client: httpx.AsyncClient, target: Target, timeout_seconds: float) -> Probe:
    import httpx  # 60 ms, and the pure parts of this package do without it

    started = time.monotonic()
    made = Probe(side=target.side, kind=target.kind, target=target.name, switch_to=target.switch_to)
    try:
        async with (
            asyncio.timeout(timeout_seconds),
            client.stream(
                target.method,
                target.url,
                headers=dict(target.headers),
                params=dict(target.query) or None,
                json=target.body,
                follow_redirects=False,
                timeout=timeout_seconds,
            ) as response,
        ):
            body = b""
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    break
            made.seconds = time.monotonic() - started
            return _read_answer(made, target, response.status_code, response.headers, body)
    except RefusedAddress:
        made.fault = "forbidden_address"
    except (TimeoutError, httpx.TimeoutException):
        made.fault = "timeout"
    except httpx.ConnectError as error:
        made.fault = _connect_fault(str(error))
    except httpx.HTTPError:
        made.fault = "broken"
    made.seconds = time.monotonic() - started
    return made


def _connect_fault(text: str) -> Fault:
    lowered = text.lower()
    if any(word in lowered for word in ("certificate", "ssl", "tls")):
        return "tls"
    if any(
        word in lowered for word in ("resolve", "name or service", "getaddrinfo", "nodename", "no address")
    ):
        return "dns"
    return "refused"


def _read_answer(made: Probe, target: Target, status: int, headers: Mapping[str, str], body: bytes) -> Probe:
    made.status = status
    made.retry_after_seconds = _seconds(headers.get("Retry-After"))
    made.moved_to = _moved_to(target.url, status, headers)
    if made.moved_to is not None:
        made.switch_to = _asked_for(target, made.moved_to)
    if headers.get("Sunset") or headers.get("Deprecation"):
        made.signals.append("deprecated")
    made.notices = _notices(target.url, headers)
    if status >= 400:
        made.said = body[:MAX_SAID].decode(errors="replace")
        text = f"{headers.get('WWW-Authenticate', '')} {body[:4_000].decode(errors='replace')}".lower()
        made.signals += [name for name, pattern in _SIGNALS if re.search(pattern, text)]
    elif target.kind != "alternative":
        made.names = _names_in(body)
    if status < 400 and target.kind == "read":
        _read_records(made, target, body)
    return made


def _notices(url: str, headers: Mapping[str, str]) -> list[str]:
    """RFC 8594 `sunset` and RFC 9745 `deprecation` links: pages for people."""
    found = re.findall(
        r'<([^>]+)>\s*;[^,]*rel="?(?:deprecation|sunset)\b', headers.get("Link") or "", re.IGNORECASE
    )
    return [urljoin(url, one) for one in found][:2]


def _names_in(body: bytes) -> list[str]:
    try:
        document = json.loads(body)
    except ValueError:
        return []
    names: dict[str, None] = {}
    queue = [document]
    while queue and len(names) < MAX_NAMES:
        node = queue.pop(0)
        if isinstance(node, dict):
            names.update(dict.fromkeys(str(name)[:80] for name in node))
            queue += node.values()
        elif isinstance(node, list):
            queue += node[:20]
    return list(names)[:MAX_NAMES]


def _seconds(text: str | None) -> float | None:
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:
        return None


def _moved_to(url: str, status: int, headers: Mapping[str, str]) -> str | None:
    location = headers.get("Location") if status in (301, 302, 303, 307, 308) else None
    if location is None:
        found = re.search(r'<([^>]+)>\s*;[^,]*rel="?successor-version', headers.get("Link") or "")
        location = found[1] if found and status >= 400 else None
    if location is None:
        return None
    parts = urlsplit(urljoin(url, location))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _asked_for(target: Target, to: str) -> dict[str, str]:
    """What a redirect changes: the base URL when the path stayed, the endpoint when the base stayed."""
    path, base = "/" + target.path.lstrip("/"), target.base_url.rstrip("/")
    if to.endswith(path):
        return {"base_url": to.removesuffix(path)}
    if base and to.startswith(f"{base}/"):
        return {"endpoint": f"{target.key.partition(' ')[0]} {to.removeprefix(base)}"}
    return {}


def _read_records(made: Probe, target: Target, body: bytes) -> None:
    try:
        document = json.loads(body)
    except ValueError:
        made.signals.append("not_json")
        return
    records = _records_at(document, target.items_at or "")
    if records is None:
        made.signals.append("no_records")
        return
    made.records = len(records)
    if target.record_schema is not None:
        known = target.profile.fields.items() if target.profile is not None else ()
        made.drift = observe_drift(
            target.record_schema,
            records,
            mapping=target.mapping,
            side=target.side,
            seen_before=[path for path, figures in known if figures.present >= USUALLY_SENT],
        )
    figures = profile_records(records)
    if target.profile is None:
        made.profile = figures if len(records) >= MIN_PROFILE_RECORDS else None
    else:
        made.shifts = compare_profiles(target.profile, figures)


def _records_at(document: Any, path: str) -> list[dict[str, Any]] | None:
    node = document
    for step in filter(None, path.split(".")):
        node = node.get(step) if isinstance(node, dict) else None
    if isinstance(node, dict) and path:
        node = [node]
    if not isinstance(node, list):
        return None
    return [record for record in node if isinstance(record, dict)]

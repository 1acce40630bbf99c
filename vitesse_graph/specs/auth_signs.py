"""How to authenticate where no security scheme is declared: from parameters, else from what the prose says.

Header and query parameters that nearly every operation takes are good evidence; an exact statement in
the API's description (`Authorization: Bearer …`, "in the `X-Acme-Key` header") is fair evidence. A mere
mention is passed on as a suggestion and decides nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from vitesse_graph.specs.operations import RawOperation, Reader
from vitesse_graph.specs.words import split_words, squash
from vitesse_graph.state.api_spec import AuthHeader, AuthScheme, AuthType, Guess

MAX_PROSE = 20_000
"""Characters of one description that are searched."""
_MANY = 200
"""Operations whose descriptions are searched for a mention."""

_OWNERS = frozenset(
    {"api", "access", "auth", "app", "application", "subscription", "private", "client", "consumer", "developer",
     "secret", "security", "session", "user", "account", "service", "merchant", "partner", "tenant", "public"}
)  # fmt: skip
_SECRETS = frozenset({"key", "token", "secret", "apikey", "apitoken", "password", "auth"})
_OTHER_KEYS = frozenset(
    {"idempotency", "csrf", "xsrf", "page", "next", "cursor", "continuation", "sync", "partition", "encryption", "device",
     "routing", "sort", "order", "primary", "foreign", "registration", "reset", "public", "push", "conditional"}
)  # fmt: skip
_SAID_SECRET = re.compile(
    r"\b(?:api[- ]?(?:key|token)|access[- ]?token|auth(?:entication|orization)?[- ]?(?:token|key)|bearer|subscription key|secret key)\b",
    re.IGNORECASE,
)
_SCHEME_WORD = re.compile(
    r"\b(?P<word>Bearer|Basic|JWT|Token|[A-Z][A-Za-z]{1,20}-[A-Za-z-]{2,20})\b[\s:]+[\w<{\[$`'\"(*]"
)
_HEADER_LINE = re.compile(
    r"\bAuthorization\b[`'\"*]{0,3}\s{0,3}(?::|=|header(?: is| of| to| with|:)?)\s{0,3}[`'\"*]{0,3}\s{0,3}(?P<word>[A-Z][A-Za-z-]{2,30})\s{1,3}[`'\"<{\[$*(A-Za-z0-9.…_-]"
)
_HEADER_NAME = re.compile(
    r"[`'\"*]{1,2}(?P<a>[A-Za-z][A-Za-z0-9]{0,30}(?:[-_][A-Za-z0-9]{1,30}){0,5})[`'\"*]{1,2}\s{1,3}(?:HTTP |request |custom )?header\b"
    r"|\bheader(?:s)?(?: named| called|:)?\s{1,3}[`'\"*]{1,2}(?P<b>[A-Za-z][A-Za-z0-9]{0,30}(?:[-_][A-Za-z0-9]{1,30}){0,5})[`'\"*:]{1,3}"
    r"|\b(?P<c>X-[A-Za-z][A-Za-z0-9-]{2,40}) header\b",
    re.IGNORECASE,
)
_QUERY_NAME = re.compile(
    r"[`'\"*]{1,2}\??(?P<a>[A-Za-z][\w-]{1,30})=?[`'\"*]{1,2}\s{1,3}(?:query|URL|request|GET|query[- ]string)[ -](?:string )?(?:param\w*|argument)"
    r"|\bquery(?:[- ]string)? param\w*\s{1,3}(?:named |called )?[`'\"*]{1,2}(?P<b>[A-Za-z][\w-]{1,30})[`'\"*]"
    r"|[?&](?P<c>[A-Za-z][\w-]{0,12}(?:key|token|appid))=",
    re.IGNORECASE,
)
_NEEDLESS = re.compile(
    r"\b(?:no|without|(?:do|does|is|are) ?n[o']t (?:require|need|required|needed)|(?:requires?|needs?) no)\s(?:[\w-]{1,20}\s){0,3}?(?:auth\w{0,12}|api[- ]?keys?|credentials?|tokens?)\b",
    re.IGNORECASE,
)
_MENTIONS: tuple[tuple[re.Pattern[str], AuthType], ...] = (
    (re.compile(r"\b(?:Authorization:?\s*|HTTP )Bearer\b|\bbearer (?:token|auth)", re.IGNORECASE), "bearer"),
    (re.compile(r"\b(?:personal |fine-grained )?access tokens?\b", re.IGNORECASE), "bearer"),
    (re.compile(r"\bOAuth ?2(?:\.0)?\b", re.IGNORECASE), "oauth2"),
    (re.compile(r"\b(?:HTTP )?basic auth(?:entication)?\b", re.IGNORECASE), "basic"),
    (re.compile(r"\bapi[- _]key\b", re.IGNORECASE), "api_key"),
)  # fmt: skip
_PLAIN_STATEMENTS: tuple[tuple[re.Pattern[str], AuthType], ...] = (_MENTIONS[0], _MENTIONS[3])
_NO_SCHEME = "no security scheme is declared"


@dataclass(frozen=True, slots=True)
class _Sign:
    """One parameter that carries a secret, and how many operations take it."""

    where: str
    name: str
    count: int
    is_required: bool
    said: str


def auth_from_signs(reader: Reader, operations: list[RawOperation]) -> tuple[AuthScheme, Guess | None]:
    """The likeliest scheme (`none` where nothing speaks for one), and the guess that it is."""
    signs = [s for s in _signs(reader, operations) if s.count * 2 >= len(operations)]
    if signs:
        return _of_parameters(signs)
    resolver = reader.resolver
    about = resolver.text(resolver.mapping(resolver.root.get("info")).get("description"))[:MAX_PROSE]
    stated = _stated(about)
    if stated is not None:
        return stated
    texts = [
        about,
        *(t for raw in operations[:_MANY] if (t := resolver.text(raw.operation.get("description")))),
    ]
    for text in texts:
        for sentence in _sentences(text[:MAX_PROSE]):
            for pattern, kind in _MENTIONS:
                found = pattern.search(sentence)
                if found is not None:
                    guess = _guess(kind, 0.4, f"prose says: …{_around(sentence, found)}…")
                    return AuthScheme(
                        type="none", detail=f"nothing is declared; prose suggests {kind}"
                    ), guess
    return AuthScheme(type="none", detail="nothing is declared"), None


def is_secret_name(name: str, said: str = "") -> bool:
    """Whether a parameter's name (or what is said of it) is that of a credential."""
    words = split_words(name)
    short = squash(name)
    if not words or set(words) & _OTHER_KEYS:
        return False
    if short in ("authorization", "apikey", "xapikey", "apitoken", "accesstoken", "authtoken"):
        return True
    tail = words[-1]
    if tail in _SECRETS and (set(words[:-1]) & _OWNERS or (words[0] == "x" and len(words) > 1)):
        return True
    return _SAID_SECRET.search(said[:400]) is not None


def _signs(reader: Reader, operations: list[RawOperation]) -> list[_Sign]:
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], dict[str, Any]] = {}
    for raw in operations:
        for parameter in reader.parameters(raw):
            where, name = parameter.get("in"), parameter["name"]
            if where not in ("header", "query"):
                continue
            key = (where, name)
            if key not in first:
                if not is_secret_name(name, reader.resolver.text(parameter.get("description"))):
                    continue
                first[key] = parameter
            counts[key] += 1
    found = []
    for (where, name), count in counts.most_common():
        parameter = first[where, name]
        schema = reader.flattener.flat(reader.parameter_schema(parameter))
        said = [parameter.get("description"), parameter.get("example")]
        said += [schema.get(word) for word in ("description", "example", "default", "pattern")]
        text = " ".join(s for s in said if type(s) is str)[:600]
        found.append(_Sign(where, name, count, parameter.get("required") is True, text))
    return found


def _of_parameters(signs: list[_Sign]) -> tuple[AuthScheme, Guess]:
    lead = next((s for s in signs if squash(s.name) == "authorization"), signs[0])
    evidence = f"{_NO_SCHEME}; {lead.count} operations take a {lead.where} parameter {lead.name}"
    if squash(lead.name) == "authorization":
        words = [found["word"] for found in _SCHEME_WORD.finditer(lead.said + " x")]
        # "JWT: `Bearer {token}`": what the standard knows comes before what the token is.
        known = next((word for word in words if word.lower() in ("bearer", "basic")), None)
        return _of_word(known or next(iter(words), ""), evidence, 0.8)
    together = [s for s in signs if s.is_required] or [lead]
    auth = AuthScheme(
        type="api_key",
        headers=[
            AuthHeader(name=s.name, location="query" if s.where == "query" else "header") for s in together
        ],
        detail=" and ".join(f"{s.where} {s.name}" for s in together) + " (a parameter)",
    )
    return auth, _guess("api_key", 0.8, evidence)


def _of_word(word: str, evidence: str, confidence: float) -> tuple[AuthScheme, Guess]:
    """The scheme that a first word in the `Authorization` header stands for."""
    kinds: dict[str, AuthType] = {"bearer": "bearer", "basic": "basic"}
    kind = kinds.get(word.lower(), "api_key")
    prefix = "Bearer " if kind == "bearer" else f"{word} " if word else ""
    headers = [] if kind == "basic" else [AuthHeader(name="Authorization", prefix=prefix)]
    detail = (
        "user name and password"
        if kind == "basic"
        else f"header Authorization{f' ({word} …)' if word else ''}"
    )
    return AuthScheme(type=kind, headers=headers, detail=f"{detail} (not declared)"), _guess(
        kind, confidence, evidence
    )


def _stated(about: str) -> tuple[AuthScheme, Guess] | None:
    """What the API's description states outright, in the words of a header line, a name, or a standard."""
    sentences = _sentences(about)
    for sentence in sentences:
        line = _HEADER_LINE.search(sentence)
        if line is not None and line["word"].lower() not in ("header", "with", "using", "the", "and"):
            return _of_word(
                line["word"], f"{_NO_SCHEME}; the description says: …{_around(sentence, line)}…", 0.7
            )
        for pattern, where in ((_HEADER_NAME, "header"), (_QUERY_NAME, "query")):
            for found in pattern.finditer(sentence):
                name = found["a"] or found["b"] or found["c"]
                if squash(name) == "authorization" or not is_secret_name(name, sentence):
                    continue
                header = AuthHeader(name=name, location="query" if where == "query" else "header")
                auth = AuthScheme(type="api_key", headers=[header], detail=f"{where} {name} (not declared)")
                return auth, _guess(
                    "api_key", 0.7, f"{_NO_SCHEME}; the description says: …{_around(sentence, found)}…"
                )
    for sentence in sentences:
        for pattern, kind in _PLAIN_STATEMENTS:
            found_plain = pattern.search(sentence)
            if found_plain is not None:
                evidence = f"{_NO_SCHEME}; the description says: …{_around(sentence, found_plain)}…"
                return _of_word(kind.capitalize(), evidence, 0.6)
    return None


def _sentences(text: str) -> list[str]:
    """Sentences, without those that say that nothing is needed."""
    return [s for s in re.split(r"(?<=[.!?])\s|\n", text) if s.strip() and not _NEEDLESS.search(s[:1000])]


def _around(text: str, found: re.Match[str]) -> str:
    return text[max(0, found.start() - 60) : found.end() + 60].replace("\n", " ")


def _guess(kind: str, confidence: float, evidence: str) -> Guess:
    if not evidence.startswith(_NO_SCHEME):
        evidence = f"{_NO_SCHEME}; {evidence}"
    return Guess(about="auth", value=kind, confidence=confidence, evidence=evidence)

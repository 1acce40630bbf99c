"""How to authenticate: from security schemes and requirements, else from header parameters and prose."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from vitesse_graph.specs.operations import RawOperation, Reader
from vitesse_graph.specs.words import squash
from vitesse_graph.state.api_spec import AuthHeader, AuthScheme, AuthType, Guess

_FLOWS = {
    "authorizationCode": "authorization_code", "accessCode": "authorization_code",
    "clientCredentials": "client_credentials", "application": "client_credentials",
    "implicit": "implicit", "password": "password", "deviceAuthorization": "device_authorization",
}  # fmt: skip
_PREFIX = re.compile(
    r"`?\b(?:Authorization`?:?\s*(?:header\s*)?(?:to\s*|of\s*|as\s*|with\s*)?[`'\"]?)"
    r"(?P<prefix>[A-Z][A-Za-z][A-Za-z-]{2,30})\s+[`'\"<{\[$]*(?:your|the|my|private|api|access|secret|token|key|xxx|[A-Z_]{4,})",
)
_PROSE = (
    (re.compile(r"\b(?:Authorization:?\s*|HTTP )Bearer\b|\bbearer (?:token|auth)", re.IGNORECASE), "bearer"),
    (re.compile(r"\b(?:personal |fine-grained )?access tokens?\b", re.IGNORECASE), "bearer"),
    (re.compile(r"\bOAuth ?2(?:\.0)?\b", re.IGNORECASE), "oauth2"),
    (re.compile(r"\b(?:HTTP )?basic auth(?:entication)?\b", re.IGNORECASE), "basic"),
    (re.compile(r"\bapi[- _]key\b", re.IGNORECASE), "api_key"),
)
_KEY_HEADERS = frozenset(
    {
        "xapikey",
        "apikey",
        "xapitoken",
        "apitoken",
        "xauthtoken",
        "xaccesstoken",
        "accesstoken",
        "xshopifyaccesstoken",
        "privatetoken",
    }
)
_ALL_NONE = "none"

Requirement = tuple[str, ...]
"""Names of the schemes that are needed together."""


class AuthReader:
    """Reads schemes once; answers for the API and for each operation that differs."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        root = reader.resolver.root
        where = root if reader.is_swagger else reader.resolver.mapping(root.get("components"))
        declared = where.get("securityDefinitions" if reader.is_swagger else "securitySchemes")
        self.schemes = {
            str(name): reader.resolver.mapping(node)
            for name, node in reader.resolver.mapping(declared).items()
        }
        self._root_security = root.get("security")
        self._made: dict[tuple[Requirement, ...], AuthScheme] = {}
        self.guesses: list[Guess] = []

    def requirements(self, raw: RawOperation) -> list[dict[str, list[str]]]:
        """Alternatives as the document has them; [] where the operation is open."""
        given = raw.operation.get("security", self._root_security)
        found = []
        for alternative in given if type(given) is list else []:
            if type(alternative) is dict:
                found.append(
                    {
                        str(n): [str(s) for s in v or []] if type(v) is list or v is None else []
                        for n, v in alternative.items()
                    }
                )
        return found

    def _alternatives(self, raw: RawOperation) -> tuple[Requirement, ...]:
        given = raw.operation.get("security", self._root_security)
        if type(given) is not list:
            return ()
        return tuple(
            tuple(n for n in alternative if n in self.schemes)
            for alternative in given
            if type(alternative) is dict
        )

    def read(self, operations: list[RawOperation]) -> tuple[AuthScheme, list[AuthScheme | None]]:
        """(the API's scheme, per operation the one that differs or None), in the order given."""
        if not self.schemes:
            return self._from_signs(operations), [None] * len(operations)
        each = [self._alternatives(raw) for raw in operations]
        main = self._main(each)
        api = self._scheme(main, self._other_types(each, main))
        own: list[AuthScheme | None] = []
        for alternatives, raw in zip(each, operations, strict=True):
            declared = "security" in raw.operation or self._root_security is not None
            if main in alternatives or not declared:
                own.append(None)
            else:
                own.append(self._for(alternatives))
        return api, own

    def _main(self, each: list[tuple[Requirement, ...]]) -> Requirement:
        """The requirement that opens most operations; at a tie the one the document names first."""
        counts: Counter[Requirement] = Counter()
        for alternatives in each:
            counts.update(a for a in dict.fromkeys(alternatives) if a)
        if not counts:
            names = list(self.schemes)
            self.guesses.append(
                Guess(
                    about="auth",
                    value=self._type(names[0]),
                    evidence="schemes are declared but no operation requires one; the first was taken",
                    confidence=0.6,
                )
            )
            best = min(names, key=lambda n: _RANK.get(self._type(n), 9))
            return (best,)
        top = counts.most_common(1)[0][1]
        tied = [requirement for requirement, count in counts.items() if count == top]
        not_basic = [r for r in tied if "basic" not in [self._type(n) for n in r]]
        return (not_basic or tied)[0]

    def _other_types(self, each: list[tuple[Requirement, ...]], main: Requirement) -> list[AuthType]:
        found: dict[AuthType, None] = {}
        for alternatives in each:
            for requirement in alternatives:
                if requirement and requirement != main:
                    found.setdefault(self._type(requirement[0]))
        for name in self.schemes:
            found.setdefault(self._type(name))
        return [t for t in found if t != self._type(main[0])]

    def _for(self, alternatives: tuple[Requirement, ...]) -> AuthScheme:
        key = alternatives
        made = self._made.get(key)
        if made is None:
            real = [a for a in alternatives if a]
            made = AuthScheme(type="none", detail="open") if not real else self._scheme(real[0], [])
            self._made[key] = made
        return made

    def _type(self, name: str) -> AuthType:
        scheme = self.schemes[name]
        kind = squash(str(scheme.get("type", "")))
        if kind == "http":
            word = str(scheme.get("scheme", "")).lower()
            return "basic" if word == "basic" else "bearer" if word == "bearer" else "api_key"
        simple: dict[str, AuthType] = {
            "apikey": "api_key", "basic": "basic", "oauth2": "oauth2", "openidconnect": "openid",
            "mutualtls": "mutual_tls", "bearer": "bearer",
        }  # fmt: skip
        return simple.get(kind, "none")

    def _scheme(self, names: Requirement, alternatives: list[AuthType]) -> AuthScheme:
        auth = AuthScheme(type=self._type(names[0]), scheme_names=list(names), alternatives=alternatives)
        for name in names:
            self._add(auth, self.schemes[name], self._type(name))
        auth.detail = self._detail(auth)
        return auth

    def _add(self, auth: AuthScheme, scheme: dict[str, Any], kind: AuthType) -> None:
        text = self._reader.resolver.text(scheme.get("description"))
        if kind == "api_key":
            name = scheme.get("name")
            where = scheme.get("in")
            location = where if where in ("header", "query", "cookie") else "header"
            prefix = (
                self._prefix(scheme, text) if squash(str(name or "authorization")) == "authorization" else ""
            )
            auth.headers.append(
                AuthHeader(name=str(name or "Authorization"), location=location, prefix=prefix)
            )
        elif kind == "bearer":
            auth.headers.append(AuthHeader(name="Authorization", prefix="Bearer "))
        elif kind == "openid":
            auth.openid_url = scheme.get("openIdConnectUrl")
        elif kind == "oauth2":
            self._flows(auth, scheme)

    def _prefix(self, scheme: dict[str, Any], text: str) -> str:
        word = str(scheme.get("scheme", ""))
        if word and squash(str(scheme.get("type", ""))) == "http":
            return f"{word} "
        for place in (text, str(scheme.get("x-default", ""))):
            found = _PREFIX.search(place)
            if found is not None and found["prefix"].lower() not in ("header", "with", "using"):
                self.guesses.append(
                    Guess(
                        about="auth.prefix",
                        value=found["prefix"],
                        evidence=found.group(0)[:160],
                        confidence=0.8,
                    )
                )
                return found["prefix"] + " "
        if re.search(r"\bbearer\b", text, re.IGNORECASE) or "bearer" in squash(" ".join(self.schemes)):
            self.guesses.append(
                Guess(
                    about="auth.prefix",
                    value="Bearer",
                    evidence="an `Authorization` key whose name or description says bearer",
                    confidence=0.7,
                )
            )
            return "Bearer "
        return ""

    def _flows(self, auth: AuthScheme, scheme: dict[str, Any]) -> None:
        flows = scheme.get("flows")
        if type(flows) is not dict:
            flows = {str(scheme.get("flow", "")): scheme}
        for name, flow in flows.items():
            if type(flow) is not dict or not name or str(name).startswith("x-"):
                continue
            auth.flows.append(_FLOWS.get(name, name))
            auth.token_url = auth.token_url or _text(flow.get("tokenUrl"))
            auth.authorization_url = auth.authorization_url or _text(flow.get("authorizationUrl"))
            auth.refresh_url = auth.refresh_url or _text(flow.get("refreshUrl"))
            scopes = flow.get("scopes")
            if type(scopes) is dict:
                auth.scopes.extend(str(s) for s in scopes if str(s) not in auth.scopes)
        del auth.scopes[200:]

    def _detail(self, auth: AuthScheme) -> str:
        if auth.headers:
            parts = [
                f"{h.location} {h.name}" + (f" ({h.prefix.strip()} …)" if h.prefix else "")
                for h in auth.headers
            ]
            return " and ".join(parts)
        if auth.flows:
            return ", ".join(auth.flows)
        return {"basic": "user name and password", "none": ""}.get(auth.type, auth.openid_url or "")

    def _from_signs(self, operations: list[RawOperation]) -> AuthScheme:
        """Nothing is declared: `none`, with what header parameters or prose make likely as a guess."""
        resolver = self._reader.resolver
        counts: Counter[str] = Counter()
        for raw in operations:
            for parameter in self._reader.parameters(raw):
                if parameter.get("in") in ("header", "query") and squash(parameter["name"]) in (
                    *_KEY_HEADERS,
                    "authorization",
                ):
                    counts[f"{parameter['in']}:{parameter['name']}"] += 1
        if counts and counts.most_common(1)[0][1] * 2 >= len(operations):
            where, _, name = counts.most_common(1)[0][0].partition(":")
            self.guesses.append(
                Guess(
                    about="auth",
                    value="api_key",
                    confidence=0.8,
                    evidence=f"no security scheme is declared; {counts.total()} operations take a {where} parameter {name}",
                )
            )
            header = AuthHeader(name=name, location="query" if where == "query" else "header")
            return AuthScheme(type="api_key", headers=[header], detail=f"{where} {name} (a parameter)")
        prose = resolver.text(resolver.mapping(resolver.root.get("info")).get("description"))
        texts = [
            prose,
            *(t for raw in operations[:200] if (t := resolver.text(raw.operation.get("description")))),
        ]
        for text in texts:
            for pattern, kind in _PROSE:
                found = pattern.search(text)
                if found is not None:
                    around = text[max(0, found.start() - 60) : found.end() + 60].replace("\n", " ")
                    self.guesses.append(
                        Guess(
                            about="auth",
                            value=kind,
                            confidence=0.4,
                            evidence=f"no security scheme is declared; prose says: …{around}…",
                        )
                    )
                    return AuthScheme(type="none", detail=f"nothing is declared; prose suggests {kind}")
        return AuthScheme(type="none", detail="nothing is declared")


_RANK: dict[str, int] = {
    "bearer": 0,
    "oauth2": 1,
    "api_key": 2,
    "basic": 3,
    "openid": 4,
    "mutual_tls": 5,
    "none": 9,
}


def _text(value: Any) -> str | None:
    return value if type(value) is str and value else None

"""How to authenticate: from security schemes and requirements, else from header parameters and prose."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from vitesse_graph.specs.auth_signs import auth_from_signs
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
Requirement = tuple[str, ...]
"""Names of the schemes that are needed together."""


class AuthReader:
    """Reads schemes once; answers for the API and for each operation that differs."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        root = reader.resolver.root
        resolver = reader.resolver
        # Each version has its place; documents that were converted by hand keep the other's.
        places = (
            resolver.mapping(root.get("components")).get("securitySchemes"),
            root.get("securityDefinitions"),
        )
        self.schemes = {
            str(name): scheme
            for place in places
            for name, node in resolver.mapping(place).items()
            if (scheme := resolver.mapping(node))
        }
        self._by_squash = {squash(name): name for name in self.schemes}
        self._root_security = root.get("security")
        self._made: dict[tuple[Requirement, ...], AuthScheme] = {}
        self.guesses: list[Guess] = []

    def requirements(self, raw: RawOperation) -> list[dict[str, list[str]]]:
        """Alternatives as the document has them; [] where the operation is open."""
        given = raw.operation.get("security", self._root_security)
        found = []
        if type(given) is dict:
            given = [given]
        for alternative in given if type(given) is list else []:
            if type(alternative) is dict:
                found.append(
                    {
                        str(n): [str(s) for s in v or []] if type(v) is list or v is None else []
                        for n, v in alternative.items()
                    }
                )
        return found

    def _alternatives(self, raw: RawOperation) -> tuple[Requirement, ...] | None:
        """What opens an operation, by scheme name: () where it is open, None where nothing usable is said."""
        given = raw.operation.get("security", self._root_security)
        if type(given) is dict:
            given = [given]  # an object instead of a list of them
        if type(given) is not list:
            return None
        found: list[Requirement] = []
        for alternative in given:
            if type(alternative) is not dict:
                continue
            names = [self._known_name(str(name)) for name in alternative]
            if None not in names or not names:
                found.append(tuple(name for name in names if name is not None))
        return tuple(found) if found or not given else None

    def _known_name(self, name: str) -> str | None:
        """The declared scheme that a requirement means (`api_key` for `apiKey`), or None."""
        known = name if name in self.schemes else self._by_squash.get(squash(name))
        if known is None:
            self._reader.resolver.findings.add(
                "unknown_scheme", f"the security scheme {name[:60]} is required but not declared", "/security"
            )
        return known

    def read(self, operations: list[RawOperation]) -> tuple[AuthScheme, list[AuthScheme | None]]:
        """(the API's scheme, per operation the one that differs or None), in the order given."""
        if not self.schemes:
            auth, guess = auth_from_signs(self._reader, operations)
            self.guesses.extend([guess] if guess is not None else [])
            return auth, [None] * len(operations)
        each = [self._alternatives(raw) for raw in operations]
        main = self._main(each)
        api = self._scheme(main, self._other_types(each, main))
        own: list[AuthScheme | None] = []
        for alternatives in each:
            is_like_the_api = alternatives is None or main in alternatives
            own.append(None if is_like_the_api else self._for(alternatives or ()))
        return api, own

    def _main(self, each: list[tuple[Requirement, ...] | None]) -> Requirement:
        """The requirement that opens most operations; at a tie the one the document names first."""
        counts: Counter[Requirement] = Counter()
        for alternatives in each:
            counts.update(a for a in dict.fromkeys(alternatives or ()) if a)
        if not counts:
            best = min(self.schemes, key=lambda n: _RANK.get(self._type(n), 9))
            self.guesses.append(
                Guess(
                    about="auth",
                    value=self._type(best),
                    evidence=f"schemes are declared but no operation requires one; {best} was taken",
                    confidence=0.6,
                )
            )
            return (best,)
        top = counts.most_common(1)[0][1]
        tied = [requirement for requirement, count in counts.items() if count == top]
        not_basic = [r for r in tied if "basic" not in [self._type(n) for n in r]]
        return (not_basic or tied)[0]

    def _other_types(self, each: list[tuple[Requirement, ...] | None], main: Requirement) -> list[AuthType]:
        found: dict[AuthType, None] = {}
        for alternatives in each:
            for requirement in alternatives or ():
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
            word = str(scheme.get("scheme") or ("bearer" if scheme.get("bearerFormat") else "")).lower()
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

"""Whether a request carries a credential of the declared kind. Any non-empty one is accepted."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from vitesse_graph.state.api_spec import ApiSpec, AuthHeader, AuthScheme, AuthType, OperationDetail


def is_authorised(
    detail: OperationDetail, spec: ApiSpec, headers: Mapping[str, str], query: Mapping[str, Any]
) -> bool:
    """True where the operation is open or the credential it asks for is there."""
    if is_open(detail, spec):
        return True
    scheme = detail.endpoint.auth or spec.auth
    kinds: list[AuthType] = [scheme.type, *scheme.alternatives]
    return any(_carries(kind, scheme, headers, query) for kind in kinds)


def credential_names(detail: OperationDetail, spec: ApiSpec) -> frozenset[str]:
    """The headers, query parameters and cookies (lower case) that carry this operation's credential."""
    scheme = detail.endpoint.auth or spec.auth
    return frozenset(header.name.lower() for header in scheme.headers)


def is_open(detail: OperationDetail, spec: ApiSpec) -> bool:
    """Whether the operation may be called without any credential."""
    scheme = detail.endpoint.auth or spec.auth
    if scheme.type in ("none", "mutual_tls"):
        return True
    if any(not alternative for alternative in detail.security):
        return True
    return not detail.security and detail.endpoint.auth is None and spec.auth.type == "none"


def _carries(
    kind: AuthType, scheme: AuthScheme, headers: Mapping[str, str], query: Mapping[str, Any]
) -> bool:
    given = headers.get("authorization", "")
    if kind == "basic":
        return _is_basic(given)
    if kind == "api_key":
        # Without a name (an alternative whose details are not kept) any Authorization header serves.
        return all(_has(h, headers, query) for h in scheme.headers) if scheme.headers else bool(given.strip())
    if kind in ("bearer", "oauth2", "openid"):
        if scheme.type == kind and scheme.headers:
            return all(_has(header, headers, query) for header in scheme.headers)
        return given[:7].lower() == "bearer " and bool(given[7:].strip())
    return True


def _is_basic(value: str) -> bool:
    kind, _, encoded = value.partition(" ")
    if kind.lower() != "basic":
        return False
    try:
        return b":" in base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False


def _has(header: AuthHeader, headers: Mapping[str, str], query: Mapping[str, Any]) -> bool:
    if header.location == "query":
        return bool(str(query.get(header.name) or "").strip())
    if header.location == "cookie":
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(header.name)
        except CookieError:
            return False
        return morsel is not None and bool(morsel.value)
    value = headers.get(header.name.lower(), "")
    prefix = header.prefix.strip()
    if prefix and value[: len(prefix)].lower() != prefix.lower():
        return False
    return bool(value[len(prefix) :].strip())

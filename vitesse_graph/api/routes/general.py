"""What belongs to no integration: health, status, discovery, trying an endpoint."""

from __future__ import annotations

import asyncio
import time
from importlib.metadata import version
from typing import Annotated, Any
from urllib.parse import urlsplit

import aiohttp
from fastapi import APIRouter, Query

from vitesse_graph.api.answers import Answer, answer
from vitesse_graph.api.bodies import TestEndpoint
from vitesse_graph.api.credentials import as_text, ensure_reference_allowed, reference_in
from vitesse_graph.api.doors import ApiDep, Caller, Door, problems
from vitesse_graph.api.problems import Refusal
from vitesse_graph.errors import InputError, RefusedAddress, UpstreamError

router = APIRouter(route_class=Door)
SAMPLE_CHARACTERS = 2_000
_SHOWN_HEADERS = ("content-type", "link", "retry-after", "x-ratelimit-limit", "x-ratelimit-remaining",
                  "ratelimit", "ratelimit-policy", "www-authenticate", "location")  # fmt: skip


@router.get(
    "/health",
    tags=["general"],
    summary="Whether the server is up; open to all",
    response_model=Answer,
    responses={k: v for k, v in problems().items() if k in (500, 503)},
)
async def health(api: ApiDep) -> dict[str, Any]:
    """Says nothing but that it answers: for load balancers."""
    return answer({})


@router.get(
    "/status",
    tags=["general"],
    summary="Database, integrations by status, who you are",
    response_model=Answer,
    responses=problems(),
)
async def status(api: ApiDep, caller: Caller) -> dict[str, Any]:
    began = time.monotonic()
    counts = await api.registry.counts(tenant=caller.tenant)
    return answer(
        {
            "version": version("vitesse-graph"),
            "database": {
                "kind": "embedded" if api.settings.conninfo() is None else "configured",
                "answers_in_ms": round((time.monotonic() - began) * 1000, 2),
            },
            "integrations": counts,
            "authentication": "open on this machine only" if await api.access.is_open() else "required",
            "caller": {"id": caller.id, "role": caller.role, "tenant": caller.tenant},
        }
    )


@router.get(
    "/discover",
    tags=["general"],
    summary="Find APIs by name or by need",
    response_model=Answer,
    responses=problems(),
)
async def find_apis(
    api: ApiDep,
    caller: Caller,
    query: Annotated[str, Query(min_length=1, max_length=500, examples=["shopify"])],
    limit: Annotated[int, Query(ge=1, le=50)] = 5,
) -> dict[str, Any]:
    """Searches what is known; makes no integration."""
    from vitesse_graph.knowledge import discover, discover_widely, get_knowledge_db
    from vitesse_graph.nodes.public_directory import public_directory

    asked = query.replace("\x00", " ")
    if caller.tenant:  # what others had read is not a tenant's to see
        found = await asyncio.to_thread(discover, asked, limit=limit)
    else:
        knowledge = get_knowledge_db(api.settings, allow_download=False)
        async with knowledge.session():
            found = await discover_widely(
                asked, knowledge=knowledge, directory=public_directory(api.settings), limit=limit
            )
    return answer({"query": query, "count": len(found), "results": [result.dump() for result in found]})


def _credentials(body: TestEndpoint, text: str | None) -> tuple[dict[str, str], aiohttp.BasicAuth | None]:
    if text is None or body.auth_type == "none":
        return {}, None
    if body.auth_type == "basic":
        user, colon, password = text.partition(":")
        if not colon:
            raise InputError('auth: basic takes {"username": …, "password": …} or user:password')
        return {}, aiohttp.BasicAuth(user, password, encoding="utf-8")
    if any(ord(character) < 32 or ord(character) > 126 for character in text):
        raise InputError("auth: a credential in a header may hold printable ASCII only")
    return (
        {"Authorization": f"Bearer {text}"} if body.auth_type == "bearer" else {body.auth_header: text}
    ), None


def _checked_headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        is_token = name and all((c.isalnum() and c.isascii()) or c in "!#$%&'*+-.^_`|~" for c in name)
        if not is_token or any(ord(c) < 32 or ord(c) > 126 for c in value):
            raise InputError("headers: names must be tokens, values printable ASCII")
    return headers


@router.post(
    "/test-endpoint",
    tags=["general"],
    summary="Call an endpoint once, to see whether address and credential are right",
    response_model=Answer,
    responses=problems(400, 413, 502, 504),
)
async def test_endpoint(api: ApiDep, caller: Caller, body: TestEndpoint) -> dict[str, Any]:
    """One call that changes nothing. The credential is not kept, and not shown in the answer."""
    from vitesse_graph.http import AddressPolicy, guarded_session
    from vitesse_graph.runtime.secrets import Redactor

    caller.ensure("operator")
    text = await _credential_text(api, caller, body)
    headers, basic = _credentials(body, text)
    redactor = Redactor([text] if text else [])
    if text and ":" in text:
        redactor.add(text.partition(":")[2])
    timeout = aiohttp.ClientTimeout(total=body.timeout_seconds)
    merged = {**_checked_headers(body.headers), **_checked_headers(headers)}
    policy = AddressPolicy.from_settings(api.settings)
    policy.check_url(body.url)
    began = time.monotonic()
    try:
        async with (
            guarded_session(policy, timeout=timeout) as session,
            session.request(body.method, body.url, headers=merged, auth=basic) as response,
        ):
            raw = await response.content.read(SAMPLE_CHARACTERS * 4)
            said, shown = response.status, {k.lower(): v for k, v in response.headers.items()}
    except RefusedAddress:
        raise
    except TimeoutError as error:
        raise Refusal(504, f"no answer within {body.timeout_seconds:g} s") from error
    except (aiohttp.InvalidURL, ValueError) as error:
        raise InputError("url: not an address that can be called") from error
    except aiohttp.ClientError as error:
        raise UpstreamError(f"the address does not answer ({type(error).__name__})") from error
    await api.registry.audit(
        "",
        "test_endpoint",
        actor=caller.id,
        detail={"host": urlsplit(body.url).hostname, "http_status": said},
    )
    return answer(
        {
            "reachable": True,
            "http_status": said,
            "is_authorised": said not in (401, 403),
            "elapsed_ms": round((time.monotonic() - began) * 1000, 1),
            "headers": {name: redactor(shown[name]) for name in _SHOWN_HEADERS if name in shown},
            "sample": redactor(raw.decode("utf-8", "replace"))[:SAMPLE_CHARACTERS],
        }
    )


async def _credential_text(api: ApiDep, caller: Caller, body: TestEndpoint) -> str | None:
    from vitesse_graph.runtime.secrets import resolve_secret

    if body.auth is None:
        return None
    reference = reference_in(body.auth)
    if reference is None:
        return as_text(body.auth)
    await ensure_reference_allowed(reference, caller, api.vault)
    return resolve_secret(reference, resolver=await api.vault.reader([reference]))

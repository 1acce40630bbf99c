"""The guard under real clients and a real server: nothing inner is reached, no credential travels."""

from __future__ import annotations

import socket
from typing import Any

import httpx
import pytest
from aiohttp import web

from vitesse_graph.errors import RefusedAddress
from vitesse_graph.http import AddressPolicy, guarded_connector, guarded_httpx, guarded_session

LOCAL = AddressPolicy(allow_loopback=True)
SECRETS = {"Authorization": "Bearer s3cret", "X-Api-Key": "s3cret", "Cookie": "sid=s3cret"}


def _redirect(to: str, status: int = 302) -> Any:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": to})

    return answer


async def _get(kind: str, policy: AddressPolicy, url: str, **options: Any) -> int:
    if kind == "httpx":
        async with guarded_httpx(policy, follow_redirects=True) as client:
            return (await client.get(url, **options)).status_code
    async with guarded_session(policy) as session, session.get(url, **options) as response:
        return response.status


@pytest.mark.parametrize("kind", ["httpx", "aiohttp"])
async def test_a_client_without_permission_never_reaches_loopback(kind: str, server: Any) -> None:
    for host in ("127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]"):
        with pytest.raises((RefusedAddress, httpx.InvalidURL, ValueError)):
            await _get(kind, AddressPolicy(), f"http://{host}:{server.port}/")
    assert server.seen == []


@pytest.mark.parametrize("kind", ["httpx", "aiohttp"])
async def test_a_redirect_to_the_metadata_service_is_refused(kind: str, server: Any) -> None:
    server.answers["/go"] = _redirect("http://169.254.169.254/latest/meta-data/")
    with pytest.raises(RefusedAddress, match=r"169\.254\.169\.254"):
        await _get(kind, LOCAL, f"{server.url}/go")


@pytest.mark.parametrize("kind", ["httpx", "aiohttp"])
async def test_credentials_stay_with_their_origin(kind: str, server: Any, other_server: Any) -> None:
    server.answers["/go"] = _redirect(f"{other_server.url}/end")
    other_server.answers["/end"] = "ok"
    assert await _get(kind, LOCAL, f"{server.url}/go", headers=SECRETS) == 200
    assert server.seen[0].headers["X-Api-Key"] == "s3cret"
    assert "s3cret" not in str(dict(other_server.seen[0].headers))


@pytest.mark.parametrize("kind", ["httpx", "aiohttp"])
async def test_credentials_follow_within_their_origin(kind: str, server: Any) -> None:
    server.answers["/go"] = _redirect("/end")
    server.answers["/end"] = "ok"
    assert await _get(kind, LOCAL, f"{server.url}/go", headers=SECRETS) == 200
    assert server.seen[1].headers["X-Api-Key"] == "s3cret"


async def test_a_body_is_not_replayed_to_another_origin(server: Any, other_server: Any) -> None:
    server.answers["/token"] = _redirect(f"{other_server.url}/steal", status=307)
    async with guarded_httpx(LOCAL, follow_redirects=True) as client:
        with pytest.raises(RefusedAddress, match="body"):
            await client.post(f"{server.url}/token", data={"client_secret": "s3cret"})
    async with guarded_session(LOCAL) as session:
        with pytest.raises(RefusedAddress, match="body"):
            await session.post(f"{server.url}/token", data={"client_secret": "s3cret"})
    assert other_server.seen == []


@pytest.mark.parametrize("kind", ["httpx", "aiohttp"])
async def test_a_name_is_resolved_once_and_the_checked_address_is_called(
    kind: str, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rebinding name: harmless when looked up first, inner when looked up again."""
    real, answers = socket.getaddrinfo, ["127.0.0.1", "10.0.0.1"]
    asked: list[str] = []

    def resolve(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host != "rebinding.example":
            return real(host, port, *args, **kwargs)
        asked.append(host)
        return real(answers[min(len(asked) - 1, 1)], port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    server.answers["/"] = "ok"
    policy = AddressPolicy(allow_loopback=True)
    assert await _get(kind, policy, f"http://rebinding.example:{server.port}/") == 200
    assert len(asked) == 1
    assert server.seen[0].headers["Host"] == f"rebinding.example:{server.port}"


@pytest.mark.parametrize("kind", ["httpx", "aiohttp"])
async def test_a_name_that_leads_to_loopback_is_refused_before_connecting(
    kind: str, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, *a, **k: real("127.0.0.1", port, *a, **k))
    with pytest.raises(RefusedAddress, match=r"evil\.example"):
        await _get(kind, AddressPolicy(), f"http://evil.example:{server.port}/")
    assert server.seen == []


async def test_ways_around_the_guard_are_not_offered() -> None:
    with pytest.raises(TypeError, match="proxy"):
        guarded_httpx(LOCAL, proxy="http://127.0.0.1:3128")
    with pytest.raises(TypeError, match="transport"):
        guarded_httpx(LOCAL, transport=httpx.AsyncHTTPTransport())
    with pytest.raises(TypeError, match="resolver"):
        guarded_connector(LOCAL, resolver=object())


async def test_proxies_of_the_environment_are_not_used(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    server.answers["/"] = "ok"
    assert await _get("httpx", LOCAL, f"{server.url}/") == 200
    assert await _get("aiohttp", LOCAL, f"{server.url}/") == 200

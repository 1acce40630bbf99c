"""Alerts reach a real receiver, signed so that it can verify them with the standard's own library."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from aiohttp import web
from standardwebhooks import Webhook

from vitesse_graph.errors import InputError, UpstreamError
from vitesse_graph.healing import Alert, alert_data, send_alert

SECRET = "whsec_" + base64.b64encode(b"a key of thirty-two bytes, or so").decode()


class Receiver:
    """Answers with the statuses it was given, one per call, then 204."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.got: list[tuple[bytes, dict[str, str]]] = []

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((await request.read(), {k.lower(): v for k, v in request.headers.items()}))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 204)


@asynccontextmanager
async def listening(receiver: Receiver) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    finally:
        await runner.cleanup()


def alert() -> Alert:
    return Alert(
        type="heal.started", integration_id="i-1", summary="health 30 is under 60", detail="| x | ü |"
    )


async def send(url: str, secret: str = SECRET, what: Alert | None = None) -> None:
    async with httpx.AsyncClient() as client:
        await send_alert(client, url, secret, what or alert(), wait_seconds=lambda _: 0.0)


async def test_an_alert_is_verified_by_the_receivers_library() -> None:
    receiver = Receiver()
    async with listening(receiver) as url:
        await send(url)
    body, headers = receiver.got[0]
    payload = Webhook(SECRET).verify(body, headers)
    assert payload["type"] == "heal.started"
    assert payload["data"]["integration_id"] == "i-1"
    assert alert_data(body, headers, SECRET) == payload


async def test_a_changed_body_or_another_key_is_not_verified() -> None:
    receiver = Receiver()
    async with listening(receiver) as url:
        await send(url)
    body, headers = receiver.got[0]
    other = "whsec_" + base64.b64encode(b"another key of thirty-two bytes.").decode()
    for bad_body, secret in ((body + b" ", SECRET), (body, other)):
        with pytest.raises(InputError, match="signature"):
            alert_data(bad_body, headers, secret)


async def test_retries_carry_the_same_id() -> None:
    receiver = Receiver(503, 429)
    async with listening(receiver) as url:
        await send(url)
    assert len(receiver.got) == 3
    assert len({headers["webhook-id"] for _, headers in receiver.got}) == 1


@pytest.mark.parametrize(("statuses", "calls"), [((410,), 1), ((400,), 1), ((500,) * 9, 4)])
async def test_a_refusal_is_final_and_patience_has_an_end(statuses: tuple[int, ...], calls: int) -> None:
    receiver = Receiver(*statuses)
    async with listening(receiver) as url:
        with pytest.raises(UpstreamError):
            await send(url)
    assert len(receiver.got) == calls


async def test_an_alert_stays_small() -> None:
    receiver = Receiver()
    long = Alert(type="drift.found", integration_id="i", summary="s", detail="x" * 100_000)
    async with listening(receiver) as url:
        await send(url, what=long)
    assert len(receiver.got[0][0]) < 20_000
    assert json.loads(receiver.got[0][0])["data"]["detail"].startswith("xxx")


async def test_a_secret_that_is_none_is_said_in_one_line() -> None:
    with pytest.raises(InputError, match="whsec_"):
        await send("http://127.0.0.1:9/hook", secret="not base64 at all!")

"""Alerts by signed webhook, after the Standard Webhooks specification (standardwebhooks.com, 1.0).

Thin events: what happened to which integration, in words; never a record's value or a credential.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from pydantic import Field

from vitesse_graph.errors import InputError, UpstreamError
from vitesse_graph.state.base import Model

if TYPE_CHECKING:
    import httpx

AlertEvent = Literal[
    "heal.started",
    "heal.succeeded",
    "heal.waiting",
    "heal.needs_person",
    "heal.gave_up",
    "heal.rolled_back",
    "integration.paused",
    "drift.found",
]
AlertFormat = Literal["standard", "slack"]
MAX_DETAIL_CHARS = 4_000
ATTEMPTS = 4
TIMEOUT_SECONDS = 20.0


class Alert(Model):
    """One event. `id` is the receiver's idempotency key and stays the same over retries."""

    id: str = Field(default_factory=lambda: f"msg_{uuid4().hex}")
    type: AlertEvent
    integration_id: str
    summary: str
    """One line."""
    detail: str = ""
    """Markdown: the drift report, the evidence, the change of the mapping."""
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))

    def body(self, form: AlertFormat = "standard") -> str:
        """The text that is signed and sent; `slack`: as an incoming webhook of theirs wants it."""
        if form == "slack":
            text = f"*{self.type}* {self.integration_id}: {self.summary}\n{self.detail[:MAX_DETAIL_CHARS]}"
            for sign, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
                text = text.replace(sign, written)  # an API's own words must not mention a whole channel
            return json.dumps({"text": text.strip()}, ensure_ascii=False)
        payload = {
            "type": self.type,
            "timestamp": self.at.isoformat(),
            "data": {
                "integration_id": self.integration_id,
                "summary": self.summary,
                "detail": self.detail[:MAX_DETAIL_CHARS],
            },
        }
        return json.dumps(payload, ensure_ascii=False, separators=(",", ":"))


def sign_alert(alert: Alert, secret: str, at: datetime, form: AlertFormat = "standard") -> dict[str, str]:
    """The three `webhook-*` headers. `secret` is `whsec_` and the base64 of 24 to 64 bytes.

    Raises InputError for a secret that is none.
    """
    from standardwebhooks import Webhook

    try:
        # The library decodes leniently, and would sign with whatever rubbish remains.
        size = len(base64.b64decode(secret.removeprefix("whsec_"), validate=True))
    except ValueError:
        size = 0
    if not 24 <= size <= 64:
        raise InputError("the webhook's secret must be 'whsec_' followed by the base64 of 24 to 64 bytes")
    signature = Webhook(secret).sign(alert.id, at, alert.body(form))
    return {
        "webhook-id": alert.id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }


async def send_alert(
    client: httpx.AsyncClient,
    url: str,
    secret: str | None,
    alert: Alert,
    *,
    form: AlertFormat = "standard",
    wait_seconds: Callable[[int], float] | None = None,
) -> None:
    """Delivers an alert, with a few retries; each attempt is signed with its own time (None: not signed).

    The client should be a guarded one: the address is somebody else's. Raises UpstreamError when no
    attempt was answered with 2xx (410: the receiver wants no more, not retried).
    """
    import httpx

    pause = wait_seconds or _backoff
    last = "no answer"
    for attempt in range(ATTEMPTS):
        if attempt:
            await asyncio.sleep(pause(attempt))
        headers = {
            "Content-Type": "application/json",
            **(sign_alert(alert, secret, datetime.now(UTC), form) if secret else {}),
        }
        try:
            response = await client.post(
                url,
                content=alert.body(form),
                headers=headers,
                timeout=TIMEOUT_SECONDS,
                follow_redirects=False,
            )
        except httpx.TransportError as error:
            last = type(error).__name__
            continue
        if response.is_success:
            return
        last = f"HTTP {response.status_code}"
        if response.status_code < 500 and response.status_code not in (408, 425, 429):
            raise UpstreamError(
                f"the alert webhook refused: {last}", status=response.status_code, is_transient=False
            )
    raise UpstreamError(f"the alert webhook did not take the alert after {ATTEMPTS} attempts: {last}")


def _backoff(attempt: int) -> float:
    """Full jitter under 1, 2, 4 … seconds."""
    return random.uniform(0, 2.0 ** (attempt - 1))


def alert_data(body: bytes | str, headers: dict[str, str], secret: str) -> dict[str, Any]:
    """Verifies an alert that was received (for tests and receivers) and returns its payload.

    Raises InputError for a wrong signature, a wrong secret or a time too far off.
    """
    from standardwebhooks import Webhook, WebhookVerificationError

    try:
        payload: dict[str, Any] = Webhook(secret).verify(body, headers)
    except (WebhookVerificationError, ValueError) as error:
        raise InputError("the alert's signature is not right") from error
    return payload

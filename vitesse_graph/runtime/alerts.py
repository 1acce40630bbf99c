"""Telling somebody: a webhook signed per the Standard Webhooks convention, or in Slack's form.

https://github.com/standard-webhooks/standard-webhooks (read 2026-11): headers `webhook-id`,
`webhook-timestamp`, `webhook-signature`; the signature covers `id.timestamp.body`.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from vitesse_graph.runtime.secrets import Redactor, SecretResolver, resolve_secret
from vitesse_graph.state.definition import IntegrationDefinition

if TYPE_CHECKING:
    from vitesse_graph.http import AddressPolicy

_log = logging.getLogger(__name__)
_WAITS_SECONDS = (0.5, 2.0, 8.0)


class Alerts:
    """Sends one integration's alerts; a webhook that does not answer is tried a few times, then logged."""

    def __init__(
        self,
        definition: IntegrationDefinition,
        *,
        policy: AddressPolicy,
        redactor: Redactor,
        resolver: SecretResolver | None = None,
    ) -> None:
        self._definition = definition
        self._policy = policy
        self._redactor = redactor
        self._secret: str | None = None
        if definition.alert_webhook and definition.alert_secret_ref:
            self._secret = resolve_secret(definition.alert_secret_ref, resolver=resolver)
            redactor.add(self._secret)

    async def send(self, kind: str, text: str, **detail: Any) -> bool:
        """True when the webhook took it. `kind` like `sync.paused`; `text` is one line without values."""
        text = self._redactor(text)
        _log.warning("alert %s: %s", kind, text)
        if self._definition.alert_webhook is None:
            return False
        headers, body = self._message(kind, text, detail)
        for wait in (*_WAITS_SECONDS, None):
            if await self._post(headers, body):
                return True
            if wait is not None:
                await asyncio.sleep(wait)
        _log.error("the alert %s could not be delivered", kind)
        return False

    def _message(self, kind: str, text: str, detail: dict[str, Any]) -> tuple[dict[str, str], bytes]:
        now = datetime.now(UTC)
        definition = self._definition
        name = definition.name or definition.integration_id
        content: dict[str, Any]
        if definition.alert_format == "slack":
            content = {"text": f"*{_for_slack(name)}*: {_for_slack(text)}"}
        else:
            data = {"integration_id": definition.integration_id, "name": name, "text": text, **detail}
            content = {"type": kind, "timestamp": now.isoformat(), "data": data}
        body = orjson.dumps(content)
        headers = {"Content-Type": "application/json", "webhook-id": f"msg_{uuid.uuid4().hex}"}
        headers["webhook-timestamp"] = str(int(now.timestamp()))
        if self._secret is not None:
            from standardwebhooks import Webhook

            hook = Webhook(self._secret)
            headers["webhook-signature"] = hook.sign(headers["webhook-id"], now, body.decode())
        return headers, body

    async def _post(self, headers: dict[str, str], body: bytes) -> bool:
        import aiohttp

        from vitesse_graph.errors import RefusedAddress
        from vitesse_graph.runtime.connect import open_session

        try:
            async with (
                open_session(self._policy, 1) as session,
                session.post(
                    str(self._definition.alert_webhook),
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=15),
                ) as response,
            ):
                return 200 <= response.status < 300
        except (TimeoutError, aiohttp.ClientError, OSError, RefusedAddress) as error:
            _log.warning("the alert webhook did not answer: %s", type(error).__name__)
            return False


def _for_slack(text: str) -> str:
    """Without what Slack takes for a mention or a link: an API's own words may be in it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

"""Alerts about an integration: to the webhook that its owner named, signed; and to the log."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from vitesse_graph.errors import VitesseError
from vitesse_graph.services import Services

if TYPE_CHECKING:
    from vitesse_graph.healing import AlertEvent

_log = logging.getLogger(__name__)
PATIENCE_SECONDS = 15.0
"""A webhook that is away must not hold up the repair that it would hear of."""


async def tell(
    services: Services, integration_id: str, event: AlertEvent, summary: str, detail: str = ""
) -> bool:
    """Sends one alert. True when the webhook took it; what prevents it is logged and noted, never raised."""
    from vitesse_graph.healing import Alert, alerts_of, send_alert
    from vitesse_graph.http import AddressPolicy, guarded_httpx
    from vitesse_graph.runtime.secrets import resolve_secret

    _log.info("%s %s: %s", integration_id, event, summary)
    try:
        row = await services.registry.integration(integration_id)
        target = alerts_of(row.metadata)
        if target is None:
            return False
        secret = None
        if target.secret_ref is not None:
            secret = resolve_secret(target.secret_ref, resolver=services.read_secret)
        alert = Alert(type=event, integration_id=integration_id, summary=summary, detail=detail)
        async with (
            asyncio.timeout(PATIENCE_SECONDS),
            guarded_httpx(AddressPolicy.from_settings(services.settings)) as client,
        ):
            await send_alert(client, target.webhook, secret, alert, form=target.format)
    except (VitesseError, TimeoutError) as error:
        said = str(error) or "the webhook took too long"
        _log.warning("%s: the alert %s was not delivered: %s", integration_id, event, said)
        await services.registry.audit(
            integration_id, "alert", outcome="failed", detail={"event": event, "message": said}
        )
        return False
    return True

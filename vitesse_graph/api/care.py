"""What an owner says about healing and alerts, in an integration's metadata: checked before it is kept.

Raw secrets do not stay there: one that signs alerts is encrypted at once, as every credential is.
"""

from __future__ import annotations

from typing import Any

from vitesse_graph.api import credentials
from vitesse_graph.api.principals import Principal
from vitesse_graph.errors import InputError
from vitesse_graph.healing.policy import ALERTS_KEY, alerts_of, policy_of
from vitesse_graph.registry.vault import Vault


async def checked_care(
    metadata: dict[str, Any], caller: Principal, vault: Vault, *, integration_id: str
) -> dict[str, Any]:
    """The metadata as it may be kept. Raises InputError for a policy or a webhook that cannot be, a 403
    where repairs would be deployed unasked by somebody who may not deploy."""
    checked = dict(metadata)
    given = checked.get(ALERTS_KEY)
    if isinstance(given, dict) and given.get("secret"):
        if given.get("secret_ref"):
            raise InputError("alerts: give secret or secret_ref, not both")
        reference = await credentials.keep(
            given["secret"], caller, vault, integration_id=integration_id, purpose="alerts"
        )
        checked[ALERTS_KEY] = {k: v for k, v in given.items() if k != "secret"} | {"secret_ref": reference}
    target = alerts_of(checked)
    if target is not None and target.secret_ref is not None:
        await credentials.ensure_reference_allowed(target.secret_ref, caller, vault)
    if policy_of(checked).approval == "never":
        caller.ensure("approver")
    return checked

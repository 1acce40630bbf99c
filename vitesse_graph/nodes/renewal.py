"""The strategy `refresh_auth`: renew a credential, try it, and say what a person must do where it is dead."""

from __future__ import annotations

from typing import Literal

from vitesse_graph.nodes.workload import refresh_credential
from vitesse_graph.services import Services
from vitesse_graph.state.definition import AuthRefresh, IntegrationDefinition
from vitesse_graph.state.deployment import Deployment
from vitesse_graph.state.health import Diagnosis

SideName = Literal["source", "dest"]
Verdict = Literal["accepted", "refused", "unclear"]


def sides_of(diagnosis: Diagnosis) -> list[SideName]:
    """The sides whose credential is in doubt, by the diagnosis. Pure."""
    named = {diagnosis.side} if diagnosis.cause == "auth_expired" else set()
    named |= {one["side"] for one in diagnosis.detail.get("also", []) if one["cause"] == "auth_expired"}
    both: tuple[SideName, SideName] = ("source", "dest")
    return [side for side in both if side in named or not named & set(both)]


async def renew(
    services: Services, deployment: Deployment | None, definition: IntegrationDefinition, side: SideName
) -> AuthRefresh:
    """By the deployed runtime, which holds its credentials; by us where it does not answer."""
    from vitesse_graph.http import AddressPolicy
    from vitesse_graph.runtime import open_store
    from vitesse_graph.runtime.reauth import refresh_auth

    if deployment is not None:
        found = await refresh_credential(deployment, side)
        if found is not None:
            return found
    async with open_store(services.settings) as store:
        return await refresh_auth(
            definition,
            side,
            store=store,
            policy=AddressPolicy.from_settings(services.settings),
            resolver=services.read_secret,
        )


def verdict_of(found: list[AuthRefresh]) -> Verdict:
    """Of several sides: one refusal is a refusal, and all must be accepted. Pure."""
    if any(one.verdict == "refused" for one in found):
        return "refused"
    return "accepted" if found and all(one.verdict == "accepted" for one in found) else "unclear"


def said(found: AuthRefresh, definition: IntegrationDefinition) -> str:
    """One line for the story, with what to do. Pure."""
    side = definition.source if found.side == "source" else definition.dest
    where = side.auth_ref or "nowhere (the API was taken to be open)"
    if found.verdict == "accepted":
        how = "was renewed" if found.renewed else f"was read anew from {where}"
        return f"the credential of {side.api_name} {how} and is accepted"
    if found.verdict == "refused":
        return (
            f"{side.api_name} needs authorising anew: {found.detail}. Put a fresh credential where {where} "
            "points, then `vitesse heal`"
        )
    why = f": {found.detail}" if found.detail else ""
    return f"whether {side.api_name} accepts the credential cannot be told now{why}"

"""The strategy `refresh_auth`: renew a credential, try it, and say what a person must do where it is dead."""

from __future__ import annotations

from typing import Any, Literal

from vitesse_graph.nodes.workload import refresh_credential
from vitesse_graph.services import Services
from vitesse_graph.state.definition import AuthRefresh, IntegrationDefinition
from vitesse_graph.state.deployment import Deployment
from vitesse_graph.state.health import Diagnosis
from vitesse_graph.state.whiteboard import SharedWhiteboardState

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
) -> tuple[AuthRefresh, bool]:
    """By the deployed runtime, which holds its credentials; by us where it does not answer.

    True: the runtime holds an old credential, and a good one lies where the reference points. What came
    to a workload in its environment stays as it is until another version is deployed.
    """
    if deployment is None:
        return await _by_us(services, definition, side), False
    found = await refresh_credential(deployment, side)
    if found is None:
        return await _by_us(services, definition, side), False
    reference = (definition.source if side == "source" else definition.dest).auth_ref or ""
    if found.verdict == "refused" and reference.startswith(("secret:", "env:")):
        ours = await _by_us(services, definition, side)
        if ours.verdict == "accepted":
            return ours, True
    return found, False


async def _by_us(services: Services, definition: IntegrationDefinition, side: SideName) -> AuthRefresh:
    from vitesse_graph.http import AddressPolicy
    from vitesse_graph.runtime import open_store
    from vitesse_graph.runtime.reauth import refresh_auth

    async with open_store(services.settings) as store:
        return await refresh_auth(
            definition,
            side,
            store=store,
            policy=AddressPolicy.from_settings(services.settings),
            resolver=services.read_secret,
        )


async def hand_over(
    services: Services,
    state: SharedWhiteboardState,
    definition: IntegrationDefinition,
    whiteboard: dict[str, Any],
    *,
    actor: str,
) -> Deployment:
    """Deploys what runs as a version of its own, so that the workload is given the credential as it is now.

    `whiteboard` is the one kept with the live version: nothing of it changes. Raises DeployError.
    """
    assert state.deployment is not None
    again = definition.model_copy(update={"version": definition.version + 1})
    deployer = services.deployer(state.deployment.target)
    deployed = await deployer.deploy(again, state.deployment_config)
    deployed = deployed.model_copy(update={"sandboxes": state.deployment.sandboxes})
    name = definition.integration_id
    await services.registry.save_version(name, again.version, again.dump(), whiteboard)
    await services.registry.save_integration(name, service_url=deployed.service_url)
    detail = {"version": again.version, "target": deployed.target, "digest": again.digest()}
    await services.registry.audit(name, "deploy", actor=actor, detail=detail)
    return deployed


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

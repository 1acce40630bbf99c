"""API keys: made, listed and revoked by admins."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from vitesse_graph.api.answers import Answer, answer
from vitesse_graph.api.bodies import CreateKey
from vitesse_graph.api.doors import ApiDep, Caller, Door, problems

router = APIRouter(route_class=Door, tags=["keys"])


@router.post(
    "/keys", summary="Make an API key", status_code=201, response_model=Answer, responses=problems(413)
)
async def create(api: ApiDep, caller: Caller, body: CreateKey) -> dict[str, Any]:
    """The key is in this answer and nowhere else. From the first one on, nobody gets in without."""
    caller.ensure("admin")
    text, key = await api.keys.create(body.name, body.role, tenant=caller.tenant, created_by=caller.id)
    api.access.forget()
    await api.registry.audit("", "create_key", actor=caller.id, detail={"key": key.id, "role": key.role})
    return answer({"key": text, **key.model_dump(mode="json")})


@router.get("/keys", summary="List API keys", response_model=Answer, responses=problems())
async def list_keys(api: ApiDep, caller: Caller) -> dict[str, Any]:
    caller.ensure("admin")
    found = await api.keys.list(tenant=caller.tenant)
    return answer({"keys": [key.model_dump(mode="json") for key in found]})


@router.delete("/keys/{key_id}", summary="Revoke an API key", response_model=Answer, responses=problems(404))
async def revoke(
    api: ApiDep, caller: Caller, key_id: Annotated[str, Path(pattern=r"^[0-9a-f]{1,32}$")]
) -> dict[str, Any]:
    """It ends at once here, within seconds on other servers."""
    caller.ensure("admin")
    await api.keys.revoke(key_id, tenant=caller.tenant)
    api.access.forget()
    await api.registry.audit("", "revoke_key", actor=caller.id, detail={"key": key_id})
    return answer({"revoked": key_id})

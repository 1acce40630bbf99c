"""The same callers and roles before a LangGraph server's thread API (`auth` in `langgraph.json`).

Who may not do a thing through REST cannot do it here: answering the deploying gate, running without
gates, or editing a thread's state takes an approver. As long as nobody has a key, this machine alone
may call, and may do everything.
"""

from __future__ import annotations

import asyncio
from typing import Any

from langgraph_sdk import Auth

from vitesse_graph.api.access import Access
from vitesse_graph.api.credentials import ensure_location_allowed, ensure_reference_allowed
from vitesse_graph.api.lookout import ASSISTANT_ID as MONITOR_ID
from vitesse_graph.api.principals import RANK, Principal
from vitesse_graph.api.problems import Refusal
from vitesse_graph.api.steps import ORDER
from vitesse_graph.errors import InputError, NotFoundError
from vitesse_graph.nodes.running import checked_input
from vitesse_graph.registry.keys import ApiKeys
from vitesse_graph.registry.vault import open_vault
from vitesse_graph.services import get_services
from vitesse_graph.settings import get_settings

auth = Auth()
_PERMISSION = "vitesse:"
_BEFORE_DEPLOYING = frozenset(ORDER[: ORDER.index("review_guardian")])
STUDIO = ("https://smith.langchain.com", "https://eu.smith.langchain.com")
"""Where Studio's page comes from: it may call this machine's server while nobody has a key."""
_access: dict[int, Access] = {}


async def _get_access() -> Access:
    """One for each event loop, with the pool of that loop's services."""
    loop = id(asyncio.get_running_loop())
    if loop not in _access:
        services = await get_services()
        settings = await asyncio.to_thread(get_settings)
        _access[loop] = Access(ApiKeys(services.pool), settings, pages=STUDIO)
    return _access[loop]


@auth.authenticate
async def authenticate(headers: dict[Any, Any], scope: dict[str, Any]) -> Auth.types.MinimalUserDict:
    """The caller as this server knows users. Raises a 401."""
    named = {_text(name).lower(): _text(value) for name, value in headers.items()}
    client = scope.get("client")
    try:
        caller = await (await _get_access()).identify(named, client[0] if client else None)
    except Refusal as error:
        raise Auth.exceptions.HTTPException(status_code=error.http_status, detail=str(error)) from error
    return {
        "identity": caller.id,
        "is_authenticated": True,
        "permissions": [f"{_PERMISSION}{caller.role}", f"{_PERMISSION}tenant:{caller.tenant}"],
    }


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def caller_of(ctx: Auth.types.AuthContext) -> Principal:
    """The caller that `authenticate` put into the context."""
    said = [p.removeprefix(_PERMISSION) for p in ctx.permissions if p.startswith(_PERMISSION)]
    role = next((p for p in said if p in RANK), "viewer")
    tenant = next((p.removeprefix("tenant:") for p in said if p.startswith("tenant:")), "")
    return Principal(id=ctx.user.identity, role=role, tenant=tenant)  # type: ignore[arg-type]


def _refuse(error: Exception) -> Exception:
    status = error.http_status if isinstance(error, Refusal) else 422
    return Auth.exceptions.HTTPException(status_code=status, detail=str(error))


def _ensure(ctx: Auth.types.AuthContext, role: Any) -> Principal:
    caller = caller_of(ctx)
    try:
        caller.ensure(role)
    except Refusal as error:
        raise _refuse(error) from error
    return caller


def _visible(caller: Principal) -> dict[str, Any]:
    """Threads of the caller's tenant; all of them while nobody has a key."""
    return {"tenant": caller.tenant} if caller.tenant else {}


def _changeable(caller: Principal) -> dict[str, Any]:
    """An operator changes what is their own; from approver on, what is the tenant's."""
    if caller.may("approver"):
        return _visible(caller)
    return {**_visible(caller), "owner": caller.id}


@auth.on
async def everything_else(ctx: Auth.types.AuthContext, value: Any) -> bool:
    """Assistants and what else the server has may be read by all; changed by admins."""
    if ctx.action in ("read", "search", "get", "list_namespaces"):
        return True
    _ensure(ctx, "admin")
    return True


@auth.on.threads.create
async def create_thread(ctx: Auth.types.AuthContext, value: Any) -> dict[str, Any]:
    """A thread belongs to who made it."""
    caller = _ensure(ctx, "operator")
    metadata = value.setdefault("metadata", {})
    metadata["owner"], metadata["tenant"] = caller.id, caller.tenant
    return _changeable(caller)


@auth.on.threads.read
async def read_thread(ctx: Auth.types.AuthContext, value: Any) -> dict[str, Any]:
    return _visible(caller_of(ctx))


@auth.on.threads.search
async def search_threads(ctx: Auth.types.AuthContext, value: Any) -> dict[str, Any]:
    return _visible(caller_of(ctx))


@auth.on.threads.update
async def update_thread(ctx: Auth.types.AuthContext, value: Any) -> dict[str, Any]:
    """Editing a thread's state can walk around a gate, so it takes who may answer every gate."""
    caller = _ensure(ctx, "approver")
    await _audit(value, "edit_thread", caller)
    return _visible(caller)


@auth.on.threads.delete
async def delete_thread(ctx: Auth.types.AuthContext, value: Any) -> dict[str, Any]:
    caller = _ensure(ctx, "operator")
    await _audit(value, "delete_thread", caller)
    return _changeable(caller)


@auth.on.threads.create_run
async def create_run(ctx: Auth.types.AuthContext, value: Any) -> dict[str, Any]:
    """A run: its actor is the caller; whatever may end in a deployment takes an approver."""
    is_monitor = str(value.get("assistant_id")) == str(MONITOR_ID)
    caller = _ensure(ctx, "admin" if is_monitor else "operator")
    metadata = value.setdefault("metadata", {})
    metadata["owner"], metadata["tenant"] = caller.id, caller.tenant
    if is_monitor:
        # It heals whatever is deployed here, whose ever it is, and its threads are no integrations.
        return _changeable(caller)
    arguments = value.get("kwargs") or {}
    context = arguments.get("context")
    if not isinstance(context, dict):
        context = arguments["context"] = {}
    context["actor"] = caller.id
    context["may_deploy"] = caller.may("approver")
    command = arguments.get("command") or {}
    skips_gates = context.get("approvals", "every_step") not in ("every_step", "before_deploy")
    goes_around = bool(command.get("goto") or command.get("update"))
    if skips_gates or goes_around or context.get("heal_approval") == "never":
        _ensure(ctx, "approver")
    # Told early where it can be; the gate itself refuses whoever may not answer it.
    is_answer = not caller.may("approver") and command.get("resume") is not None
    if is_answer and await _deploying_gate_waits(value.get("thread_id")):
        _ensure(ctx, "approver")
    await _check_input(caller, arguments.get("input"))
    if value.get("thread_id") is not None:
        # on record, with its tenant, before the run starts
        services = await get_services()
        await services.registry.save_integration(
            str(value["thread_id"]), created_by=caller.id, tenant=caller.tenant
        )
        await _audit(value, "answer" if command.get("resume") is not None else "run", caller)
    return _changeable(caller)


async def _audit(value: Any, action: str, caller: Principal) -> None:
    """Who asked for it; what became of it is told by the steps, and by the server's own run log."""
    thread_id = value.get("thread_id")
    if thread_id is not None:
        services = await get_services()
        await services.registry.audit(
            str(thread_id), action, actor=caller.id, outcome="accepted", detail={"door": "threads"}
        )


async def _deploying_gate_waits(thread_id: Any) -> bool:
    """Whether the answer would be for the gate before deploying (also where that cannot be told)."""
    if thread_id is None:
        return True
    services = await get_services()
    try:
        row = await services.registry.integration(str(thread_id))
    except NotFoundError:
        return True
    return row.next_step not in _BEFORE_DEPLOYING


async def _check_input(caller: Principal, given: Any) -> None:
    """Files and secrets of the server are an admin's; another tenant's secrets are nobody's.

    A secret in place of a reference is refused here, before the server keeps the run.
    """
    if not isinstance(given, dict):
        return
    services = await get_services()
    try:
        checked_input(given)
        for name in ("source", "dest"):
            ensure_location_allowed(given.get(name), caller)
        for name in ("source_auth", "dest_auth"):
            if given.get(name):
                vault = await open_vault(services.settings, services.pool)
                await ensure_reference_allowed(str(given[name]), caller, vault)
    except (Refusal, InputError) as error:
        raise _refuse(error) from error

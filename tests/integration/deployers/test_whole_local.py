"""The whole product on target `local`, over REST: from an intent to a container behind Traefik that moves
records between two real servers, is mended, changed in mid-sync, outlives the factory, and goes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import httpx
import pytest

from tests.integration.api.rest_driving import INTENT, client_of, running
from tests.integration.deployers.targets import DockerTarget
from vitesse_graph.api.steps import PREFIX
from vitesse_graph.demo.stands import Stands, run_stands
from vitesse_graph.deployers.names import route_path
from vitesse_graph.state.deployment import Deployment
from vitesse_graph.state.mapping import MappingLogic

# The first build on a machine installs everything.
pytestmark = pytest.mark.timeout(600)

CUSTOMERS = 1247


async def step(client: httpx.AsyncClient, method: str, path: str, body: Any = None) -> dict[str, Any]:
    answer = await client.request(method, path, json=body)
    assert answer.status_code in (200, 201), answer.text
    said: dict[str, Any] = answer.json()
    return said


async def outside(url: str, method: str = "GET", body: Any = None) -> dict[str, Any]:
    """As anybody calls the integration, through Traefik."""
    timeout = aiohttp.ClientTimeout(total=120)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.request(method, url, json=body) as answer,
    ):
        return {"http_status": answer.status, **(await answer.json() if answer.status == 200 else {})}


async def deployed_with_progress(client: httpx.AsyncClient, address: str) -> tuple[list[str], dict[str, Any]]:
    """Deploys as somebody who watches does; the lines of progress, and how it ended."""
    accepted = await client.post(f"{address}/deploy", headers={"Prefer": "respond-async"})
    assert accepted.status_code == 202, accepted.text
    events = accepted.json()["data"]["events"].removeprefix(PREFIX)
    text = (await client.get(events, headers={"Last-Event-ID": "0"}, timeout=300)).text
    told = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
    lines = [said["message"] for said in told if said.get("step") == "deploy" and "message" in said]
    return lines, next(said for said in reversed(told) if said.get("event") == "vitesse.run.finished")


async def everything_arrived(stands: Stands) -> None:
    found = await stands.stats()
    assert (found["contacts"], found["doubles"]) == (CUSTOMERS, 0)


async def test_an_intent_becomes_a_container_that_syncs_is_mended_and_leaves_nothing(
    docker_target: DockerTarget, traefik: str
) -> None:
    docker_target.changes |= {"traefik_url": traefik, "requests_per_minute": 0}
    settings = docker_target.settings.model_copy(update=docker_target.changes)
    host = await docker_target.apis_host()
    name = ""
    async with run_stands(host=host) as stands:
        secrets = (stands.shopify_token, stands.credo_api_key)
        try:
            async with running(settings) as app, client_of(app) as client:
                body = {
                    "user_intent": INTENT,
                    "source_api_url": stands.shopify_spec_url,
                    "dest_api_url": stands.credo_spec_url,
                    "source_auth": {"token": stands.shopify_token},
                    "dest_auth": stands.credo_api_key,
                    "deployment_target": "local",
                }
                name = (await step(client, "POST", "/integrations", body))["integration_id"]
                address = f"/integrations/{name}"
                url = await _brought_up(client, docker_target, traefik, name)
                deployed = (await step(client, "GET", address))["data"]["deployment"]
                seen = docker_target.everything_visible(Deployment.model_validate(deployed))
                assert not any(secret in seen for secret in secrets)
                report = (await step(client, "POST", f"{address}/sync"))["data"]["sync"]
                assert (report["status"], report["created"]) == ("completed", CUSTOMERS)
                await everything_arrived(stands)
                await _mended(client, stands, address, url)
                await _changed_in_mid_sync(client, stands, address, url)
                logs = (await step(client, "GET", f"{address}/logs"))["data"]["lines"]
                assert any("sync run" in line for line in logs)
                assert not any(secret in line for secret in secrets for line in logs)
            # Vitesse has stopped; what it made goes on.
            report = await outside(f"{url}/sync", "POST", {"full": True})
            assert (report["status"], report["fetched"]) == ("completed", CUSTOMERS)
            await everything_arrived(stands)
            async with running(settings) as app, client_of(app) as client:
                assert (await step(client, "DELETE", address))["data"]["deleted"] is True
                assert (await client.get(address)).status_code == 404
        finally:
            await docker_target.deployer().destroy(name)
    assert await docker_target.leftovers(name) == []
    networks = docker_target.client.networks.list(names=[settings.docker_network])
    assert [one.name for one in networks] == []
    assert (await outside(f"{url}/health"))["http_status"] == 404


async def _brought_up(client: httpx.AsyncClient, target: DockerTarget, traefik: str, name: str) -> str:
    """Every step with its approval; where it answers then."""
    address = f"/integrations/{name}"
    for called in ("ingest", "map", "test"):
        said = await step(client, "POST", f"{address}/{called}")
    assert said["status"] == "deploying"
    # The plan is shown before anything of it is there.
    plan = said["data"]["deployment_plan"]
    assert plan["target"] == "local"
    assert plan["routes"][0] == traefik + route_path(name)
    assert plan["resources"]["container"] == route_path(name)[1:]
    assert "DATABASE_URL" in plan["environment"]
    assert any(action.startswith("build the image") for action in plan["actions"])
    assert await target.leftovers(name) == []
    lines, ended = await deployed_with_progress(client, address)
    assert (ended["http_status"], ended["status"]) == (200, "active"), ended
    assert any(line.startswith("Step ") for line in lines)
    assert lines[-1].startswith("starting version 1")
    url = (await step(client, "GET", address))["data"]["deployment"]["service_url"]
    assert url == plan["routes"][0]
    return str(url)


async def _mended(client: httpx.AsyncClient, stands: Stands, address: str, url: str) -> None:
    """The shop renames a field; the repair is proven, approved, and replaces the container."""
    await stands.drift(rename={"phone": "phone_no"})
    healed = await step(client, "POST", f"{address}/heal", {"reason": "phone numbers are missing"})
    if healed["status"] == "deploying":
        healed = await step(client, "POST", f"{address}/deploy")
    assert healed["status"] == "active"
    rows = MappingLogic.model_validate(healed["data"]["mapping"]).transformations
    assert ("phone_no", "phone_number") in {(row.source_field, row.dest_field) for row in rows}
    assert (await outside(f"{url}/status"))["definition_version"] == 2
    report = (await step(client, "POST", f"{address}/sync", {"full": True}))["data"]["sync"]
    assert (report["status"], report["fetched"], report["quarantined"]) == ("completed", CUSTOMERS, 0)
    await everything_arrived(stands)


async def _changed_in_mid_sync(client: httpx.AsyncClient, stands: Stands, address: str, url: str) -> None:
    """A row is dropped by hand; the new version takes over while a sync runs, and no record is lost."""
    await step(client, "PUT", address, {"transformations": {"drop": ["segments"]}})
    await step(client, "POST", f"{address}/test")
    syncing = asyncio.create_task(outside(f"{url}/sync", "POST", {"full": True}))
    assert (await step(client, "POST", f"{address}/deploy"))["data"]["deployment"]["version"] == 3
    await asyncio.gather(syncing, return_exceptions=True)
    assert (await outside(f"{url}/status"))["definition_version"] == 3
    report = (await step(client, "POST", f"{address}/sync", {"full": True}))["data"]["sync"]
    assert (report["status"], report["fetched"], report["created"]) == ("completed", CUSTOMERS, 0)
    await everything_arrived(stands)

"""What goes wrong is told in one line, with the right status and what to do next."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from rest_driving import made, unknown_id

from vitesse_graph.api.doors import Api
from vitesse_graph.demo.stands import Stands
from vitesse_graph.errors import InputError, UpstreamError
from vitesse_graph.state.deployment import Deployment

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_another_program_in_a_runtimes_place_is_not_taken_for_it(
    api: Api,
    client: httpx.AsyncClient,
    body: dict[str, Any],
    stands: Stands,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A port is given to others once its owner has ended; the monitor must not stumble over that."""

    async def deployment(integration_id: str) -> Deployment:
        return Deployment(target="process", workload_id="w", service_url=f"{stands.credo_url}/__stand__")

    monkeypatch.setattr(api.service, "deployment", deployment)
    integration_id = await made(client, body)
    said = {"integration_id": "y", "definition_version": 1, "definition_digest": "d"}
    with pytest.raises(UpstreamError, match="is no runtime"):
        await api.service.runtime_status(integration_id)
    for answer, reason in (({}, "is no runtime"), (said, "another integration's runtime")):

        async def answers(*_: Any, answer: Any = answer) -> Any:
            return answer

        monkeypatch.setattr(api.service, "call_runtime", answers)
        with pytest.raises(UpstreamError, match=reason):
            await api.service.runtime_status(integration_id)


async def test_a_body_that_is_none_or_no_json_is_told_what_it_should_be(client: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json"}
    broken = await client.post("/integrations", content='{"user_intent": }', headers=headers)
    assert (broken.status_code, broken.json()["error"]) == (
        422,
        "the body is not JSON: Expecting value at character 16",
    )
    assert "the body is missing" in (await client.post("/integrations")).json()["error"]


async def test_a_target_that_is_not_there_is_refused_before_anything_is_made(
    client: httpx.AsyncClient, body: dict[str, Any], api: Api
) -> None:
    before = (await api.registry.integrations(limit=1))[1]
    answer = await client.post("/integrations", json={**body, "deployment_target": "moon"})
    assert (answer.status_code, "there are: " in answer.json()["error"]) == (400, True)
    assert (await api.registry.integrations(limit=1))[1] == before
    with pytest.raises(InputError, match="moon"):
        await api.service.start({"user_intent": "x", "deployment_target": "moon"}, integration_id="moon-1")
    assert await api.service.find("moon-1") is None


async def test_what_needs_a_workload_names_the_step_that_comes_before(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    address = f"/integrations/{await made(client, body, 'ingest')}"
    for method, call in (
        *(("POST", call) for call in ("sync", "heal", "pause", "unpause")),
        *(("GET", call) for call in ("logs", "metrics", "drift")),
    ):
        said = (await client.request(method, f"{address}/{call}")).json()
        assert (call, said["http_status"], said["next_step"]) == (call, 409, "map")
        assert said["next_endpoint"].endswith("/map")


async def test_what_one_test_was_asked_for_does_not_hold_for_the_next(
    client: httpx.AsyncClient, body: dict[str, Any], api: Api
) -> None:
    integration_id = await made(client, body, "ingest", "map")
    address = f"/integrations/{integration_id}/test"
    refused = await client.post(address, json={"shadow_mode": "live"})
    assert (refused.status_code, "skip_destructive" in refused.json()["error"]) == (400, True)
    assert (await client.post(address, json={"shadow_mode": "sandbox", "run_twin": False})).status_code == 200
    assert (await client.post(address)).json()["data"]["test_results"]["mode"] == "live-read"
    state = (await api.service.look(integration_id)).state
    assert (state.shadow_mode, state.run_twin) == (None, None)


async def test_what_does_not_exist_is_a_404_on_every_address(client: httpx.AsyncClient) -> None:
    address = f"/integrations/{unknown_id()}"
    for method, path, body in (
        ("GET", "", None),
        ("PUT", "", {"metadata": {"a": 1}}),
        ("DELETE", "", None),
        ("POST", "/ingest", {}),
        ("POST", "/map", {}),
        ("POST", "/test", {}),
        ("POST", "/deploy", {}),
        ("POST", "/review", {"type": "approve"}),
        ("POST", "/resume", {}),
        ("POST", "/sync", {}),
        ("POST", "/heal", {}),
        ("POST", "/restore", {"checkpoint_id": "1"}),
        *(("GET", path, None) for path in ("/logs", "/metrics", "/events", "/history", "/audit", "/tests")),
        ("GET", "/transformations", None),
    ):
        answer = await client.request(method, address + path, json=body)
        assert (method, path, answer.status_code) == (method, path, 404)
        assert answer.json()["status"] == "failed"
    nowhere = (await client.get("/nowhere")).json()
    assert (nowhere["http_status"], "/api/v1/vitesse/docs" in nowhere["error"]) == (404, True)
    assert (await client.get("http://localhost/api/v1/vitesse")).headers["location"].endswith("/docs")
    assert (await client.put("/status")).json()["http_status"] == 405


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"user_intent": "x", "colour": "red"}, "colour"),
        ({"user_intent": 7}, "user_intent"),
        ({"user_intent": "x" * 5_000}, "user_intent"),
        ({"user_intent": "a\x00b"}, "user_intent"),
        ({"user_intent": "x", "source_discovery": {"description": "no name"}}, "source_discovery.api_name"),
        ([], "the body"),
    ],
)
async def test_a_bad_body_is_a_422_that_names_the_place(
    client: httpx.AsyncClient, body: Any, place: str
) -> None:
    answer = await client.post("/integrations", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(place)
    assert "\n" not in answer.json()["error"]


async def test_a_request_that_says_nothing_is_a_400(client: httpx.AsyncClient) -> None:
    answer = await client.post("/integrations", json={"user_intent": "  ", "source_api_name": "shopify"})
    assert (answer.status_code, "user_intent" in answer.json()["error"]) == (400, True)


async def test_a_body_that_is_no_json_or_too_large_is_refused(client: httpx.AsyncClient, api: Api) -> None:
    broken = await client.post("/integrations", content=b"{", headers={"content-type": "application/json"})
    assert broken.status_code == 422
    strange = await client.post(
        "/integrations", content=b"\x11\x81\xfe", headers={"content-type": "application/json"}
    )
    assert (strange.status_code, "UTF-8" in strange.json()["error"]) == (422, True)
    unsaid = await client.post("/integrations", content=b'{"user_intent": "x"}')
    assert (unsaid.status_code, "Content-Type: application/json" in unsaid.json()["error"]) == (422, True)
    large = {"user_intent": "x", "metadata": {"blob": "y" * api.settings.max_request_bytes}}
    answer = await client.post("/integrations", json=large)
    assert (answer.status_code, answer.json()["http_status"]) == (413, 413)


async def test_an_intent_that_fits_nothing_fails_the_step_and_can_be_mended(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    answer = await client.post("/integrations", json={"user_intent": "make everything better"})
    assert answer.status_code == 400
    problem = answer.json()
    assert (problem["current_step"], problem["next_step"]) == ("discovery", "resume")
    address = f"/integrations/{problem['integration_id']}"
    assert (await client.get(address)).json()["status"] == "failed"
    better = {"source_api_url": body["source_api_url"], "dest_api_url": body["dest_api_url"]}
    mended = await client.post(f"{address}/resume", json=better)
    assert (mended.status_code, mended.json()["data"]["next_step"]) == (200, "ingest")


async def test_a_specification_that_cannot_be_read_is_told_and_another_can_be_given(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    dead = {**body, "source_api_url": "http://127.0.0.1:9/openapi.json"}
    integration_id = await made(client, dead)
    address = f"/integrations/{integration_id}"
    failed = await client.post(f"{address}/ingest")
    assert failed.status_code in (400, 502)
    assert failed.json()["next_step"] == "ingest"
    mended = await client.post(f"{address}/ingest", json={"source_spec_url": body["source_api_url"]})
    assert (mended.status_code, mended.json()["status"]) == (200, "mapping")
    nowhere = await client.post(f"{address}/map", json={"dest_endpoint": "POST /nowhere"})
    assert nowhere.status_code == 400
    assert "/nowhere" in nowhere.json()["error"]
    assert nowhere.json()["next_step"] == "map"
    assert (await client.get(address)).json()["data"]["next_step"] == "map"
    better = await client.post(f"{address}/map", json={"dest_endpoint": "POST /contacts"})
    assert (better.status_code, better.json()["status"]) == (200, "testing")
    # and reading again is not held up by the endpoint that is not there
    await client.post(f"{address}/map", json={"dest_endpoint": "POST /nowhere"})
    assert (await client.post(f"{address}/ingest")).json()["status"] == "mapping"


async def test_an_endpoint_can_be_tried_and_the_credential_is_not_shown(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    base = body["source_api_url"].removesuffix("/openapi.json")
    tried = {"url": f"{base}/customers.json?limit=1", "auth_type": "api_key", "auth": body["source_auth"]}
    said = (
        await client.post("/test-endpoint", json={**tried, "auth_header": "X-Shopify-Access-Token"})
    ).json()
    assert (said["data"]["http_status"], said["data"]["is_authorised"]) == (200, True)
    wrong = {"url": f"{base}/customers.json", "auth": "wrong-token"}
    answer = await client.post("/test-endpoint", json=wrong)
    assert answer.json()["data"]["is_authorised"] is False
    assert "wrong-token" not in answer.text
    for url, status in (
        ("http://169.254.169.254/latest/meta-data", 400),
        ("ftp://example.com/x", 400),
        ("http://127.0.0.1:9/", 502),
    ):
        refused = await client.post("/test-endpoint", json={"url": url})
        assert (url, refused.status_code) == (url, status)


async def test_too_many_requests_are_told_when_to_come_back(
    api: Api, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vitesse_graph.api.limits import RequestLimiter

    monkeypatch.setattr(api, "limiter", RequestLimiter(8))
    answers = [await client.get("/status") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["ratelimit-limit"] == "8"
    assert int(answers[2].headers["retry-after"]) > 0


async def test_no_answer_carries_a_trace(
    client: httpx.AsyncClient, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        async def integration(self, _: str) -> None:
            raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(api, "registry", Broken())
    answer = await client.get(f"/integrations/{unknown_id()}")
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text

"""Target `local` on a real engine: behind a real Traefik, shut in as promised, and let into the database only
as itself."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.integration.deployers.targets import DockerTarget
from tests.integration.runtime.apis import Apis, person
from tests.integration.runtime.definitions import definition
from vitesse_graph.database import database_url
from vitesse_graph.deployers import DeployerFactory
from vitesse_graph.deployers.names import role_name, route_path
from vitesse_graph.deployers.workload_database import close_database, open_database
from vitesse_graph.errors import DeployError, InputError
from vitesse_graph.settings import Settings
from vitesse_graph.state.deployment import DeploymentConfig

# The first build on a machine installs everything.
pytestmark = pytest.mark.timeout(600)


async def call(url: str, method: str = "GET", body: Any = None, host: str | None = None) -> tuple[int, Any]:
    headers = {"Host": host} if host else {}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, json=body, headers=headers) as answer,
    ):
        return answer.status, await answer.json(content_type=None) if answer.status == 200 else None


async def test_behind_traefik_it_answers_by_path_and_by_host_and_is_shut_in(
    docker_target: DockerTarget, traefik: str, name: str
) -> None:
    docker_target.changes |= {"traefik_url": traefik, "domain": "apps.example"}
    deployer = docker_target.deployer()
    made = definition("http://x.test", f"{name}_with_underscores")
    try:
        apis = Apis(await docker_target.apis_host()).start()
        apis.people = [person(n) for n in range(7)]
        made = definition(apis.url, f"{name}_with_underscores")
        plan = await deployer.plan(made, DeploymentConfig(memory_mb=256))
        deployed = await deployer.deploy(made, DeploymentConfig(memory_mb=256))
        path = route_path(made.integration_id)
        assert deployed.service_url == traefik + path == plan.routes[0]
        assert (await call(deployed.service_url + "/sync", "POST", {}))[1]["created"] == 7
        assert (await call(deployed.service_url + "/explain/1"))[1]["source_key"] == "1"
        by_host = plan.routes[1].partition("://")[2].partition(":")[0]
        assert by_host == f"{path[1:]}.apps.example"
        assert (await call(traefik + "/health", host=by_host))[1]["status"] == "ok"
        for elsewhere in (f"{traefik}{path}x/health", f"{traefik}/health"):
            assert (await call(elsewhere))[0] == 404
        _is_shut_in(docker_target.client.api.inspect_container(deployed.detail["container_id"]))
        listing = docker_target.client.containers.get(deployed.detail["container_id"]).exec_run(
            ["ls", "-ln", "/run/vitesse-secrets"]
        )
        lines = [line.split() for line in listing.output.decode().splitlines()[1:]]
        assert [(line[0], line[2], line[3], line[-1]) for line in lines] == [
            ("-r--------", "10001", "10001", "DATABASE_URL")
        ]
        # Only what the runtime needs went into the image.
        listed = docker_target.client.containers.get(deployed.detail["container_id"]).exec_run(
            [
                "/opt/vitesse/bin/python",
                "-c",
                "import importlib.metadata as m;print(*[d.name for d in m.distributions()])",
            ]
        )
        assert not {"langgraph", "docker", "fastapi", "numpy", "pip"} & set(listed.output.decode().split())
    finally:
        await deployer.destroy(made.integration_id)
        apis.stop()
    assert (await call(deployed.service_url + "/health"))[0] == 404


def _is_shut_in(found: dict[str, Any]) -> None:
    host = found["HostConfig"]
    assert (host["CapDrop"], host["CapAdd"], host["Privileged"]) == (["ALL"], None, False)
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert (host["ReadonlyRootfs"], found["Config"]["User"]) == (True, "10001:10001")
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"]) == (256 << 20, 256 << 20, 500_000_000)
    assert host["LogConfig"]["Config"] == {"max-size": "5m", "max-file": "3"}
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert host["PidsLimit"] == 256
    assert not host["PortBindings"]
    mounts = {m["Destination"]: m for m in found["Mounts"]}
    assert set(mounts) == {"/run/vitesse", "/run/vitesse-secrets"}
    assert not mounts["/run/vitesse"]["RW"]
    assert not mounts["/run/vitesse"]["Source"].endswith("postgres")
    # Only the names of secrets are with the engine: neither the database's password nor a credential.
    assert not any(line.startswith("DATABASE_URL=") for line in found["Config"]["Env"])


async def test_through_its_door_a_workload_is_itself_and_nobody_else(settings: Settings, name: str) -> None:
    from vitesse_graph.deployers.supervisor import remove_all_below

    home = settings.data_dir / "doors" / name
    try:
        opened = await open_database(settings, name, home, can_mount=True)
        again = await open_database(settings, name, home, can_mount=True)
        assert (again.url, again.socket_folder) == (opened.url, opened.socket_folder)
        assert opened.socket_folder is not None
        assert [path.name for path in opened.socket_folder.iterdir()] == [".s.PGSQL.5432"]

        def through(**changes: Any) -> dict[str, Any]:
            return {
                **psycopg.conninfo.conninfo_to_dict(opened.url),
                "host": str(opened.socket_folder),
                **changes,
            }

        async with await psycopg.AsyncConnection.connect(**through()) as inside:
            who = await (await inside.execute("select session_user, current_user")).fetchone()
            assert who == (role_name(name), role_name(name))
            big = await (await inside.execute("select repeat('x', 3000000)")).fetchone()
            assert big is not None
            assert len(big[0]) == 3_000_000
        for changes in ({"user": "postgres"}, {"dbname": "template1"}, {"replication": "database"}):
            with pytest.raises(psycopg.OperationalError, match="this door is"):
                await psycopg.AsyncConnection.connect(**through(**changes))
    finally:
        await close_database(settings, name)
        await remove_all_below(home)


def certificates(folder: Path) -> None:
    """`ca.pem`, `cert.pem` and `key.pem` as DOCKER_CERT_PATH holds them; one pair serves both ends."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    text = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "ca.pem").write_bytes(text)
    (folder / "cert.pem").write_bytes(text)
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


@pytest.fixture(params=["tcp", "tls"])
def far_engine(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The engine of this machine as one far away would look: by TCP, plain or with TLS on both sides."""
    listening = socket.create_server(("127.0.0.1", 0))
    if request.param == "tls":
        certificates(tmp_path)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "ca.pem"))
        context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        listening = context.wrap_socket(listening, server_side=True)
        # The SDK's HTTP library would believe these more than DOCKER_CERT_PATH.
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
        monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
        monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))

    def carry(one: socket.socket, other: socket.socket) -> None:
        try:
            while part := one.recv(65536):
                other.sendall(part)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def accept() -> None:
        while True:
            try:
                client, _ = listening.accept()
            except ssl.SSLError:
                continue
            except OSError:
                return
            engine = socket.socket(socket.AF_UNIX)
            engine.connect("/var/run/docker.sock")
            for pair in ((client, engine), (engine, client)):
                threading.Thread(target=carry, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"tcp://127.0.0.1:{listening.getsockname()[1]}"
    listening.close()


async def test_an_engine_far_away_is_asked_and_told_what_it_cannot_reach(
    docker_target: DockerTarget, far_engine: str, name: str
) -> None:
    docker_target.changes |= {"docker_host": far_engine}
    deployer = docker_target.deployer()
    made = definition("http://x.test", name)
    plan = await deployer.plan(made)
    assert any("set DATABASE_URL" in warning for warning in plan.warnings)
    with pytest.raises(InputError, match="set DATABASE_URL"):
        await deployer.deploy(made)
    with pytest.raises(InputError, match="another machine"):
        await deployer.sandbox_host()
    await deployer.destroy(name)
    assert await docker_target.leftovers(name) == []


async def test_no_engine_is_said_in_one_line(settings: Settings) -> None:
    changed = settings.model_copy(update={"docker_host": "tcp://127.0.0.1:9"})
    deployer = DeployerFactory.create_deployer("docker", {"settings": changed})
    with pytest.raises(
        DeployError, match=r"no Docker Engine answers at tcp://127\.0\.0\.1:9 \(.*\); start one"
    ):
        await deployer.get_status("x")


async def test_a_build_that_fails_says_why_and_leaves_nothing(docker_target: DockerTarget, name: str) -> None:
    lines: list[str] = []
    docker_target.changes |= {"image_base": "vitesse-no-such-base:local"}
    deployer = docker_target.deployer()
    deployer.on_progress = lines.append
    with pytest.raises(DeployError, match="was not built"):
        await deployer.deploy(definition("http://x.test", name))
    assert any(line.startswith("Step 1") for line in lines)
    await deployer.destroy(name)
    assert await docker_target.leftovers(name) == []
    assert (await database_url(docker_target.settings)).startswith("postgresql")

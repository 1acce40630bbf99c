"""A Kubernetes API server through the official client: the few calls that a deployer makes, as coroutines.

Objects are plain JSON. `apply` is server-side apply under our field manager. Faults come as our errors:
a conflict says who owns which field, a refusal says what the server said.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from vitesse_graph.deployers.workload import MANAGER, Manifest
from vitesse_graph.errors import ConflictError, DeployError, InputError, NotFoundError, UpstreamError
from vitesse_graph.settings import Settings

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, Configuration

KINDS: dict[str, tuple[str, str]] = {
    "Namespace": ("/api/v1", "namespaces"),
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
    "Secret": ("/api/v1", "secrets"),
    "ConfigMap": ("/api/v1", "configmaps"),
    "Service": ("/api/v1", "services"),
    "Pod": ("/api/v1", "pods"),
    "Event": ("/api/v1", "events"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "NetworkPolicy": ("/apis/networking.k8s.io/v1", "networkpolicies"),
    "Ingress": ("/apis/networking.k8s.io/v1", "ingresses"),
    "PodDisruptionBudget": ("/apis/policy/v1", "poddisruptionbudgets"),
    "HorizontalPodAutoscaler": ("/apis/autoscaling/v2", "horizontalpodautoscalers"),
}
"""Kind → where its group version and plural are served."""

_REQUEST_SECONDS = (5.0, 30.0)
_TOKEN_SECONDS = 600.0  # an EKS token is good for 15 minutes


class Cluster:
    """One API server. Blocking calls run in threads; the client's pool serves them side by side."""

    def __init__(self, client: ApiClient, *, force: bool = False) -> None:
        self._client = client
        self._force = force

    @property
    def address(self) -> str:
        return str(self._client.configuration.host)

    async def apply(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Server-side apply; the object as it then is. Raises ConflictError, DeployError."""
        query = [("fieldManager", MANAGER), ("force", str(self._force).lower())]
        if dry_run:
            query.append(("dryRun", "All"))
        kind, metadata = manifest["kind"], manifest["metadata"]
        path = _path(kind, metadata.get("namespace"), metadata["name"])
        return await self._json("PATCH", path, query, manifest, what=f"{kind} {metadata['name']}")

    async def get(self, kind: str, namespace: str | None, name: str) -> Manifest | None:
        """The object, or None."""
        try:
            return await self._json("GET", _path(kind, namespace, name), what=f"{kind} {name}")
        except NotFoundError:
            return None

    async def find(self, kind: str, namespace: str, labels: dict[str, str] | None = None) -> list[Manifest]:
        """Objects that carry all these labels; empty also where the namespace does not exist."""
        query = [("labelSelector", ",".join(f"{k}={v}" for k, v in labels.items()))] if labels else []
        try:
            found = await self._json("GET", _path(kind, namespace), query, what=f"the list of {kind}s")
        except NotFoundError:
            return []
        # Items of a list carry no kind of their own.
        return [{**item, "kind": kind} for item in found.get("items") or []]

    async def delete(self, kind: str, namespace: str | None, name: str) -> None:
        """Deletes it with all it owns; gone already is well."""
        query = [("propagationPolicy", "Background")]
        try:
            await self._json("DELETE", _path(kind, namespace, name), query, what=f"{kind} {name}")
        except NotFoundError:
            return

    async def logs(self, namespace: str, pod: str, lines: int, *, previous: bool = False) -> str:
        """The pod's last lines, each after its time; empty when there are none yet."""
        query = [("tailLines", str(lines)), ("container", "runtime"), ("timestamps", "true")]
        if previous:
            query.append(("previous", "true"))
        try:
            raw = await self._raw(
                "GET", _path("Pod", namespace, pod) + "/log", query, None, f"the log of {pod}"
            )
        except (NotFoundError, DeployError):  # a container that has not started has no log
            return ""
        return raw.decode("utf-8", "replace")

    async def close(self) -> None:
        await asyncio.to_thread(self._client.close)

    async def _json(
        self,
        method: str,
        path: str,
        query: list[tuple[str, str]] | None = None,
        body: Manifest | None = None,
        *,
        what: str,
    ) -> Manifest:
        value = json.loads(await self._raw(method, path, query or [], body, what) or b"{}")
        return value if isinstance(value, dict) else {}

    async def _raw(
        self, method: str, path: str, query: list[tuple[str, str]], body: Manifest | None, what: str
    ) -> bytes:
        return await asyncio.to_thread(self._call, method, path, query, body, what)

    def _call(
        self, method: str, path: str, query: list[tuple[str, str]], body: Manifest | None, what: str
    ) -> bytes:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        headers = {"Accept": "application/json, */*"}
        if body is not None:
            headers["Content-Type"] = "application/apply-patch+yaml"  # JSON is YAML
        try:
            request = self._client.param_serialize(
                method,
                path,
                query_params=query,
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
            )
            answer = self._client.call_api(*request, _request_timeout=_REQUEST_SECONDS)
            data = bytes(answer.read() or b"")  # type: ignore[no-untyped-call]
        except ApiException as error:  # raised by the client for TLS faults only
            raise UpstreamError(f"the cluster at {self.address} cannot be called: {error.reason}") from error
        except HTTPError as error:
            raise UpstreamError(
                f"the cluster at {self.address} does not answer ({type(error).__name__}); is the address right "
                "and reachable from here?"
            ) from error
        if answer.status >= 300:
            raise fault_of(int(answer.status), data, what)
        return data


def _path(kind: str, namespace: str | None, name: str | None = None) -> str:
    base, plural = KINDS[kind]
    parts = [base]
    if namespace is not None and kind != "Namespace":
        parts.append(f"namespaces/{quote(namespace, safe='')}")
    parts.append(plural)
    if name is not None:
        parts.append(quote(name, safe=""))
    return "/".join(parts)


def fault_of(status: int, data: bytes, what: str) -> Exception:
    """The error for an answer of the API server, from its `Status` object."""
    try:
        said = json.loads(data)
    except ValueError:
        said = {}
    said = said if isinstance(said, dict) else {}
    message = " ".join(str(said.get("message") or f"status {status}").split())[:600]
    if status == 404:
        return NotFoundError(f"{what} is not there: {message}")
    if status == 409:
        causes = (said.get("details") or {}).get("causes") or []
        owned = [f"{c.get('field')} ({c.get('message')})" for c in causes if isinstance(c, dict)]
        return ConflictError(
            f"{what} has fields that another manager owns: {'; '.join(owned) or message}. Settle who owns them, "
            "or set VITESSE_KUBERNETES_FORCE=true to take them over"
        )
    if status == 401:
        return DeployError(f"the cluster does not know who asks for {what}; log in again")
    if status == 403:
        kind = "a quota refuses" if "exceeded quota" in message else "the cluster refuses"
        return DeployError(f"{kind} {what}: {message}")
    if status in (429, 500, 502, 503, 504):
        return UpstreamError(f"the cluster failed at {what}: {message}", status=status)
    return DeployError(f"the cluster does not take {what} (status {status}): {message}")


def open_cluster(settings: Settings) -> Cluster:
    """The cluster that the settings name: EKS by name, else the kubeconfig, else the one we run in. Blocks.

    Raises InputError where there is none.
    """
    from kubernetes import client, config
    from urllib3.util import Retry

    made = client.Configuration()
    if settings.eks_cluster_name:
        _configure_eks(made, settings)
    else:
        file = os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())
        try:
            if any(Path(part).exists() for part in file.split(os.pathsep)):
                config.load_kube_config(  # type: ignore[no-untyped-call]
                    config_file=file, context=settings.kubernetes_context, client_configuration=made
                )
            else:
                config.load_incluster_config(client_configuration=made)  # type: ignore[no-untyped-call]
        except config.ConfigException as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"no Kubernetes cluster to deploy to ({reason}); set EKS_CLUSTER_NAME, or KUBECONFIG"
            ) from error
    # All our calls may be made again: applies, reads, deletes.
    made.retries = Retry(
        total=3, connect=2, backoff_factor=0.2, status_forcelist=(429, 502, 503, 504), allowed_methods=None,
        raise_on_status=False,
    )  # fmt: skip
    return Cluster(client.ApiClient(made), force=settings.kubernetes_force)


def _configure_eks(made: Configuration, settings: Settings) -> None:
    from vitesse_graph.deployers.aws import open_aws

    aws = open_aws(settings)
    found = aws.call(
        "eks", "describe_cluster", "EKS_CLUSTER_NAME names a cluster", name=settings.eks_cluster_name
    )["cluster"]
    made.host = found["endpoint"]
    authority = (found.get("certificateAuthority") or {}).get("data")
    if authority and made.host.startswith("https:"):
        with tempfile.NamedTemporaryFile(prefix="vitesse-eks-", suffix=".crt", delete=False) as file:
            file.write(base64.b64decode(authority))
        made.ssl_ca_cert = file.name
    name = str(found["name"])
    refresh = _token_hook(lambda: aws.eks_token(name))
    made.refresh_api_key_hook = refresh  # type: ignore[assignment]
    made.api_key_prefix["authorization"] = "Bearer"
    refresh(made)  # the client asks the hook only where there is a key already


def _token_hook(make: Callable[[], str]) -> Callable[[Configuration], None]:
    until = 0.0

    def refresh(configuration: Configuration) -> None:
        nonlocal until
        if time.monotonic() >= until:
            configuration.api_key["authorization"] = make()
            until = time.monotonic() + _TOKEN_SECONDS

    return refresh

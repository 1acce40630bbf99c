"""AWS through boto3: clients made once each, and their faults as our errors.

Addresses and credentials are found as every AWS tool finds them (environment, profile, role), also
`AWS_ENDPOINT_URL`; only the region may come from our settings.
"""

from __future__ import annotations

import asyncio
import base64
import threading
from functools import lru_cache
from typing import Any

from vitesse_graph.errors import ConflictError, DeployError, InputError, NotFoundError, UpstreamError
from vitesse_graph.settings import Settings

_MISSING = ("NotFound", "NoSuch", "ResourceNotFound", "ClusterNotFound", "DoesNotExist")
_QUOTA = ("LimitExceeded", "TooMany", "ServiceQuota", "QuotaExceeded")
_REFUSED = ("AccessDenied", "UnauthorizedOperation", "AuthFailure", "UnrecognizedClient", "ExpiredToken")
_INVALID_TOKEN = ("InvalidClientTokenId", "InvalidSignature", "SignatureDoesNotMatch")


class Aws:
    """One session in one region. `call` blocks; `ask` does the same in a thread."""

    def __init__(self, region: str | None) -> None:
        import boto3

        self._session = boto3.session.Session(region_name=region)
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()
        if self._session.region_name is None:
            raise InputError("no AWS region: set AWS_REGION")
        self.region = str(self._session.region_name)

    def client(self, service: str) -> Any:
        from botocore.config import Config

        with self._making:  # a session makes clients in one thread at a time only
            if service not in self._clients:
                config = Config(
                    retries={"mode": "standard", "max_attempts": 5}, connect_timeout=5, read_timeout=60
                )
                self._clients[service] = self._session.client(service, config=config)
            return self._clients[service]

    def call(self, service: str, operation: str, what: str, /, **parameters: Any) -> dict[str, Any]:
        """One call; `what` says in words what it was for. Raises our errors."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer: dict[str, Any] = getattr(self.client(service), operation)(**parameters)
        except ClientError as error:
            raise fault_of(error, what, self.region) from error
        except BotoCoreError as error:
            raise _local_fault(error, what, self.region) from error
        return answer

    async def ask(self, service: str, operation: str, what: str, /, **parameters: Any) -> dict[str, Any]:
        return await asyncio.to_thread(lambda: self.call(service, operation, what, **parameters))

    def pages(
        self, service: str, operation: str, what: str, key: str, /, **parameters: Any
    ) -> list[dict[str, Any]]:
        """All items of a listing."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            pages = self.client(service).get_paginator(operation).paginate(**parameters)
            return [item for page in pages for item in page.get(key) or []]
        except ClientError as error:
            raise fault_of(error, what, self.region) from error
        except BotoCoreError as error:
            raise _local_fault(error, what, self.region) from error

    def eks_token(self, cluster: str) -> str:
        """A bearer token for an EKS cluster: a presigned question who we are, good for 15 minutes."""
        client = self.client("sts")

        def name_the_cluster(params: dict[str, Any], context: Any, **_: Any) -> None:
            if "ClusterName" in params:
                context["cluster"] = params.pop("ClusterName")

        def sign_it_too(request: Any, **_: Any) -> None:
            if "cluster" in request.context:
                request.headers["x-k8s-aws-id"] = request.context["cluster"]

        events = client.meta.events
        events.register(
            "provide-client-params.sts.GetCallerIdentity", name_the_cluster, unique_id="vitesse-name"
        )
        events.register("before-sign.sts.GetCallerIdentity", sign_it_too, unique_id="vitesse-sign")
        url = client.generate_presigned_url(
            "get_caller_identity", Params={"ClusterName": cluster}, ExpiresIn=60, HttpMethod="GET"
        )
        return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


@lru_cache(maxsize=8)
def _kept(region: str | None) -> Aws:
    return Aws(region)


def open_aws(settings: Settings) -> Aws:
    """The process's session in the settings' region: to make its clients takes longer than their calls. Blocks.

    Raises InputError where no region is known.
    """
    return _kept(settings.aws_region)


def fault_of(error: Any, what: str, region: str) -> Exception:
    """Our error for an answer of AWS: what was tried, what it said, what to do."""
    said = error.response.get("Error", {})
    code, message = str(said.get("Code", "")), " ".join(str(said.get("Message", "")).split())[:400]
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) or 0)
    if any(part in code for part in _QUOTA):
        return DeployError(f"a quota of the account refuses in {region}: {what}: {message} ({code})")
    if any(part in code for part in _MISSING):
        return NotFoundError(f"{what}: not found in {region}: {message} ({code}); is AWS_REGION right?")
    if any(part in code for part in (*_REFUSED, *_INVALID_TOKEN)):
        return DeployError(f"AWS refuses in {region}: {what}: {message} ({code})")
    if "InUse" in code or "AlreadyExists" in code or "Conflict" in code:
        return ConflictError(f"{what}: {message} ({code})")
    if status >= 500 or code in ("Throttling", "ThrottlingException", "RequestLimitExceeded"):
        return UpstreamError(f"AWS failed in {region}: {what}: {message} ({code})", status=status)
    return DeployError(f"AWS does not take it in {region}: {what}: {message} ({code})")


def _local_fault(error: Exception, what: str, region: str) -> Exception:
    from botocore import exceptions

    reason = " ".join(str(error).split())[:300]
    if isinstance(error, exceptions.ParamValidationError):
        return InputError(f"{what}: {reason}")
    if isinstance(error, (exceptions.NoCredentialsError, exceptions.PartialCredentialsError)):
        return InputError(f"{what}: no AWS credentials; log in, or set AWS_PROFILE")
    if isinstance(error, exceptions.EndpointConnectionError):
        return UpstreamError(f"{what}: AWS cannot be reached in {region}; is AWS_REGION right?")
    return UpstreamError(f"{what}: {reason}")

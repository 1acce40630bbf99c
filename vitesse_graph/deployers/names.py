"""Any integration id as a name that is valid where it goes, and never shared with another id.

An id that is valid as it stands is kept, so that people recognise it. Every other one is made plain and
gets a short hash of the whole id. An id that merely looks as if it carried such a hash gets one too:
otherwise somebody could choose an id that equals another's made name.
"""

from __future__ import annotations

import re
from hashlib import sha256

PREFIX = "vitesse-"
HASH_DIGITS = 10
LONGEST_LABEL = 63
"""DNS labels, Kubernetes names and label values, Postgres identifiers."""

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", re.ASCII)
_VARIABLE = re.compile(r"[a-z](?:[a-z0-9_]*[a-z0-9])?", re.ASCII)
_LOOKS_HASHED = re.compile(rf"(?:^|.*[-_])[0-9a-f]{{{HASH_DIGITS}}}", re.DOTALL)


def short_hash(integration_id: str) -> str:
    """The part that tells ids apart whose plain forms are equal."""
    return sha256(integration_id.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_DIGITS]


def _made(integration_id: str, kept: re.Pattern[str], joint: str, longest: int) -> str:
    if (
        len(integration_id) <= longest
        and kept.fullmatch(integration_id)
        and not _LOOKS_HASHED.fullmatch(integration_id)
    ):
        return integration_id
    plain = re.sub(r"[^a-z0-9]+", joint, integration_id.lower(), flags=re.ASCII).strip(joint)
    room = longest - HASH_DIGITS - 1
    plain = plain[:room].strip(joint) or "id"[:room]
    return f"{plain}{joint}{short_hash(integration_id)}"


def dns_label(integration_id: str, *, prefix: str = PREFIX, longest: int = LONGEST_LABEL) -> str:
    """Lower-case letters, digits and hyphens (RFC 1123): a hostname label, a Kubernetes name."""
    return prefix + _made(integration_id, _LABEL, "-", longest - len(prefix))


def container_name(integration_id: str) -> str:
    """Name of a container (and of what belongs to it) on a Docker Engine."""
    return dns_label(integration_id)


def kubernetes_name(integration_id: str, *, longest: int = LONGEST_LABEL) -> str:
    """Name of Kubernetes objects. `longest`: shorter where a controller appends something of its own."""
    return dns_label(integration_id, longest=longest)


def ecs_family(integration_id: str) -> str:
    """Family of ECS task definitions, and name of the service."""
    return dns_label(integration_id)


def target_group_name(integration_id: str) -> str:
    """Name of a load balancer's target group: 32 characters at most."""
    return dns_label(integration_id, longest=32)


def repository_name(integration_id: str) -> str:
    """Path of the image's repository in a registry."""
    return "vitesse/" + dns_label(integration_id, prefix="")


def route_path(integration_id: str) -> str:
    """Path below which a router finds the integration."""
    return "/" + dns_label(integration_id)


def host_name(integration_id: str, domain: str) -> str:
    """Host name of the integration below a domain."""
    return f"{dns_label(integration_id)}.{domain}"


def environment_name(integration_id: str, *, prefix: str = "VITESSE_") -> str:
    """Name of an environment variable."""
    return (prefix + _made(integration_id, _VARIABLE, "_", LONGEST_LABEL - len(prefix))).upper()


def role_name(integration_id: str) -> str:
    """Name of the integration's Postgres role: valid without quotes."""
    return "vitesse_" + _made(integration_id, _VARIABLE, "_", LONGEST_LABEL - len("vitesse_"))

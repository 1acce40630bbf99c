"""Routes for Traefik's Docker provider, as labels: built as data, made valid where they go."""

from __future__ import annotations

import re

from vitesse_graph.deployers.images import PORT
from vitesse_graph.deployers.names import dns_label, host_name, route_path
from vitesse_graph.errors import InputError

_DOMAIN = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*", re.ASCII)


def checked_domain(domain: str) -> str:
    """The domain in lower case. Raises InputError when it is none: it goes into a routing rule."""
    if not _DOMAIN.fullmatch(domain):
        raise InputError(f"{domain!r} is no domain name; set VITESSE_DOMAIN to one like example.org")
    return domain.lower()


def routing_labels(integration_id: str, *, network: str, domain: str) -> dict[str, str]:
    """The integration at `/vitesse-<id>` (the prefix is taken off) and at `vitesse-<id>.<domain>`.

    Two versions of one integration carry the same labels, so that one goes on where the other ends.
    """
    name, path = dns_label(integration_id), route_path(integration_id)
    routers, http = f"traefik.http.routers.{name}", "traefik.http"
    return {
        "traefik.enable": "true",
        "traefik.docker.network": network,
        f"{http}.services.{name}.loadbalancer.server.port": str(PORT),
        f"{http}.middlewares.{name}.stripprefix.prefixes": path,
        # Not the bare prefix: that would catch the routes of every id that begins with this one.
        f"{routers}-path.rule": f"Path(`{path}`) || PathPrefix(`{path}/`)",
        f"{routers}-path.middlewares": name,
        f"{routers}-path.service": name,
        f"{routers}-host.rule": f"Host(`{host_name(integration_id, checked_domain(domain))}`)",
        f"{routers}-host.service": name,
    }

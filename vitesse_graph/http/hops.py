"""What a redirect may do, whichever client follows it."""

from __future__ import annotations

from vitesse_graph.errors import RefusedAddress
from vitesse_graph.http.policy import AddressPolicy, classify, literal_address, origin_of

MAX_REDIRECTS = 5

HARMLESS_HEADERS = frozenset(
    {
        "accept", "accept-charset", "accept-encoding", "accept-language", "cache-control", "connection",
        "content-length", "content-type", "host", "if-modified-since", "if-none-match", "range", "user-agent",
    }
)  # fmt: skip
"""What may follow a redirect to another origin; any other header may be a credential."""


def check_hop(policy: AddressPolicy, home: tuple[str, str, int], url: str, *, has_body: bool) -> bool:
    """Judges one hop of a request that began at the origin `home`; says whether it left that origin.

    Refused (RefusedAddress): falling back from https to http; leaving a public origin for an
    inner address, even where inner addresses may be called directly; taking a body along.
    """
    here = origin_of(url)
    if here == home:
        return False
    if home[0] == "https" and here[0] == "http":
        raise RefusedAddress(
            f"refused the redirect from https://{home[1]} to http://{here[1]}: it gives up TLS"
        )
    if has_body:
        raise RefusedAddress(
            f"refused the redirect from {home[1]} to {here[1]}: a request with a body stays with its own host"
        )
    if not is_inner(home[1]):
        policy.for_strangers().check_url(url)
    return True


def is_inner(host: str) -> bool:
    """Whether a host is spelled as a non-public one (a literal address, or localhost)."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = literal_address(host)
    return address is not None and classify(address) != "public"

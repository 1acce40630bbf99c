"""Which addresses may be called: the rules, apart from any client.

Rules follow the OWASP sheet on server-side request forgery (case 2, "any external address"): the
scheme is http or https, the URL holds no user information or control characters, and **every**
address that the name resolves to must be globally routable. IPv4 written in an unusual way
(`127.1`, `0x7f000001`, full-width dots) and IPv4 hidden in IPv6 (mapped, NAT64, 6to4, Teredo) is
unwrapped first.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import unicodedata
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from vitesse_graph.errors import RefusedAddress
from vitesse_graph.settings import Settings

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Kind = Literal["public", "loopback", "private", "forbidden"]

MAX_URL_LENGTH = 8_192
_DEFAULT_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.ip_network("64:ff9b:1::/48")
_V4_COMPATIBLE = ipaddress.ip_network("::/96")
_PROTOCOL = ipaddress.ip_network("192.0.0.0/24")
_SHARED = ipaddress.ip_network("100.64.0.0/10")
_METADATA = {
    ipaddress.ip_address("169.254.169.254"),
    ipaddress.ip_address("169.254.170.2"),
    ipaddress.ip_address("100.100.100.200"),
    ipaddress.ip_address("fd00:ec2::254"),
}
_METADATA_NAMES = {"metadata", "metadata.google.internal", "metadata.goog", "instance-data"}


def _embedded_v4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that this IPv6 one leads to, if it is a wrapping of one."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64 or address in _NAT64_LOCAL:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _V4_COMPATIBLE and int(address) > 1:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def classify(address: IpAddress) -> Kind:
    """What kind of address this is. `forbidden` (metadata, link-local, multicast …) has no general switch."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = _embedded_v4(address)
        if inner is not None:
            return classify(inner)
    if address in _METADATA or address.is_link_local or address.is_multicast or address.is_unspecified:
        return "forbidden"
    if address.is_loopback:
        return "loopback"
    if isinstance(address, ipaddress.IPv4Address) and address in _PROTOCOL:
        return "forbidden"  # python releases differ on whether some of it is global
    if isinstance(address, ipaddress.IPv4Address) and address in _SHARED:
        return "private"
    if address.is_global:
        return "public"
    if isinstance(address, ipaddress.IPv6Address) and address.is_site_local:
        return "private"
    return "private" if address.is_private and not address.is_reserved else "forbidden"


def literal_address(host: str) -> IpAddress | None:
    """The address that `host` spells, in any notation that a resolver would take; None for a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        # inet_aton takes what getaddrinfo takes: 127.1, 0x7f000001, 017700000001, 2130706433.
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeEncodeError, ValueError):
        return None


def origin_of(url: str) -> tuple[str, str, int]:
    """(scheme, host, port) of a URL, normalised: what a credential belongs to. Host is "" where there is none."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    try:
        port = parts.port
    except ValueError:
        port = None
    return scheme, _normal_host(parts.hostname or ""), port or _DEFAULT_PORTS.get(scheme, 0)


def _normal_host(host: str) -> str:
    """Lower case, compatibility forms folded (full-width digits, ideographic dots), no trailing dot."""
    return unicodedata.normalize("NFKC", host).replace("。", ".").lower().rstrip(".")


def _shown(url: str) -> str:
    """The URL fit for a message: without query, fragment, user information and control characters."""
    text = "".join(c if c.isprintable() else "?" for c in url[:200])
    text = text.split("?", 1)[0].split("#", 1)[0]
    scheme, found, rest = text.partition("://")
    if found and "@" in rest.split("/", 1)[0]:
        rest = rest.split("@", 1)[1]
    return scheme + found + rest


@dataclass(frozen=True)
class AddressPolicy:
    """What may be called. Frozen: one policy is shared by every client of a process."""

    allow_loopback: bool = False
    allow_private: bool = False
    allowed_hosts: frozenset[str] = frozenset()
    """`host` or `host:port`, lower case: called whatever they resolve to."""
    is_for_strangers: bool = False
    """Made by `for_strangers`: the remedy in a message is then the list of hosts only."""

    @classmethod
    def from_settings(cls, settings: Settings) -> AddressPolicy:
        hosts = (entry.strip().lower().rstrip(".") for entry in settings.allowed_hosts.split(","))
        return cls(
            allow_loopback=settings.allow_loopback,
            allow_private=settings.allow_private_addresses,
            allowed_hosts=frozenset(entry for entry in hosts if entry),
        )

    def for_strangers(self) -> AddressPolicy:
        """The policy for URLs that a *public* document or redirect names: they may not lead to loopback.

        Being allowed to try one's own API on loopback is no permission for a stranger's
        specification to point there. Hosts listed by name stay allowed.
        """
        return replace(self, allow_loopback=False, is_for_strangers=True)

    def check_url(self, url: str) -> SplitResult:
        """Checks everything that can be known without resolving a name; returns the parsed URL.

        Names are checked when they are resolved, at the moment of connecting.
        Raises RefusedAddress, one line that names the setting that would allow the address.
        """
        parts = self._well_formed(url)
        host = _normal_host(parts.hostname or "")
        port = parts.port or _DEFAULT_PORTS[parts.scheme.lower()]
        if self._is_listed(host, port):
            return parts
        if host in _METADATA_NAMES:
            raise RefusedAddress(
                f"refused to call {_shown(url)}: {host} is a cloud metadata service; "
                f"VITESSE_ALLOWED_HOSTS={host} would allow it"
            )
        if host == "localhost" or host.endswith(".localhost"):
            self._judge("loopback", host, port, host)
            return parts
        address = literal_address(host)
        if address is not None:
            self._judge(classify(address), host, port, str(address))
        return parts

    def check_address(self, host: str, port: int, address: str) -> None:
        """Raises RefusedAddress when `address`, to which `host` resolved, may not be connected to."""
        if self._is_listed(_normal_host(host), port):
            return
        found = literal_address(address)
        if found is None:
            raise RefusedAddress(f"refused to call {host}: it resolved to {address!r}, which is no address")
        self._judge(classify(found), host, port, address)

    async def resolve(self, host: str, port: int) -> list[str]:
        """Addresses of `host`, all of them checked. Raises RefusedAddress; OSError when it does not resolve."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError as error:
            raise RefusedAddress(f"refused to call {host[:80]!r}: it is no valid host name") from error
        addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
        for address in addresses:
            self.check_address(host, port, address)
        return addresses

    def _well_formed(self, url: str) -> SplitResult:
        if len(url) > MAX_URL_LENGTH:
            raise RefusedAddress(f"refused a URL of {len(url)} characters (fixed limit {MAX_URL_LENGTH})")
        if any(ord(c) <= 32 or ord(c) == 127 for c in url) or "\\" in url:
            raise RefusedAddress(
                f"refused to call {_shown(url)}: a URL holds no spaces, control characters or backslashes"
            )
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError as error:
            raise RefusedAddress(f"refused to call {_shown(url)}: it is no valid URL ({error})") from error
        if parts.scheme.lower() not in _DEFAULT_PORTS:
            raise RefusedAddress(f"refused to call {_shown(url)}: only http and https are called")
        if parts.username is not None or parts.password is not None:
            raise RefusedAddress(
                f"refused to call {_shown(url)}: user information in a URL is not sent; give credentials apart"
            )
        if not parts.hostname:
            raise RefusedAddress(f"refused to call {_shown(url)}: it names no host")
        return parts

    def _is_listed(self, host: str, port: int) -> bool:
        return host in self.allowed_hosts or f"{host}:{port}" in self.allowed_hosts

    def _judge(self, kind: Kind, host: str, port: int, address: str) -> None:
        if kind == "public":
            return
        if kind == "loopback":
            if self.allow_loopback:
                return
            remedy = "" if self.is_for_strangers else "VITESSE_ALLOW_LOOPBACK=true"
        elif kind == "private":
            if self.allow_private:
                return
            remedy = "VITESSE_ALLOW_PRIVATE_ADDRESSES=true"
        else:
            remedy = ""
        listed = f"VITESSE_ALLOWED_HOSTS={host}:{port}"
        remedy = f"{remedy} or {listed}" if remedy else listed
        what = {
            "loopback": "a loopback",
            "private": "a private",
            "forbidden": "a link-local, metadata or reserved",
        }
        name = host if host == address else f"{host} ({address})"
        raise RefusedAddress(f"refused to call {name}: it is {what[kind]} address; {remedy} would allow it")

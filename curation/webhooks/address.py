"""Which addresses a webhook may have: none that leads into our own network."""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

IP = ipaddress.IPv4Address | ipaddress.IPv6Address

# Addresses of the IPv4 internet behind a gateway; what is behind it may be inside.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class AddressRefused(Exception):
    """Why nothing is sent to an address; the text is for the person who gave it."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a message goes: the name for TLS and `Host`, and the IP address that was checked."""

    https: bool
    host: str
    port: int
    ip: str
    path: str

    @property
    def netloc(self) -> str:
        """As `Host` says it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.https else 80) else f"{host}:{self.port}"


def look_up(url: str) -> Address:
    """The address that `url` leads to now.

    A name may lead elsewhere the next time, so the connection goes to the IP address found here.

    Raises:
        AddressRefused: it is no address for a webhook, leads nowhere, or into our own network.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise AddressRefused(f"“{url[:100]}” is no address.") from None
    schemes = ("https", "http") if settings.T2J_WEBHOOKS_INSIDE else ("https",)
    if parts.scheme not in schemes or not host:
        raise AddressRefused("The address of a webhook begins with https:// and a host.")
    if parts.username or parts.password or parts.fragment:
        raise AddressRefused("The address of a webhook holds no user, password or #fragment.")
    if not url.isascii() or any(letter <= " " for letter in url):
        raise AddressRefused("The address of a webhook is plain ASCII without blanks.")
    port = port or (443 if parts.scheme == "https" else 80)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(parts.scheme == "https", host, port, _ip_of(host, port), path)


def _ip_of(host: str, port: int) -> str:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise AddressRefused(f"The host {host[:100]} cannot be found.") from None
    ips = [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
    # One inside is enough to refuse: nobody says which one is taken next.
    if not settings.T2J_WEBHOOKS_INSIDE and not all(map(is_outside, ips)):
        raise AddressRefused(
            f"The host {host[:100]} is inside the studio's own network. Whoever runs the studio "
            "can allow that with T2J_WEBHOOKS_INSIDE=true."
        )
    return str(ips[0])


def is_outside(ip: IP) -> bool:
    """Whether an IP address is one of the public internet."""
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip.teredo is not None or ip in _NAT64:
            return False
        if inner is not None:
            return is_outside(inner)
    return ip.is_global and not ip.is_multicast and not ip.is_reserved

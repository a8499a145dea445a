"""The proxies whose forwarding headers are believed, by address."""

import ipaddress
from collections.abc import Iterable

type Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# A proxy on the same machine.
LOOPBACK: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


def parse_proxies(text: str) -> tuple[Network, ...]:
    """Parse addresses and networks that are separated by commas; ``*`` is every address.

    Raises:
        ValueError: one of them is neither.
    """
    if text.strip() == "*":
        text = "0.0.0.0/0,::/0"
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(","))
    except ValueError as exc:
        raise ValueError(f"{exc}; write addresses or networks, such as 10.0.0.4,10.1.0.0/16") from exc


def is_in(peer: str, networks: Iterable[Network]) -> bool:
    """Whether the address of a peer is in one of the networks. What is no address is in none."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped  # a dual-stack socket shows IPv4 so
    return any(address in network for network in networks)

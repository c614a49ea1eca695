"""Which network an address belongs to."""

from collections.abc import Iterable
from ipaddress import ip_address, ip_network


def within(address: str, networks: Iterable[str]) -> bool:
    """Whether an address is in one of the networks (CIDR); what is no address is in none."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    return any(ip in ip_network(network) for network in networks)

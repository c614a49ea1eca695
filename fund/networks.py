"""Which network an address belongs to."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: IPv4 as an IPv6-only network writes it


def address_of(written: str) -> IPv4Address | IPv6Address:
    """One address, however it is written: IPv4 within IPv6 is IPv4, and no zone is part of it. Raises `ValueError`."""
    ip = ip_address(written)
    if isinstance(ip, IPv4Address):
        return ip
    if ip in _NAT64:
        return IPv4Address(ip.packed[-4:])
    return ip.ipv4_mapped or IPv6Address(ip.packed)


def within(address: str, networks: Iterable[str]) -> bool:
    """Whether an address is in one of the networks (CIDR); what is no address is in none."""
    try:
        spellings = {ip_address(address), address_of(address)}
    except ValueError:
        return False
    return any(ip in ip_network(network) for network in networks for ip in spellings)

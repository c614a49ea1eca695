"""Which network an address belongs to, however the two are written."""

import pytest

from fund.networks import within


@pytest.mark.parametrize(
    ("address", "network", "is_in"),
    [
        ("10.0.0.5", "10.0.0.0/8", True),
        ("::ffff:10.0.0.5", "10.0.0.0/8", True),  # as a socket for both families tells it
        ("::ffff:10.0.0.5", "::ffff:10.0.0.0/104", True),
        ("64:ff9b::10.0.0.5", "10.0.0.0/8", True),
        ("fe80::1%eth0", "fe80::/10", True),
        ("::ffff:11.0.0.5", "10.0.0.0/8", False),
        ("10.0.0.5", "fe80::/10", False),
        ("", "10.0.0.0/8", False),
    ],
)
def test_an_address_is_in_a_network(address: str, network: str, is_in: bool) -> None:
    assert within(address, [network]) is is_in

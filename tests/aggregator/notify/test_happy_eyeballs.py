"""Connecting to the addresses of a host: dead ones cost moments, and one that works is enough."""

import asyncio
from typing import Any

import pytest

from fanin.aggregator.notify.happy_eyeballs import DELAY_S, connect_first, in_order
from fanin.aggregator.notify.name_lookup import SocketAddress
from fanin.harness.world.kernel import VirtualKernel

SIX, FOUR = ("2001:db8::%d", 443), ("192.0.2.%d", 443)


def six(n: int) -> SocketAddress:
    return SIX[0] % n, 443


def four(n: int) -> SocketAddress:
    return FOUR[0] % n, 443


class FakeTransport:
    """What a connection is here."""

    def __init__(self) -> None:
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


class Network:
    """Addresses that accept after some seconds, refuse, or (None) swallow everything."""

    def __init__(self, behaviour: dict[SocketAddress, float | OSError | None]) -> None:
        self._behaviour = behaviour
        self.begun: list[tuple[float, SocketAddress]] = []
        self.transports: dict[SocketAddress, FakeTransport] = {}
        self.cancelled: list[SocketAddress] = []

    async def connect(self, host: str, port: int) -> Any:
        address = (host, port)
        self.begun.append((asyncio.get_running_loop().time(), address))
        how = self._behaviour[address]
        if isinstance(how, OSError):
            raise how
        try:
            await (asyncio.Event().wait() if how is None else asyncio.sleep(how))
        except asyncio.CancelledError:
            self.cancelled.append(address)
            raise
        return self.transports.setdefault(address, FakeTransport())


def played(network: Network, addresses: list[SocketAddress]) -> tuple[SocketAddress, float]:
    """The address that won, and after how many seconds of virtual time."""
    ended: list[tuple[SocketAddress, float]] = []

    async def main() -> None:
        address, _ = await connect_first(addresses, network.connect)
        ended.append((address, asyncio.get_running_loop().time()))
        await asyncio.sleep(60)

    VirtualKernel(seed=0).run(main())
    return ended[0]


def test_five_dead_addresses_and_a_live_one_take_little_more_than_a_second() -> None:
    """Each has its turn a quarter of a second after the one before; and what was begun is given up."""
    addresses = [six(1), four(1), six(2), four(2), six(3), four(3)]
    network = Network(dict.fromkeys(addresses[:-1]) | {addresses[-1]: 0.02})

    winner, took_s = played(network, addresses)

    assert winner == four(3)
    assert took_s == pytest.approx(5 * DELAY_S + 0.02, abs=0.05)
    assert sorted(network.cancelled) == sorted(addresses[:-1])


def test_an_address_that_refuses_costs_nothing() -> None:
    """The next one begins at once."""
    addresses = [six(1), six(2), four(1)]
    refused = ConnectionRefusedError(111, "Connection refused")
    network = Network({six(1): refused, six(2): refused, four(1): 0.01})

    winner, took_s = played(network, addresses)

    assert (winner, took_s < DELAY_S) == (four(1), True)


def test_an_address_that_is_slow_may_still_win() -> None:
    """It goes on while others are tried."""
    network = Network({six(1): 0.4, four(1): None})

    assert played(network, [six(1), four(1)])[0] == six(1)


def test_a_connection_that_comes_second_is_closed() -> None:
    """Both accept in the same turn of the loop; the first in the order wins."""
    network = Network({six(1): 0.5, four(1): 0.25})

    winner, _ = played(network, [six(1), four(1)])

    loser = four(1) if winner == six(1) else six(1)
    assert loser in network.cancelled or network.transports[loser].aborted
    assert not network.transports[winner].aborted


@pytest.mark.anyio
async def test_when_none_accepts_the_last_one_says_why() -> None:
    """After all of them were tried."""
    network = Network({six(1): OSError(101, "Network is unreachable"), four(1): OSError(111, "refused")})

    with pytest.raises(OSError, match="refused"):
        await connect_first([six(1), four(1)], network.connect)
    assert len(network.begun) == 2


@pytest.mark.parametrize(
    ("found", "preferred", "ordered"),
    [
        ([six(1), six(2), four(1), four(2)], None, [six(1), four(1), six(2), four(2)]),
        ([four(1), four(2), six(1)], None, [four(1), six(1), four(2)]),
        ([six(1), four(1)], four(1), [four(1), six(1)]),
        ([six(1), four(1)], four(9), [six(1), four(1)]),
        ([], None, []),
    ],
)
def test_the_families_take_turns_and_what_worked_comes_first(
    found: list[SocketAddress], preferred: SocketAddress | None, ordered: list[SocketAddress]
) -> None:
    """RFC 8305, section 4."""
    assert in_order(found, preferred=preferred) == ordered


def test_an_address_that_gets_no_further_comes_last() -> None:
    """Even if it had worked before."""
    found = [six(1), four(1), six(2)]

    assert in_order(found, preferred=six(1), avoided={six(1)}) == [four(1), six(2), six(1)]

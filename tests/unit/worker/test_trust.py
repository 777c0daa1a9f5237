import pytest

from corn_systemd.settings.kinds import PROXIES
from corn_systemd.worker.trust import Trust, unpacked


def trust(*proxies: str) -> Trust:
    return Trust(PROXIES.parse(list(proxies)))


def test_nobody_is_trusted_unless_he_is_named() -> None:
    for address in ("", "127.0.0.1", "::1", "10.0.0.1"):
        assert not trust().trusts(address)


@pytest.mark.parametrize(
    "address", ["10.0.0.0", "10.0.0.2", "::ffff:10.0.0.2", "::a00:1", "unix", "10.0.0.1x", ""]
)
def test_an_address_is_that_one_alone(address: str) -> None:
    assert not trust("10.0.0.1").trusts(address)
    assert trust("10.0.0.1").trusts("10.0.0.1")


def test_a_network_is_every_address_in_it() -> None:
    networks = trust("10.0.0.0/8", "192.168.1.128/25", "2001:db8::/32")
    for address in ("10.0.0.0", "10.255.255.255", "192.168.1.200", "2001:db8:ffff::1", "::ffff:10.1.2.3"):
        assert networks.trusts(address)
    for address in ("9.255.255.255", "11.0.0.0", "192.168.1.127", "2001:db9::", "::1", ""):
        assert not networks.trusts(address)
    assert trust("0.0.0.0/0").trusts("8.8.8.8")
    assert not trust("0.0.0.0/0").trusts("::1")


def test_unix_sockets_are_trusted_by_their_name() -> None:
    assert trust("unix").trusts("")
    assert not trust("unix").trusts("127.0.0.1")


@pytest.mark.parametrize(
    "text", ["", "1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", "1.2.3.4 ", "::g", ":::", "a\0b", "é"]
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert trust().read(text) is None


def test_an_address_has_one_spelling() -> None:
    read = trust().read
    assert read("1.2.3.4") == read("::ffff:1.2.3.4") == "1.2.3.4"
    assert read("2001:DB8:0:0:0:0:0:1") == "2001:db8::1"
    assert unpacked(b"\x01\x02\x03\x04") == "1.2.3.4"

import pytest

from corn_systemd.http.hosts import BOUND, Hosts

HOSTS = Hosts(("shop.example", "*.shop.example", "127.0.0.1", "[::1]"))


@pytest.mark.parametrize(
    "host",
    ["", "example", "evil.example", "xshop.example", "shop.example.evil", "shop.example@evil.example",
     ".shop.example", "shop.example..", "*.shop", "127.0.0.10", "::1", "[::1]evil", "[::2]:80"],
)  # fmt: skip
def test_others_are_not_served(host: str) -> None:
    assert not HOSTS[host]


@pytest.mark.parametrize(
    "host",
    [
        "shop.example",
        "SHOP.Example",
        "shop.example:8080",
        "shop.example.",
        "shop.example.:80",
        "a.shop.example",
        "a.b.shop.example:1",
        "127.0.0.1",
        "127.0.0.1:8000",
        "[::1]",
        "[::1]:80",
        "*.shop.example",
    ],
)
def test_ours_are_served_at_any_port_and_in_any_spelling(host: str) -> None:
    assert HOSTS[host]


def test_a_star_does_not_stand_for_the_name_itself() -> None:
    assert not Hosts(("*.shop.example",))["shop.example"]


def test_what_clients_ask_for_does_not_fill_the_memory() -> None:
    hosts = Hosts(("shop.example",))
    for number in range(3 * BOUND):
        assert not hosts[f"{number}.example"]
    assert len(hosts) <= BOUND

"""What proxies say: what has no clear meaning first, then chains, then what comes of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corn_systemd.errors import BadRequest
from corn_systemd.http.forwarded import Told, apply, split_port, told
from corn_systemd.worker.trust import Trust

TRUST = Trust(("10.0.0.0/8", "2001:db8::1", "unix"))
CLIENT = "203.0.113.7"


def ask(**fields: str) -> Told:
    return told({f"HTTP_{name}": value for name, value in fields.items()}, TRUST)


@pytest.mark.parametrize(
    "value",
    [
        "for", "for=", "=a", "for=a b", 'for="', 'for="a', 'for="1.2.3.4" x', "for=1.2.3.4;", "for=1.2.3.4,",
        ",for=1.2.3.4", "for=1.2.3.4,,for=10.0.0.1", "for=1.2.3.4;for=1.2.3.5", "for=1.2.3.4;FOR=1.2.3.4",
        "for=::1", "for=[::1]", 'for="[::1"', "for=1.2.3", "for=shop.example", 'for="1.2.3.4:99999"',
        "for=01.2.3.4", "for=1.2.3.4;proto=ftp", "for=1.2.3.4;proto=https\x0b", "for=1.2.3.4;host=a/b",
        'for=1.2.3.4;host="a:99999"', 'for=1.2.3.4;host="a b"', 'for="evil, for=10.0.0.1',
    ],
)  # fmt: skip
def test_a_malformed_forwarded_is_refused(value: str) -> None:
    with pytest.raises(BadRequest) as caught:
        ask(FORWARDED=value)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "fields",
    [
        {"X_FORWARDED_FOR": "shop.example"},
        {"X_FORWARDED_FOR": "1.2.3"},
        {"X_FORWARDED_FOR": "1.2.3.4:99999"},
        {"X_FORWARDED_FOR": "1.2.3.4 5.6.7.8"},
        {"X_FORWARDED_FOR": "[1.2.3.4]x"},
        {"X_FORWARDED_FOR": f"{CLIENT}, nonsense, 10.0.0.1"},
        {"X_FORWARDED_PROTO": "javascript"},
        {"X_FORWARDED_PROTO": "https http"},
        {"X_FORWARDED_HOST": "a b"},
        {"X_FORWARDED_HOST": "a/b"},
        {"X_FORWARDED_HOST": "user@a"},
        {"X_FORWARDED_PORT": "0"},
        {"X_FORWARDED_PORT": "65536"},
        {"X_FORWARDED_PORT": "http"},
        {"X_FORWARDED_PORT": "²"},
    ],
)
def test_malformed_x_forwarded_fields_are_refused(fields: dict[str, str]) -> None:
    with pytest.raises(BadRequest) as caught:
        ask(**fields)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "fields",
    [
        {"FORWARDED": "for=6.6.6.6", "X_FORWARDED_FOR": CLIENT},
        {"FORWARDED": f"for={CLIENT};proto=http", "X_FORWARDED_FOR": CLIENT, "X_FORWARDED_PROTO": "https"},
        {"FORWARDED": f"for={CLIENT};host=evil.example", "X_FORWARDED_HOST": "shop.example"},
    ],
)
def test_two_tales_of_one_request_are_refused(fields: dict[str, str]) -> None:
    with pytest.raises(BadRequest, match="disagree"):
        ask(**fields)


def test_two_tales_may_be_the_same_or_complete_each_other() -> None:
    said = ask(FORWARDED=f"for={CLIENT}", X_FORWARDED_FOR=CLIENT, X_FORWARDED_PROTO="https")
    assert said == Told((CLIENT, ""), "https")


@pytest.mark.parametrize(
    ("chain", "address"),
    [
        (CLIENT, CLIENT),
        (f"6.6.6.6, {CLIENT}", CLIENT),
        (f"6.6.6.6, {CLIENT}, 10.0.0.2", CLIENT),
        (f"nonsense, {CLIENT}, 10.0.0.2,10.0.0.1", CLIENT),
        (f"10.0.0.9, {CLIENT}", CLIENT),
        ("10.0.0.9, 10.0.0.2", "10.0.0.9"),
        ("10.0.0.9", "10.0.0.9"),
        (f" , {CLIENT} ,, 10.0.0.1,", CLIENT),
        (f"{CLIENT}, unix:", CLIENT),
        ("unix:", ""),
        ("unknown", ""),
        ("6.6.6.6, unknown, 10.0.0.1", ""),
        ("2001:DB8::2", "2001:db8::2"),
        ("6.6.6.6, 2001:db8::2, 2001:db8::1", "2001:db8::2"),
        ("::ffff:203.0.113.7", CLIENT),
    ],
)
def test_the_client_is_the_first_from_the_right_who_is_no_proxy_of_ours(chain: str, address: str) -> None:
    assert ask(X_FORWARDED_FOR=chain).client == (address, "")


def test_nothing_told_is_nothing_known() -> None:
    assert ask() == ask(X_FORWARDED_FOR="") == ask(X_FORWARDED_FOR=" , ") == ask(FORWARDED="") == Told()


@pytest.mark.parametrize(
    ("node", "client"),
    [("203.0.113.7:5555", (CLIENT, "5555")), ("[2001:db8::2]:5555", ("2001:db8::2", "5555")),
     ("[2001:db8::2]", ("2001:db8::2", ""))],
)  # fmt: skip
def test_a_port_may_be_told(node: str, client: tuple[str, str]) -> None:
    assert ask(X_FORWARDED_FOR=node).client == client
    assert ask(FORWARDED=f'for="{node}"').client == client


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("for=203.0.113.7", Told((CLIENT, ""))),
        ('For="203.0.113.7" ; Proto=HTTPS;by=10.0.0.1', Told((CLIENT, ""), "https")),
        ("for=6.6.6.6;host=evil, for=203.0.113.7;proto=https;host=shop.example, for=10.0.0.2;proto=http",
         Told((CLIENT, ""), "https", "shop.example")),
        ('for=203.0.113.7;host="shop.example:8443"', Told((CLIENT, ""), "", "shop.example:8443", "8443")),
        ('for=203.0.113.7;secret="a, b;c=\\"d"', Told((CLIENT, ""))),
        ("for=_hidden", Told(("", ""))),
        ('for="_hidden:_port"', Told(("", ""))),
        ('for="203.0.113.7:_port"', Told((CLIENT, ""))),
        ("for=unknown;proto=https", Told(("", ""), "https")),
        ("proto=https", Told(None, "https")),
        ("for=203.0.113.7, proto=https", Told(None, "https")),
        ("for=203.0.113.7;proto=http, proto=https, for=10.0.0.1", Told(("10.0.0.1", ""), "https")),
    ],
)  # fmt: skip
def test_forwarded_tells_what_the_proxy_next_to_the_client_saw(value: str, said: Told) -> None:
    assert ask(FORWARDED=value) == said


def test_of_a_list_the_element_of_the_same_proxy_counts() -> None:
    chain = f"6.6.6.6, {CLIENT}, 10.0.0.2"
    said = ask(
        X_FORWARDED_FOR=chain, X_FORWARDED_PROTO="ftp, https, http", X_FORWARDED_HOST="evil, shop, inner"
    )
    assert (said.scheme, said.host) == ("https", "shop")
    # One proxy adds and the other does not.
    assert ask(X_FORWARDED_FOR=chain, X_FORWARDED_PROTO="https").scheme == "https"
    assert ask(X_FORWARDED_PROTO="http, https").scheme == "https"


@pytest.mark.parametrize(
    ("said", "host", "environ"),
    [
        (Told((CLIENT, "1")), "a:1", {}),
        (Told(scheme="https"), "a", {"wsgi.url_scheme": "https", "SERVER_PORT": "443"}),
        (Told(scheme="https"), "a:8443", {"wsgi.url_scheme": "https", "SERVER_PORT": "8443"}),
        (Told(scheme="http"), None, {"wsgi.url_scheme": "http", "SERVER_PORT": "80"}),
        (Told(port="8443"), "a", {"SERVER_PORT": "8443"}),
        (Told(host="shop"), "a:1", {"HTTP_HOST": "shop", "SERVER_NAME": "shop", "SERVER_PORT": "80"}),
        (
            Told(scheme="https", host="[::1]:8443", port="8443"),
            "a",
            {
                "wsgi.url_scheme": "https",
                "HTTP_HOST": "[::1]:8443",
                "SERVER_NAME": "[::1]",
                "SERVER_PORT": "8443",
            },
        ),
    ],
)
def test_what_was_told_goes_over_what_is_known(said: Told, host: str | None, environ: dict[str, str]) -> None:
    fields = {"HTTP_HOST": host} if host else {}
    before = dict(fields)
    apply(said, fields)
    assert fields == {**before, **environ}


@pytest.mark.parametrize(
    ("host", "parts"),
    [
        ("a", ("a", "")),
        ("a:1", ("a", "1")),
        ("a:", ("a", "")),
        ("[::1]", ("[::1]", "")),
        ("[::1]:1", ("[::1]", "1")),
        ("", ("", "")),
    ],
)
def test_a_host_has_a_name_and_perhaps_a_port(host: str, parts: tuple[str, str]) -> None:
    assert split_port(host) == parts


@given(
    st.dictionaries(
        st.sampled_from(["FORWARDED", *(f"X_FORWARDED_{name}" for name in ("FOR", "PROTO", "HOST", "PORT"))]),
        # Not st.characters(): hypothesis makes its table of them at first, and complains that it took long.
        st.binary().map(lambda data: data.decode("latin-1"))
        | st.text(' ,;="\\for.:[]0123456789abcdefunix_-'),
    )
)
def test_no_text_is_met_with_another_exception(fields: dict[str, str]) -> None:
    try:
        said = ask(**fields)
    except BadRequest:
        return
    assert said.scheme in ("", "http", "https")
    assert said.client is None or said.client[0] == "" or TRUST.read(said.client[0]) == said.client[0]

"""What is said to be refused has samples in the corpus, which test_connection feeds in every way."""

from pathlib import Path

import pytest

CORPUS = Path(__file__).parents[2] / "corpus" / "http"

PROMISES = {
    "bare LF": ["400-bare-lf-*", "400-lf-first", "400-chunk-*bare-lf", "400-trailer-bare-lf"],
    "bare CR": ["400-bare-cr-*", "400-cr-*", "400-chunk-extension-bare-cr"],
    "obs-fold": ["400-folded-*", "400-trailer-folded"],
    "space before the colon": ["400-space-before-colon", "400-tab-before-colon", "400-trailer-space-*"],
    "empty names": ["400-empty-name"],
    "invalid names": ["400-name-with-*", "400-space-in-name", "400-no-colon*"],
    "NUL": ["400-nul-*", "400-name-with-nul", "400-target-nul", "400-chunk-extension-nul"],
    "control bytes": ["400-delete-*", "400-escape-*", "400-vertical-tab-*", "400-target-control"],
    "Content-Length with Transfer-Encoding": ["400-length-with-chunked", "400-chunked-with-length"],
    "differing Content-Lengths": ["400-two-lengths", "400-list-of-lengths"],
    "signed Content-Lengths": ["400-signed-length", "400-negative-length"],
    "overlong Content-Lengths": ["400-overlong-length"],
    "codings but a final chunked": [
        "400-chunked-*",
        "400-gzip-alone",
        "400-identity",
        "501-gzip-then-chunked",
    ],
    "bad chunk sizes": ["400-chunk-size-*", "400-chunk-longer-*", "400-chunk-line-too-long"],
    "extensions with CR or LF": ["400-chunk-extension-bare-cr", "400-chunk-extension-bare-lf"],
    "missing Host": ["400-no-host", "400-empty-host", "400-absolute-target-without-host-field"],
    "double Host": ["400-two-hosts", "400-two-equal-hosts"],
    "bad targets": ["400-target-*"],
    "HTTP/2 prefaces": ["505-http2-preface"],
    "CONNECT": ["501-connect*"],
    "heads over 32 KiB": ["431-head-*"],
    "lines over 8 KiB": ["414-target-*", "431-field-*", "431-name-too-long"],
    "more than 100 fields": ["431-too-many-fields*"],
    "bodies over body_max": ["413-*"],
}


@pytest.mark.parametrize("promise", PROMISES)
def test_every_refusal_that_is_promised_has_its_samples(promise: str) -> None:
    for pattern in PROMISES[promise]:
        assert list((CORPUS / "refused").glob(f"{pattern}.http")), pattern


def test_the_samples_of_the_limits_are_beyond_them_by_little() -> None:
    def lines(name: str) -> list[bytes]:
        return (CORPUS / name).read_bytes().split(b"\r\n")

    assert len(lines("accepted/1-hundred-fields.http")) - 3 == 100
    assert len(lines("refused/431-too-many-fields.http")) - 3 == 101
    assert max(map(len, lines("accepted/1-longest-line.http"))) == 8 * 1024
    assert max(map(len, lines("refused/414-target-one-byte-too-long.http"))) == 8 * 1024 + 1
    assert max(map(len, lines("refused/431-field-one-byte-too-long.http"))) == 8 * 1024 + 1
    assert (CORPUS / "refused/431-head-one-byte-too-long.http").stat().st_size == 32 * 1024 + 1

"""Requests for hypothesis: valid ones, ones with a part or two that is not, and mutations of the corpus."""

from pathlib import Path

from hypothesis import strategies as st

from .parts import PARTS, SPLINTERS

CORPUS = Path(__file__).parents[1] / "corpus" / "http"
SAMPLES = {path.stem: path.read_bytes() for path in sorted(CORPUS.glob("*/*.http"))}
# The long ones say nothing more by being long, and are slow.
SHORT_SAMPLES = [data for data in SAMPLES.values() if len(data) < 1000]

NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"


@st.composite
def request(draw: st.DrawFn, spoiled: int) -> bytes:
    """One, with at most so many parts that are not as they should be."""
    bad = draw(st.lists(st.sampled_from(list(PARTS)), min_size=min(spoiled, 1), max_size=spoiled))

    def a(name: str) -> bytes:
        part = PARTS[name]
        return draw(st.sampled_from(part.bad if name in bad else part.good))

    body: list[bytes] = []
    fields = [a("host")]
    framing = draw(st.integers(0, 3))
    if framing == 1 or "length" in bad:
        fields.append(b"Content-Length: " + a("length"))
        body = [b"hello"]
    elif framing == 2 or {"coding", "size", "last", "trailer"}.intersection(bad):
        fields.append(b"Transfer-Encoding: " + a("coding"))
        chunks = [b"%s\r\nhello\r\n" % a("size") for _ in range(draw(st.integers("size" in bad, 2)))]
        body = [*chunks, a("last"), a("trailer"), b"\r\n"]
    fields += [a("field") for _ in range(draw(st.integers("field" in bad, 2)))]
    first = [a("method"), b" ", a("target"), b" ", a("version")]
    if "blank" in bad:
        first[draw(st.sampled_from([1, 3]))] = a("blank")
    lines = [b"".join(first), *(draw(st.permutations(fields)) if len(fields) < 4 else fields), b""]
    parts = [a("between"), *(part for line in lines for part in (line, b"\r\n")), *body]
    if "end" in bad:
        ends = [at for at, part in enumerate(parts) if part.endswith(b"\r\n")]
        at = draw(st.sampled_from(ends))
        parts[at] = parts[at][:-2] + a("end")
    return b"".join(parts)


PIPELINES = st.tuples(
    st.one_of(st.just(b""), request(0)), st.one_of(request(1), request(2)), st.sampled_from([b"", NEXT])
).map(b"".join)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A sample of the corpus with a few bytes put in, taken out or doubled."""
    data = draw(st.sampled_from(SHORT_SAMPLES))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        until = at + draw(st.integers(0, 3))
        deed = draw(st.integers(0, 3))
        if deed == 0:
            data = data[:at] + draw(st.sampled_from(SPLINTERS)) + data[at:]
        elif deed == 1:
            data = data[:at] + data[until:]
        elif deed == 2:
            data = data[:at] + draw(st.sampled_from(SPLINTERS)) + data[until:]
        else:
            end = data.find(b"\n", at) + 1 or len(data)
            data = data[:end] + data[at:end] + data[end:]
    # What comes next shows where each reader thinks that this one ended, and ends what was left open.
    return data + draw(st.sampled_from([b"", NEXT, b"\r\n\r\n", b"0\r\n\r\n"]))

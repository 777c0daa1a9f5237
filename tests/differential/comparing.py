"""Where two readers of the same bytes do not agree."""

from collections.abc import Iterator
from dataclasses import dataclass

from .readers import ACCEPTED, OPEN, OPPONENTS, REFUSED, Reading, by_corn

# What a difference is about. The last ones are how requests are smuggled: both go on, from different places.
CORN_REFUSES, CORN_ACCEPTS = "corn refuses", "corn accepts"
METHOD, TARGET, VERSION, FIELDS, KEEPS = "method", "target", "version", "fields", "keeps"
FRAMING, BODY, END, SWITCH = "framing", "body", "end", "switch"
SMUGGLING = (FRAMING, BODY, END, SWITCH)


@dataclass(frozen=True)
class Disagreement:
    kind: str
    opponent: str
    data: bytes
    """From where the request begins, to the end of the input."""
    corn: Reading
    other: Reading

    def __str__(self) -> str:
        return (
            f"{self.kind}, {self.opponent}\n  data      {self.data!r}\n  corn      {self.corn}\n"
            f"  {self.opponent:9} {self.other}"
        )


def disagreements(data: bytes) -> Iterator[Disagreement]:
    """All of them in a pipeline of requests, as far as it is corn that goes on."""
    opponents = dict(OPPONENTS)
    while data:
        corn = by_corn(data)
        for name, read in list(opponents.items()):
            other = read(data)
            kinds = list(differences(corn, other))
            for kind in kinds:
                yield Disagreement(kind, name, data, corn, other)
            if other.outcome != ACCEPTED or other.end != corn.end:
                del opponents[name]
        if corn.outcome != ACCEPTED or not opponents:
            return
        data = data[corn.end :]


def differences(corn: Reading, other: Reading) -> Iterator[str]:
    """What the two do not agree on. One who still waits may yet refuse, so he agrees with a refusal."""
    if REFUSED in (corn.outcome, other.outcome):
        if corn.outcome == other.outcome:
            return
        if other.switched and corn.head:
            yield SWITCH
        elif corn.outcome == REFUSED and (other.outcome == ACCEPTED or (other.head and not corn.head)):
            yield CORN_REFUSES
        elif other.outcome == REFUSED and (corn.outcome == ACCEPTED or (corn.head and not other.head)):
            yield CORN_ACCEPTS
        return
    one, two = corn.head, other.head
    if one is None or two is None:
        if one or two:
            yield END
        return
    for kind, mine, theirs in (
        (METHOD, one.method, two.method),
        (TARGET, one.target, two.target),
        (VERSION, one.minor, two.minor),
        (FIELDS, one.fields, two.fields),
        (FRAMING, one.framing, two.framing),
    ):
        if mine != theirs:
            yield kind
    if other.switched and one.framing:
        yield SWITCH
    elif corn.outcome != other.outcome:
        yield END
    elif corn.outcome == OPEN:
        if not corn.body.startswith(other.body) and not other.body.startswith(corn.body):
            yield BODY
    else:
        if corn.body != other.body:
            yield BODY
        if corn.end != other.end:
            yield END
        if None not in (corn.keeps, other.keeps) and corn.keeps != other.keeps:
            yield KEEPS

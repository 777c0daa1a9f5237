"""Why a generation is not there after start_timeout, in words: what the first of its children is at.

Asks that child for its stacks, which takes some milliseconds, and ends nobody.
"""

from collections.abc import Iterable, Mapping

from ..errors import Unavailable
from ..policy.view import Desired, Role, State
from .record import Record
from .stacks import stacks_of


def why_late(records: Iterable[Record], desired: Desired, refusals: Mapping[int, str]) -> Unavailable:
    """`refusals`: why the last child of a generation was not born, if that is so."""
    ours = (one for one in records if one.generation == desired.generation)
    late = next((one for one in ours if one.pid and one.state is State.STARTING), None)
    refusal = refusals.get(desired.generation, "")
    limit = f"start_timeout ({desired.start_timeout:g} s)"
    if late is None:
        cause = ": ".join(filter(None, (f"no further worker was ready within {limit}", refusal)))
        return Unavailable(cause)
    if late.role is Role.MOLD:
        cause = f"the application was not imported within {limit}"
    else:
        cause = f"a worker was not ready within {limit}, as {late.task}"
    stacks = stacks_of(late.pid, late.stacks_fd)
    return Unavailable(f"{cause}\n{stacks}" if stacks else cause)

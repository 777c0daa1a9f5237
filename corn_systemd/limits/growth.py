"""By how much the memory of a process has grown, in the journal's words and in those of `corn jobs`."""


def mebibytes(grown: int) -> str:
    """`+1.5` or, of what was given back, `-1.5`; `0.0` for so little that it rounds to nothing."""
    text = f"{grown / 2**20:+.1f}"
    return text[1:] if text in ("+0.0", "-0.0") else text

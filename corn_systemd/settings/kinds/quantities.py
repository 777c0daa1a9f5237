"""Durations, sizes, counts, and yes or no."""

import re
from collections.abc import Sequence

from .kind import Kind

AUTO = 0
"""What COUNT_OR_AUTO makes of `"auto"`."""

# A longer one is a slip; and epoll_wait(2) counts milliseconds in 32 bits.
_LONGEST = 10 * 365 * 86400.0

_SECONDS = {
    **dict.fromkeys(("us", "µs", "usec"), 1e-6),
    **dict.fromkeys(("ms", "msec"), 1e-3),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("w", "week", "weeks"), 7 * 86400.0),
}
_BYTES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_ANSWERS = {
    **dict.fromkeys(("yes", "true", "on", "1"), True),
    **dict.fromkeys(("no", "false", "off", "0"), False),
}


class Span(Kind[float]):
    expects = 'a duration, for example 90, "90s", "2min" or "1h 30min" (0 is off)'
    metavar = "SPAN"

    def parse(self, value: object) -> float:
        if isinstance(value, str):
            seconds = self._seconds(value.strip())
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            if not 0 <= value < float("inf"):
                raise ValueError("0 is off" if value == float("inf") else "a duration is not negative")
            seconds = value if value <= _LONGEST else _LONGEST + 1
        else:
            raise ValueError
        if seconds > _LONGEST:
            raise ValueError("more than ten years; 0 is off")
        return round(float(seconds), 6)  # to the microsecond, so that what is rendered reads the same

    def _seconds(self, text: str) -> float:
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
            return float(text)
        if text.lower() in ("off", "none", "never", "infinity"):
            raise ValueError("0 is off")
        if not re.fullmatch(r"([0-9]+(\.[0-9]+)?\s*[^\W\d_]+\s*)+", text):
            raise ValueError
        total = 0.0
        for number, unit in re.findall(r"([0-9.]+)\s*([^\W\d_]+)", text):
            if unit not in _SECONDS:
                raise ValueError(f"{unit!r} is no unit: they are ms, s, min, h, d and w")
            total += float(number) * _SECONDS[unit]
        return total

    def render(self, value: float) -> str:
        return f'"{self.words(value)}"' if value else "0"

    def words(self, value: float) -> str:
        """The same in a sentence: `500ms`, `90s`, `1h 30min`."""
        if not value:
            return "0"
        if value != int(value) or value < 120:
            milliseconds = round(value * 1000, 3)
            if value < 1 and milliseconds == int(milliseconds):
                return f"{int(milliseconds)}ms"
            return f"{value:.6f}".rstrip("0").rstrip(".") + "s"
        parts, rest = [], int(value)
        for unit, seconds in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
            number, rest = divmod(rest, seconds)
            if number:
                parts.append(f"{number}{unit}")
        return " ".join(parts)


class Size(Kind[int]):
    expects = 'a size in bytes, for example 4096, "32K", "640M" or "1.5G" (0 is off)'
    metavar = "SIZE"

    def parse(self, value: object) -> int:
        if isinstance(value, str):
            bytes_ = self._bytes(value.strip())
        elif isinstance(value, int) and not isinstance(value, bool):
            bytes_ = value
        else:
            raise ValueError("bytes are whole" if isinstance(value, float) else "")
        if not 0 <= bytes_ < 1 << 63:
            raise ValueError(
                "a size is not negative" if bytes_ < 0 else "more than any machine has; 0 is off"
            )
        return bytes_

    def _bytes(self, text: str) -> int:
        match = re.fullmatch(r"([0-9]{1,20})(\.[0-9]{1,9})?\s*([KMGTkmgt]?)(iB)?", text)
        if not match:
            if re.fullmatch(r"[0-9.]+\s*[KMGTkmgt][Bb]", text):
                raise ValueError(f'write "{text[:-1].rstrip()}", which is a power of 1024')
            raise ValueError
        whole, fraction, unit, _ = match.groups()
        factor = _BYTES[unit.upper()]
        digits = (fraction or ".")[1:]
        part, rest = divmod(int(digits or "0") * factor, 10 ** len(digits))
        if rest:
            raise ValueError("bytes are whole")
        result: int = int(whole) * factor + part
        return result

    def render(self, value: int) -> str:
        for unit, factor in reversed(_BYTES.items()):
            if value >= factor and not value % factor and unit:
                return f'"{value // factor}{unit}"'
        return str(value)


class Count(Kind[int]):
    metavar = "N"

    def __init__(self, least: int = 0, *, most: int = 1_000_000, auto: bool = False) -> None:
        self._least, self._most, self._auto = least, most, auto
        self.expects = f"a whole number from {least} to {most}" + (', or "auto"' if auto else "")

    def parse(self, value: object) -> int:
        if self._auto and value == "auto":
            return AUTO
        if not isinstance(value, int) or isinstance(value, bool):
            number = isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value)
            raise ValueError(f"write it without quotes: {value}" if number else "")
        if not self._least <= value <= self._most:
            raise ValueError
        return value

    def read(self, texts: Sequence[str]) -> int:
        text = texts[-1].strip()
        return self.parse(int(text) if re.fullmatch("[0-9]{1,9}", text) else text)

    def render(self, value: int) -> str:
        return '"auto"' if self._auto and value == AUTO else str(value)


class Counts(Kind[tuple[int, ...]]):
    """A list of whole numbers, each larger than the one before."""

    expects = "a list of whole numbers, each larger than the one before, for example [50, 200, 1000]"
    metavar = "N"
    repeatable = True

    def __init__(self, least: int = 1) -> None:
        self._one = Count(least)

    def parse(self, value: object) -> tuple[int, ...]:
        if not isinstance(value, (list, tuple)):
            raise ValueError("without quotes, in brackets" if isinstance(value, str) else "")
        found: list[int] = []
        for item in value:
            try:
                one = self._one.parse(item)
            except ValueError:
                raise ValueError(f"{item!r} is not {self._one.expects}") from None
            if found and one <= found[-1]:
                raise ValueError(f"{one} stands behind {found[-1]}")
            found.append(one)
        return tuple(found)

    def read(self, texts: Sequence[str]) -> tuple[int, ...]:
        return self.parse([int(text) if re.fullmatch("[0-9]{1,9}", text) else text for text in texts])

    def render(self, value: tuple[int, ...]) -> str:
        return str(list(value))


class YesNo(Kind[bool]):
    expects = "true or false"
    metavar = "true|false"
    is_switch = True

    def parse(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError("without quotes" if isinstance(value, str) else "")
        return value

    def read(self, texts: Sequence[str]) -> bool:
        try:
            return _ANSWERS[texts[-1].strip().lower()]
        except KeyError:
            raise ValueError("yes or no") from None

    def render(self, value: bool) -> str:
        return "true" if value else "false"

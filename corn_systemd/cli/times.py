"""Instants and durations as people read them. Pure; the zone is the machine's unless one is given."""

from datetime import datetime, tzinfo


def instant(at: float, zone: tzinfo | None = None) -> str:
    """`Tue 2026-07-28 03:17:00+02:00` for seconds since 1970: alike wherever it is read."""
    return _shown(at, zone).strftime("%a ") + _shown(at, zone).isoformat(" ", "seconds")


def moment(at: float, now: float) -> str:
    """`2026-07-28 03:17 (in 3h 2min)`, with its offset if that is not the one of now: see zone_of()."""
    shown = _shown(at)
    offset = "" if shown.utcoffset() == _shown(now).utcoffset() else shown.strftime(" %z")
    distance = f"in {span(at - now)}" if at >= now else f"{span(now - at)} ago"
    return f"{shown:%Y-%m-%d %H:%M}{offset} ({distance})"


def zone_of(now: float) -> str:
    """`CEST, +0200`: by which clocks moment() tells the time."""
    return _shown(now).strftime("%Z, %z")


def span(seconds: float) -> str:
    """`2.5s`, `45s`, `3min 2s`, `3h 2min`, `2d 3h`."""
    if seconds < 60:
        return f"{seconds:.1f}s" if seconds < 10 else f"{seconds:.0f}s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours}h"
    return f"{hours}h {minutes}min" if hours else f"{minutes}min {rest}s"


def _shown(at: float, zone: tzinfo | None = None) -> datetime:
    return datetime.fromtimestamp(at, zone) if zone is not None else datetime.fromtimestamp(at).astimezone()

"""corn(1) and corn.toml(5), as man(7) wants them."""

from ..sections import Row, rows, sections
from ..verbs import ENVIRONMENT, EXIT_STATUSES, FILES, SIGNALS, VERBS, Verb
from .prose import bold, escaped, flag_help, has_default, literal, paragraph, synopsis

_EXAMPLE = """\
app = "shop.wsgi:application"
python = "/srv/shop/.venv"
chdir = "/srv/shop"
user = "shop"
listen = ["127.0.0.1:8080"]

[environment]
DJANGO_SETTINGS_MODULE = "shop.settings"

[http]
body_max = "512M"

[[cron.jobs]]
name = "clear-sessions"
schedule = "17 3 * * *"
call = "shop.jobs:clear_sessions"
"""


def command_manual() -> str:
    """corn(1)."""
    lines = [*_head("CORN", 1, "User Commands"), ".SH NAME", "corn \\- serve WSGI applications under systemd"]
    lines.append(".SH SYNOPSIS")
    for verb in VERBS:
        options = "".join(f" [{flag}]" for flag, _ in verb.options) + (
            " [--SETTING VALUE]..." * verb.takes_settings
        )
        lines += [f"{bold('corn ' + verb.name)} {synopsis(verb.arguments + options)}", ".br"]
    lines += [f"{bold('corn --version')} | {bold('--help')}", ".SH DESCRIPTION"]
    lines += _paragraphs(
        "corn serves WSGI applications (Django, Flask, your own) with worker processes, and lets systemd do "
        "what systemd does: it holds the listening sockets, starts and watches the master, and accounts "
        "for memory and CPU. An instance NAME is described by one file, `/etc/corn/NAME.toml` (see "
        "corn.toml(5)), and is the service `corn@NAME.service` with the socket `corn@NAME.socket`.",
        "The master imports no application. A process of its own, the mold, started with the application's "
        "Python, imports it once, and the workers are forked from it. A worker serves one request at a time, "
        "and no client, however slow, keeps one waiting. While a request lasts, its worker's other clients "
        "are handed to idle workers, within a tenth of a second, with what they have sent and what they "
        "have still to get.",
        "Open connections cost a worker a file descriptor and less than a kilobyte of memory each. The unit "
        "allows 65536 descriptors; where that is too few, a drop-in (`systemctl edit corn@NAME`) with "
        "`LimitNOFILE=` allows more.",
    )
    lines += literal(
        "systemctl daemon-reload          # after a new file, or a change of listen, user or idle_exit\n"
        "systemctl enable --now corn@shop\n"
        "systemctl reload corn@shop       # new code, new settings; fails if they do not boot\n"
        "journalctl -u corn@shop -x       # what happened, with explanations\n"
        "corn status shop"
    )
    lines += _paragraphs(
        "`systemctl start|stop|restart|reload corn` reaches all instances that are enabled or running."
    )
    lines.append(".SH VERBS")
    lines += _paragraphs("A NAME is an instance's; a path (with a slash, or ending in .toml) is its file's.")
    for verb in VERBS:
        lines += _verb(verb)
    lines.append(".SH SETTINGS AS FLAGS")
    takers = " and ".join(f"`corn {verb.name}`" for verb in VERBS if verb.takes_settings)
    lines += _paragraphs(
        f"{takers} takes these settings as flags. Paths may be relative to the current directory. "
        "corn.toml(5) tells more of each."
    )
    for row in rows():
        if row.flag:
            lines += [".TP", _flag(row), *paragraph(flag_help(row))]
    lines.append(".SH EXIT STATUS")
    for status, text in EXIT_STATUSES:
        lines += [".TP", bold(str(status)), *paragraph(text)]
    lines.append(".SH SIGNALS")
    lines += _paragraphs("To the master, which is the main process of the service:")
    lines += [*_entries(SIGNALS), ".SH ENVIRONMENT", *_entries(ENVIRONMENT), ".SH FILES", *_entries(FILES)]
    lines += [".SH JOURNAL"]
    lines += _paragraphs(
        "What an operator may act on is an entry with a MESSAGE_ID and fields named CORN_...; `journalctl "
        "-x` adds what it means and what to do. A traceback is one entry. `journalctl -u corn@shop -o "
        "verbose` shows the fields."
    )
    lines.append(".SH EXAMPLES")
    lines += _paragraphs("An application in the current directory, in its own virtual environment:")
    lines += literal("corn run shop.wsgi:application --listen :8000 --workers 4 --python .venv")
    lines += _paragraphs(
        "An instance whose file lies elsewhere, with the sockets as systemd would pass them:"
    )
    lines += literal("systemd-socket-activate -l 8080 corn serve ./shop.toml")
    lines.append(".SH SEE ALSO")
    lines += paragraph(
        "corn.toml(5), systemctl(1), journalctl(1), systemd.socket(5), systemd.resource-control(5)"
    )
    return "\n".join(lines) + "\n"


def file_manual() -> str:
    """corn.toml(5)."""
    lines = [*_head("CORN.TOML", 5, "File Formats"), ".SH NAME"]
    lines += ["corn.toml \\- the settings of an instance of corn", ".SH SYNOPSIS"]
    lines += [
        synopsis("/etc/corn/NAME.toml"),
        ".br",
        synopsis("/etc/corn/NAME.toml.d/*.toml"),
        ".SH DESCRIPTION",
    ]
    lines += _paragraphs(
        "One file describes one instance, in TOML (https://toml.io). Drop-ins are read after it in the "
        "order of their names: each sets single keys anew, arrays are replaced as a whole, and the "
        "variables of `[environment]` are merged. `corn config NAME` shows what "
        "comes of it, each value with its origin.",
        "In the names of keys - and _ are the same. An unknown key is an error, as is a wrong value: all "
        "errors are told at once, with file, line and the nearest known key. `corn check NAME` looks for "
        "them before systemd does.",
        'A duration is a number of seconds or a text: `90`, `"90s"`, `"2min"`, `"1h 30min"`; units are ms, '
        's, min, h, d and w. A size is a number of bytes or a text: `"32K"`, `"640M"`, `"1.5G"`, in powers '
        "of 1024. With every limit and every timeout, `0` is off.",
    )
    lines.append(".SH THE INSTANCE")
    lines += _paragraphs("These keys stand at the top of the file, above the first [section].")
    own = [row for row in rows() if len(row.path) == 1]
    for row in own:
        if not row.kind.is_table:
            lines += _setting(row)
    for row in own:
        if row.kind.is_table:
            lines += [f".SH [{row.key.upper()}]", *_paragraphs(row.help, row.more), *literal(row.example)]
    for path, section in sections():
        lines += [f".SH [{'.'.join(path).upper()}]", *_paragraphs(section.__doc__ or "")]
        for row in rows(section, path):
            if len(row.path) == len(path) + 1:
                lines += _setting(row)
    lines.append(".SH AFTER A CHANGE")
    restart = ", ".join(f"`{row.key}`" for row in rows() if row.needs_restart)
    lines += _paragraphs(
        "`systemctl reload corn@NAME` brings new code and new settings, and fails without harm if they do "
        f"not boot. Only a change of {restart} takes a restart, as systemd itself heeds them:"
    )
    lines += literal(
        "systemctl daemon-reload\nsystemctl stop corn@NAME.socket corn@NAME\nsystemctl start corn@NAME"
    )
    lines += _paragraphs("Memory and CPU of the whole service are systemd's to limit, for example:")
    lines += literal("systemctl set-property corn@NAME MemoryMax=2G CPUQuota=150%")
    lines += [".SH EXAMPLE", *literal(_EXAMPLE), ".SH SEE ALSO"]
    lines += paragraph("corn(1), systemd.socket(5), systemd.resource-control(5)")
    return "\n".join(lines) + "\n"


def _head(title: str, number: int, manual: str) -> list[str]:
    return [
        '.\\" Rendered from corn_systemd/settings: edit there, then `make render`.',
        f'.TH {title} {number} "" "corn\\-systemd" "{manual}"',
        # groff 1.23 goes back at each paragraph to what this string says, 1.22 does not know it.
        ".ds AD l",
        ".ad l",
    ]


def _paragraphs(*texts: str) -> list[str]:
    lines = []
    for text in texts:
        if text:
            lines += [".PP", *paragraph(" ".join(text.split()))]
    return lines


def _verb(verb: Verb) -> list[str]:
    lines = [".TP", f"{bold(verb.name)} {synopsis(verb.arguments)}", *paragraph(verb.text[0])]
    for text in verb.text[1:]:
        lines += [".IP", *paragraph(text)]
    for flag, text in (*verb.deeds, *verb.options):
        lines += [".RS", ".TP", bold(flag), *paragraph(text[0].upper() + text[1:] + "."), ".RE"]
    return lines


def _entries(table: tuple[tuple[str, str], ...]) -> list[str]:
    lines = []
    for name, text in table:
        lines += [".TP", f"{bold(name)}", *paragraph(text)]
    return lines


def _setting(row: Row) -> list[str]:
    lines = [
        ".TP",
        f"{bold(row.path[-1])} = \\fI{escaped(row.kind.metavar, is_code=True)}\\fR",
        *paragraph(row.help),
    ]
    if row.more:
        lines += [".IP", *paragraph(row.more)]
    lines += [".IP"]
    facts = "Required. " if row.is_required else ""
    if has_default(row):
        facts += f"Default: `{row.kind.render(row.default)}`."
    else:
        facts += f"For example: `{row.path[-1]} = {row.example}`."
    lines += paragraph(facts + (" A change takes a restart." if row.needs_restart else ""))
    return lines


def _flag(row: Row) -> str:
    if row.kind.is_switch:
        return f"{bold(row.flag)}, {bold('--no-' + row.flag[2:])}"
    again = " ..." if row.kind.repeatable else ""
    return f"{bold(row.flag)} \\fI{escaped(row.kind.metavar, is_code=True)}\\fR{again}"

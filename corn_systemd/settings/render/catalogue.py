"""The journal's catalogue: what `journalctl -x` adds to an entry with one of our ids.

The form is that of https://systemd.io/CATALOG/: @FIELD@ stands for the entry's field, and a text that holds
no line starting with -- may be of any length.
"""

import re
import textwrap

from ...systemd import messages

_HEAD = """\
# What journalctl -x says of the entries of corn. Rendered from corn_systemd/systemd/messages.py:
# edit there, then `make render`.
"""


def catalogue() -> str:
    """All messages, in the order of the table."""
    rows = [value for value in vars(messages).values() if isinstance(value, messages.Message)]
    return _HEAD + "".join(_entry(row) for row in rows)


def _entry(row: messages.Message) -> str:
    subject = re.sub(r"\{(\w+)[^}]*\}", lambda match: f"@CORN_{match[1].upper()}@", row.text)
    explanation = textwrap.fill(row.explain, 78, break_long_words=False, break_on_hyphens=False)
    head = f"-- {row.id}\nSubject: {subject}\nDefined-By: corn-systemd\nDocumentation: man:corn(1)"
    return f"\n{head}\n\n{explanation}\n"

"""The sentences of the journal's messages."""

import re

import pytest

from corn_systemd.systemd import messages
from corn_systemd.systemd.messages import Message

ROWS = {name: row for name, row in vars(messages).items() if isinstance(row, Message)}


@pytest.mark.parametrize("name", ROWS)
def test_one_worker_is_not_told_of_as_several(name: str) -> None:
    row = ROWS[name]
    text = row.text.format(**dict.fromkeys(row.fields, "1"))
    assert not re.search(r"\b1 workers\b", text), text


def test_a_change_of_the_number_of_workers_is_told_with_both_numbers() -> None:
    text = messages.WORKERS_SCALED.text.format(workers=1, before=2, cause="SIGTTOU")
    assert text == "http workers scaled from 2 to 1: SIGTTOU"

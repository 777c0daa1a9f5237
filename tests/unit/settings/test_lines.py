"""On which line a key stands, whatever its neighbours hold."""

import string

from hypothesis import given
from hypothesis import strategies as st

from corn_systemd.settings.lines import line_of, lines_of, syntax_error, tomllib


def test_a_multi_line_string_that_looks_like_a_header_is_none() -> None:
    text = 'a = """\n[http]\nkeepalive = 1\n"""\n[http]\nkeepalive = 2\n'
    assert lines_of(text) == {("a",): 1, ("http",): 5, ("http", "keepalive"): 6}


def test_a_bracket_in_a_comment_or_a_string_ends_no_array() -> None:
    text = 'a = [ # ]\n "]", # ]\n 2\n]\nb = 1\n'
    assert lines_of(text) == {("a",): 1, ("b",): 5}


def test_a_string_that_holds_three_quotes_of_the_other_kind_goes_on() -> None:
    text = "a = '''\n\"\"\"\nb = 1\n'''\nc = 1\n"
    assert lines_of(text) == {("a",): 1, ("c",): 5}


def test_blank_lines_and_comments_are_counted() -> None:
    assert line_of("# one\n\n   # three\na = 1\n\n[x]\n# seven\n\nb = 1", ("x", "b")) == 9


def test_quoted_and_dotted_keys_are_found() -> None:
    text = '"a.b" = 1\nhttp.keep-alive = 1\n[ http . "x y" ]\nz = 1\n'
    lines = lines_of(text)
    assert lines[("a.b",)] == 1
    assert lines[("http", "keep-alive")] == 2
    assert lines[("http", "x y", "z")] == 4


def test_keys_of_an_inline_table_stand_where_it_stands() -> None:
    assert line_of("a = 1\nhttp = {keepalive = {x = 1}}", ("http", "keepalive", "x")) == 2


def test_tables_of_an_array_are_told_apart() -> None:
    job = "[[cron.jobs]]\nname = 1\n[cron.jobs.limits]\nx = 1\n"
    text = job + job
    lines = lines_of(text)
    assert lines[("cron", "jobs", 0, "name")] == 2
    assert lines[("cron", "jobs", 1, "name")] == 6
    assert lines[("cron", "jobs", 1, "limits", "x")] == 8


def test_windows_line_ends_are_line_ends() -> None:
    assert line_of("a = 1\r\n\r\nb = '''\r\n[x]\r\n'''\r\nc = 1\r\n", ("c",)) == 6


def test_what_is_not_there_stands_at_the_nearest_table_above_it() -> None:
    assert line_of("a = 1\n[http]\nb = 1\n", ("http", "nothing", "here")) == 2
    assert line_of("a = 1\n", ("nothing",)) == 0


def said(text: str) -> tuple[int, str]:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return syntax_error(text, error)
    raise AssertionError("that was valid")


def test_syntax_errors_have_a_line_and_plain_words() -> None:
    assert said("a = 1\napp = x.wsgi:application\n") == (2, "not a value; a text needs quotes, at column 7")
    assert said("a = 1\na = 2\n")[0] == 2
    twice = "the section [http] is there twice: join them, at column 6"
    assert said("[http]\na = 1\n[http]\nb = 1\n") == (3, twice)
    assert said("a = 1\nb\n") == (2, "expected key = value, at column 2")
    line, words = said('a = 1\nb = """\nx\n\n')
    assert line == 3
    assert "end of the file" in words


keys = st.text(string.ascii_lowercase, min_size=1, max_size=3)
lines = st.text(string.ascii_lowercase + "[]{}=#,'.", max_size=12)
values = st.one_of(
    st.integers(0, 99).map(str),
    st.lists(lines, max_size=4).map(lambda rows: '"""\n' + "\n".join(rows) + '\n"""'),
    st.lists(lines, max_size=4).map(lambda rows: "'''\n" + "\n".join(rows).replace("'", "") + "'''"),
    st.lists(st.integers(0, 9), max_size=3).map(
        lambda row: "[ # ]\n" + "".join(f"  {number}, # [\n" for number in row) + "]"
    ),
    st.just('{x = "]", y = [\n1,\n2]}'),
)
gaps = st.sampled_from(["", "\n", "# [x]\n", "\n\n# a = 1\n"])


entries = st.dictionaries(keys, st.tuples(gaps, values), max_size=4)


@given(st.dictionaries(keys, st.tuples(gaps, entries), max_size=4))
def test_every_key_of_any_document_is_on_its_line(
    document: dict[str, tuple[str, dict[str, tuple[str, str]]]],
) -> None:
    text = ""
    expected: dict[tuple[str | int, ...], int] = {}
    for table, (gap, entries) in document.items():
        text += gap
        expected[(table,)] = text.count("\n") + 1
        text += f"[{table}]\n"
        for key, (above, value) in entries.items():
            text += above
            expected[(table, key)] = text.count("\n") + 1
            text += f"{key} = {value}\n"
    found = lines_of(text)
    assert {path: line for path, line in found.items() if len(path) < 3} == expected

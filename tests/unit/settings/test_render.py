"""The rendered documents: as committed, valid, and without holes."""

import argparse
import re
from pathlib import Path

import pytest

from corn_systemd import cli
from corn_systemd.settings.load import load
from corn_systemd.settings.render import files
from corn_systemd.settings.render.prose import commented, first_sentence, paragraph, plain
from corn_systemd.settings.sections import rows
from corn_systemd.settings.verbs import VERBS, Verb
from corn_systemd.systemd import messages

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("name", files())
def test_what_is_committed_is_what_is_rendered(name: str) -> None:
    assert (DOCS / name).read_text() == files()[name], "run: make render"


def test_the_example_without_its_comment_signs_is_valid_and_has_every_key(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^#(?! |$)", "", files()["example.toml"])
    (tmp_path / "example.toml").write_text(text)
    assert set(load("example", directory=str(tmp_path)).origin) == {
        row.key if not row.kind.is_table else f"{row.key}.DJANGO_SETTINGS_MODULE" for row in rows()
    }


def test_the_example_as_it_is_sets_nothing_but_the_application(tmp_path: Path) -> None:
    (tmp_path / "example.toml").write_text(files()["example.toml"])
    assert set(load("example", directory=str(tmp_path)).origin) == {"app"}


def test_every_setting_is_in_the_manual() -> None:
    manual = files()["man/corn.toml.5"]
    for row in rows():
        assert row.path[-1].replace("-", "\\-") in manual or f"[{row.key.upper()}]" in manual


def test_every_flag_is_in_the_manual_and_in_the_completion() -> None:
    for row in rows():
        if row.flag:
            assert row.flag.replace("-", "\\-") in files()["man/corn.1"]
            assert row.flag in files()["corn.bash-completion"]


def test_the_verbs_of_the_manual_are_those_of_the_command() -> None:
    assert {verb.name: verb.help for verb in VERBS} == cli.VERBS


def choices(parser: argparse.ArgumentParser, dest: str) -> dict[str, argparse.ArgumentParser]:
    """The parsers below a parser, by their words."""
    (action,) = (action for action in parser._actions if action.dest == dest)
    assert isinstance(action.choices, dict)
    return action.choices


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_option_of_a_verb_is_in_the_manual(verb: Verb) -> None:
    parser = choices(cli.parser(verb.name), "verb")[verb.name]
    deeds = choices(parser, "deed") if verb.deeds else {}
    assert list(deeds) == [deed for deed, _ in verb.deeds]
    options = {
        text for one in (parser, *deeds.values()) for action in one._actions for text in action.option_strings
    }
    documented = {flag for flag, _ in verb.options} | {"-h", "--help"}
    if verb.takes_settings:
        documented |= {row.flag for row in rows()}
        documented |= {f"--no-{row.flag[2:]}" for row in rows() if row.kind.is_switch}
    assert options <= documented
    assert {flag for flag, _ in verb.options} <= options


def test_every_message_is_in_the_catalogue_with_its_fields() -> None:
    catalogue = files()["corn.catalog"]
    for name, row in vars(messages).items():
        if isinstance(row, messages.Message):
            entry = catalogue.partition(f"-- {row.id}\n")[2].partition("\n-- ")[0]
            assert entry.startswith("Subject: "), name
            assert "Defined-By: corn-systemd\nDocumentation: man:corn(1)\n\n" in entry
            assert set(re.findall(r"@CORN_(\w+)@", entry)) <= {field.upper() for field in row.fields}
            assert "{" not in entry


def test_message_ids_are_unique_and_of_32_hexadecimal_digits() -> None:
    ids = re.findall(r"(?m)^-- (.*)$", files()["corn.catalog"])
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in ids)


def test_no_rendered_line_ends_in_blanks() -> None:
    for name, text in files().items():
        assert not re.search(r"(?m)[ \t]+$", text), name
        assert text.endswith("\n")
        assert not text.endswith("\n\n")


def test_a_line_of_prose_that_begins_like_a_request_of_roff_is_guarded() -> None:
    assert paragraph(".toml is the end") == ["\\&.toml is the end"]
    assert paragraph("`.x` and corn(1)") == ["\\fB\\%.x\\fR and \\fBcorn\\fR(1)"]
    assert paragraph("a\\b") == ["a\\(rsb"]


def test_marks_are_taken_from_plain_text() -> None:
    assert plain("`a` and `b`") == "a and b"
    assert commented("`a`") == ["# a"]


def test_a_sentence_ends_at_a_full_stop_before_a_new_one() -> None:
    assert first_sentence("Two of 1.5G each. Then more.") == "Two of 1.5G each"

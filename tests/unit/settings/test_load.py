"""Files, drop-ins and flags: what is wrong is told at once, what is right is known by its origin."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from corn_systemd.errors import ConfigError
from corn_systemd.settings.load import Flags, Loaded, addresses, from_flags, instances, is_name, load

Write = Callable[..., Loaded]


@pytest.fixture
def read(tmp_path: Path) -> Write:
    """read("text of shop.toml", {"10.toml": "text of a drop-in"}) -> Loaded"""

    def write_and_load(
        text: str, drop_ins: dict[str, str] | None = None, flags: Flags | None = None
    ) -> Loaded:
        (tmp_path / "shop.toml").write_text(text)
        (tmp_path / "shop.toml.d").mkdir(exist_ok=True)
        for name, content in (drop_ins or {}).items():
            (tmp_path / "shop.toml.d" / name).write_text(content)
        return load("shop", flags, str(tmp_path))

    return write_and_load


def refused(tmp_path: Path, read: Write, text: str, drop_ins: dict[str, str] | None = None) -> list[str]:
    """The error lines, the directory left out."""
    with pytest.raises(ConfigError) as caught:
        read(text, drop_ins)
    return [line.removeprefix(f"{tmp_path}/") for line in str(caught.value).splitlines()]


APP = 'app = "shop.wsgi:application"\n'


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[workrs]\ncount = 4", "shop.toml:2: unknown section [workrs]; did you mean [workers]?"),
        ("[[workers]]\ncount = 4", "shop.toml:2: workers is one section: write [workers]"),
        ("workers = 4", "shop.toml:2: workers is a section: [workers] count = 4"),
        ("http = '75s'", 'shop.toml:2: http is a section: [http] keepalive = "75s"'),
        ("workers = true", "shop.toml:2: workers is a section: [workers] count = 4"),
        ("workers.cuont = 4", "shop.toml:2: unknown key 'workers.cuont'; did you mean 'workers.count'?"),
        ("lisen = []", "shop.toml:2: unknown key 'lisen'; did you mean 'listen'?"),
        ("bind = ':80'", "shop.toml:2: unknown key 'bind'; did you mean 'listen'?"),
        (
            "keepalive = 3",
            "shop.toml:2: unknown key 'keepalive'; did you mean 'http.keepalive'? It stands under [http].",
        ),
        (
            "[http]\nlisten = ':80'",
            "shop.toml:3: unknown key 'http.listen'; did you mean 'listen'? "
            "It stands above the first [section].",
        ),
        ("colour = 60", "shop.toml:2: unknown key 'colour'; corn.toml(5) has them all"),
        (
            "limit-time-cpu = 60",
            "shop.toml:2: unknown key 'limit-time-cpu'; did you mean 'limits.time_cpu'? "
            "It stands under [limits].",
        ),
        (
            "[server]\nx = 1",
            "shop.toml:2: unknown section [server]; they are [workers], [http], [limits], [cron], "
            "[cron.limits], [reload], [environment], [[limits.path]], [[cron.jobs]]",
        ),
        ("[[cron.job]]\nx = 1", "shop.toml:2: unknown section [cron.job]; did you mean [[cron.jobs]]?"),
        ("[[jobs]]\nx = 1", "shop.toml:2: unknown section [jobs]; did you mean [[cron.jobs]]?"),
        ("[[cron]]\nx = 1", "shop.toml:2: cron is one section: write [cron] or [[cron.jobs]]"),
        (
            "max_cron_threads = 2",
            "shop.toml:2: unknown key 'max_cron_threads'; did you mean 'cron.workers'? "
            "It stands under [cron].",
        ),
        (
            "[http]\nbody-max = 1\nbody_max = 2",
            "shop.toml:4: 'http.body_max' is there twice, also as 'body-max'",
        ),
        ("[environment]\nDEBUG = true", 'shop.toml:3: environment.DEBUG: put it in quotes: DEBUG = "…"'),
        ("app = 1\n", "shop.toml:2: this key has a value already, at column 8"),
        (
            "listen = [\n'127.0.0.1:80',\n",
            "shop.toml:3: a list or a text is not closed, at the end of the file",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_was_meant(
    tmp_path: Path, read: Write, text: str, line: str
) -> None:
    assert refused(tmp_path, read, APP + text) == [line]


def test_a_wrong_value_is_told_with_what_is_expected(tmp_path: Path, read: Write) -> None:
    (line,) = refused(tmp_path, read, APP + '[http]\n\nkeepalive = "75 parsecs"')
    assert line == (
        'shop.toml:4: http.keepalive: expected a duration, for example 90, "90s", "2min" or "1h 30min" '
        "(0 is off), not '75 parsecs' ('parsecs' is no unit: they are ms, s, min, h, d and w)"
    )


def test_each_mistake_in_a_job_is_told_with_its_line_and_its_job(tmp_path: Path, read: Write) -> None:
    text = """\
[[cron.jobs]]
name = "tidy"
schedule = "0 25 * * *"
call = "shop.jobs:tidy()"

[[cron.jobs]]
name = "report"
every = 60
catch-up = "yes"

[[cron.jobs]]
name = "report"
call = "shop.jobs:report"
every = 60
"""
    assert refused(tmp_path, read, APP + text) == [
        "shop.toml:4: cron.jobs: job 'tidy': schedule: '0 25 * * *': hour: 25 is not in 0-23",
        "shop.toml:5: cron.jobs: job 'tidy': call: 'shop.jobs:tidy()': without brackets; "
        "what it is called with is args",
        "shop.toml:7: cron.jobs: job 'report': call is missing; "
        'write for example call = "shop.jobs:clear_sessions"',
        "shop.toml:10: cron.jobs: job 'report': catch-up: expected true or false, not 'yes' (without quotes)",
        "shop.toml:12: cron.jobs: job 'report': number 2 has the same name: each job has its own",
    ]


def test_all_errors_of_all_files_are_told_at_once_in_their_order(tmp_path: Path, read: Write) -> None:
    text = "preload = 3\n[http]\nkeepalive = -1\n"
    lines = refused(tmp_path, read, text, {"20.toml": "x = 1", "10.toml": "[workers]\ncount = 0\nx = 1"})
    assert [line.partition(": ")[0] for line in lines] == [
        "shop.toml",
        "shop.toml:1",
        "shop.toml:3",
        "shop.toml.d/10.toml:2",
        "shop.toml.d/10.toml:3",
        "shop.toml.d/20.toml:1",
    ]
    assert lines[0] == 'shop.toml: app is missing; write for example app = "shop.wsgi:application"'


def test_a_file_that_cannot_be_parsed_hides_no_error_of_another_and_invents_none(
    tmp_path: Path, read: Write
) -> None:
    lines = refused(tmp_path, read, "app = shop.wsgi:application", {"a.toml": "preload = 3"})
    assert [line.partition(": ")[0] for line in lines] == ["shop.toml:1", "shop.toml.d/a.toml:1"]


def test_a_file_that_is_not_utf_8_is_told_with_the_line(tmp_path: Path, read: Write) -> None:
    (tmp_path / "shop.toml").write_bytes(b"app = 'a:b'\n# \xfcber\n")
    with pytest.raises(ConfigError, match=r"shop.toml:2: byte 0xfc is not UTF-8"):
        load("shop", directory=str(tmp_path))


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text("\ufeff" + APP)
    assert load("shop", directory=str(tmp_path)).settings.app == "shop.wsgi:application"


def test_a_misspelt_instance_is_told_with_those_that_exist(tmp_path: Path) -> None:
    for name in ("shop.toml", "blog.toml", ".hidden.toml", "notes.txt"):
        (tmp_path / name).write_text(APP)
    with pytest.raises(ConfigError) as caught:
        load("shpo", directory=str(tmp_path))
    assert str(caught.value) == (
        f"no instance 'shpo': {tmp_path}/shpo.toml does not exist; the instances are: blog, shop"
    )


def test_without_any_instance_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is none in .* yet"):
        load("shop", directory=str(tmp_path / "nowhere"))


def test_a_missing_file_is_told_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"^{tmp_path}/shop.toml does not exist$"):
        load(str(tmp_path / "shop.toml"))


def test_a_directory_in_place_of_a_file_names_the_cause(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").mkdir()
    with pytest.raises(ConfigError, match=r"shop\.toml: is not a regular file"):
        load("shop", directory=str(tmp_path))


def test_a_link_that_leads_nowhere_names_the_cause(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").symlink_to("nowhere")
    with pytest.raises(ConfigError, match=r"shop\.toml: No such file"):
        load("shop", directory=str(tmp_path))


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Takes root's privileges away for the time of a test: root may read everything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    yield
    os.seteuid(before)


@pytest.mark.parametrize("closed", ["shop.toml", "."])
def test_a_file_that_may_not_be_read_names_who_tried(unprivileged: None, closed: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "shop.toml")
        file.write_text(APP)
        Path(directory, closed).chmod(0)
        with pytest.raises(ConfigError, match=r"shop\.toml: Permission denied for u.*: an instance reads"):
            load("shop", directory=directory)
        Path(directory).chmod(0o700)


@pytest.mark.parametrize("name", ["", ".shop", "-shop", "a b", "shop\n", "ä", "x" * 65, "shop:app"])
def test_a_name_that_would_not_do_for_units_and_paths_is_refused(tmp_path: Path, name: str) -> None:
    assert not is_name(name)
    with pytest.raises(ConfigError, match="no name of an instance"):
        load(name, directory=str(tmp_path))


def test_a_target_in_place_of_a_name_is_sent_to_corn_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="corn run shop:app"):
        load("shop:app", directory=str(tmp_path))


def test_a_file_whose_name_is_not_a_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "-x.toml").write_text(APP)
    with pytest.raises(ConfigError, match="'-x' is no name"):
        load(str(tmp_path / "-x.toml"))
    with pytest.raises(ConfigError, match=r"ends in \.toml"):
        load(f"{tmp_path}/shop.conf")


def test_a_flag_that_cannot_be_meant_is_told_by_its_name(read: Write) -> None:
    with pytest.raises(ConfigError, match=r"^--http-keepalive: http.keepalive: expected a duration"):
        read(APP, flags={"http.keepalive": "soon"})
    # As it was written, whatever parses arguments makes lists of it.
    with pytest.raises(ConfigError, match=r"not 'soon'$"):
        read(APP, flags={"http.keepalive": ["soon"]})


def test_a_warning_is_given_for_drop_ins_that_are_not_read(read: Write) -> None:
    loaded = read(APP, {"limits.conf": "preload = false", ".swp": "", "x.toml~": ""})
    assert loaded.settings.preload
    (warning,) = loaded.warnings
    assert "limits.conf is ignored" in warning


def test_what_nobody_sets_is_default(read: Write) -> None:
    loaded = read(APP)
    settings = loaded.settings
    assert (settings.name, settings.app, settings.listen) == ("shop", "shop.wsgi:application", ())
    assert (settings.workers.count, settings.http.keepalive, settings.preload) == (0, 75.0, True)
    assert loaded.warnings == ()
    assert [str(address) for address in addresses(settings)] == ["unix:/run/corn/shop.sock"]


def test_dashes_and_underscores_are_the_same(read: Write) -> None:
    one = read(APP + "start-timeout = 1\n[http]\nbody-max = 5\n").settings
    other = read(APP + "start_timeout = 1\n[http]\nbody_max = 5\n").settings
    assert one == other


def test_drop_ins_go_over_the_file_in_the_order_of_their_names(tmp_path: Path, read: Write) -> None:
    loaded = read(
        APP + 'listen = ":1"\n[http]\nkeepalive = 1\nbody-max = 1\n',
        {"20.toml": "[http]\nkeepalive = 3", "10.toml": 'listen = ["127.0.0.1:9"]\nhttp.keepalive = 2'},
    )
    assert loaded.settings.http.keepalive == 3
    assert loaded.settings.http.body_max == 1
    assert [str(address) for address in loaded.settings.listen] == ["127.0.0.1:9"]
    origins = {key: str(origin).removeprefix(f"{tmp_path}/") for key, origin in loaded.origin.items()}
    assert origins == {
        "app": "shop.toml:1",
        "listen": "shop.toml.d/10.toml:1",
        "http.keepalive": "shop.toml.d/20.toml:2",
        "http.body_max": "shop.toml:5",
    }
    assert [os.path.basename(file) for file in loaded.files] == ["shop.toml", "10.toml", "20.toml"]


def test_variables_are_merged_one_by_one(tmp_path: Path, read: Write) -> None:
    loaded = read(
        APP + '[environment]\nA = "1"\nB = "1"\n',
        {"x.toml": '[environment]\nB = "2"\n'},
        {"environment": ["C=3"]},
    )
    assert loaded.settings.environment == {"A": "1", "B": "2", "C": "3"}
    origins = {key: str(origin).removeprefix(f"{tmp_path}/") for key, origin in loaded.origin.items()}
    assert origins["environment.A"] == "shop.toml:3"
    assert origins["environment.B"] == "shop.toml.d/x.toml:2"
    assert origins["environment.C"] == "--environment"


def test_loading_twice_does_not_remember_the_first_time(read: Write) -> None:
    read(APP + '[environment]\nA = "1"\n')
    assert read(APP).settings.environment == {}


def test_flags_go_over_files(read: Write) -> None:
    loaded = read(APP + "[workers]\ncount = 2\n", flags={"workers.count": "3", "listen": [":1", "/run/x"]})
    assert loaded.settings.workers.count == 3
    assert len(loaded.settings.listen) == 3
    assert str(loaded.origin["workers.count"]) == "--workers"
    assert str(loaded.origin["listen"]) == "--listen"


def test_the_name_of_an_instance_given_by_its_file_is_the_stem(tmp_path: Path) -> None:
    (tmp_path / "blog.toml").write_text(APP)
    assert load(str(tmp_path / "blog.toml")).settings.name == "blog"


def test_an_application_without_a_file_is_named_after_its_module() -> None:
    loaded = from_flags("shop.wsgi:application", {"workers.count": "2"})
    assert (loaded.settings.name, loaded.settings.workers.count) == ("shop", 2)
    assert loaded.files == ()
    assert from_flags("größe:app").settings.name == "app"
    assert from_flags("shop:app", name="other").settings.name == "other"


def test_a_path_on_the_command_line_starts_where_it_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    settings = from_flags("shop:app", {"python": "venv", "chdir": "."}).settings
    assert (settings.python, settings.chdir) == (f"{tmp_path}/venv", str(tmp_path))
    assert os.path.basename(from_flags("shop:app", {"python": "sh"}).settings.python) == "sh"


def test_a_link_to_an_interpreter_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "python").symlink_to("/bin/sh")
    assert from_flags("shop:app", {"python": "./python"}).settings.python == f"{tmp_path}/python"


def test_a_mistake_without_a_file_is_told_too() -> None:
    with pytest.raises(ConfigError, match=r"not 'wsgi\.py'"):
        from_flags("wsgi.py")


def test_instances_are_the_files_of_the_directory(tmp_path: Path) -> None:
    for name in ("b.toml", "a.toml", "a.toml.d", "c.conf", ".x.toml"):
        (tmp_path / name).touch()
    assert instances(str(tmp_path)) == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x = " + "[" * 5000 + "]" * 5000, "shop.toml:2: lists or tables too many levels deep"),
        ("x = " + "{a=" * 5000 + "1" + "}" * 5000, "shop.toml:2: lists or tables too many levels deep"),
        ("\n[environment]\na" + ".a" * 5000 + " = 1", "shop.toml:4: lists or tables too many levels deep"),
        ("user" + ".a" * 5000 + " = 1", "shop.toml:2: lists or tables too many levels deep"),
        ("\nstart_timeout = " + "9" * 5000, "shop.toml:3: a number of too many digits"),
        ("start_timeout = 0x" + "f" * 5000, "shop.toml:2: start_timeout: expected"),
    ],
    ids=["lists", "tables", "environment", "keys", "digits", "hexadecimal"],
)
def test_what_is_too_much_for_python_is_an_error_of_the_file(
    tmp_path: Path, read: Write, text: str, line: str
) -> None:
    (told,) = refused(tmp_path, read, APP + text)
    assert told.startswith(line)


@pytest.mark.parametrize("place", ["shop.toml", "shop.toml.d/10.toml"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "directory"])
def test_what_is_no_regular_file_is_not_waited_for(
    tmp_path: Path, place: str, make: Callable[[Path], None]
) -> None:
    (tmp_path / "shop.toml.d").mkdir()
    if place != "shop.toml":
        (tmp_path / "shop.toml").write_text(APP)
    make(tmp_path / place)
    with pytest.raises(ConfigError) as caught:
        load("shop", directory=str(tmp_path))
    assert str(caught.value) == f"{tmp_path / place}: is not a regular file"


def test_a_relative_path_in_a_directory_that_is_gone_is_the_operators_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(ConfigError, match="has been removed"):
        load("./shop.toml")


@pytest.mark.parametrize(
    ("limits", "warned"),
    [
        ("memory-soft = '768M'", True),
        ("memory-hard = '100M'", True),
        ("memory-hard = 0\nmemory-soft = '100G'", False),
        ("memory-soft = 0", False),
    ],
)
def test_a_soft_limit_that_never_counts_is_warned_of(tmp_path: Path, limits: str, warned: bool) -> None:
    file = tmp_path / "shop.toml"
    file.write_text(f'app = "shop:app"\n[limits]\n{limits}\n')
    warnings = load(str(file)).warnings
    assert bool(warnings) == warned
    assert all("limits.memory_soft = " in text and "is not below" in text for text in warnings)


@pytest.mark.parametrize(
    ("workers", "cause"),
    [
        (
            "min = 8\nmax = 4\n",
            "shop.toml:3: workers.min = 8 is more than workers.max = 4 (shop.toml:4); raise workers.max",
        ),
        (
            "max = 4\ncount = 8\n",
            "shop.toml:4: workers.count = 8 is more than workers.max = 4 (shop.toml:3); "
            'leave workers.count to "auto"',
        ),
        (
            "count = 1\nmin = 2\n",
            "shop.toml:4: workers.min = 2 is more than workers.count = 1 (shop.toml:3); "
            'leave workers.count to "auto"',
        ),
    ],
)
def test_numbers_of_workers_that_contradict_each_other_are_told_with_both_places(
    tmp_path: Path, read: Write, workers: str, cause: str
) -> None:
    (line,) = refused(tmp_path, read, f"{APP}[workers]\n{workers}")
    assert line.replace(f"{tmp_path}/", "") == cause


@pytest.mark.parametrize(
    "workers", ["min = 4\nmax = 4", "count = 4\nmin = 4", 'count = "auto"\nmax = 1', "idle = 0"]
)
def test_numbers_of_workers_that_agree_are_fine(read: Write, workers: str) -> None:
    read(f"{APP}[workers]\n{workers}\n")


def test_a_mold_that_has_nothing_to_share_is_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text('app = "shop:app"\npreload = false\nrefork_after = [50]\n')
    assert load(str(file)).warnings == (
        "refork_after does nothing with preload = false: there is no mold that has the application",
    )

"""Names, paths, callables, and a table of variables."""

import re
from collections.abc import Mapping, Sequence

from .kind import Kind, key, quoted

# What systemd takes for User= (systemd.syntax, "User/Group Name Syntax", relaxed by the dot), or a number.
ACCOUNT = r"[A-Za-z_][A-Za-z0-9_.-]{0,30}|[0-9]{1,10}"


class Text(Kind[str]):
    expects = 'a text in quotes, for example "shop"'
    metavar = "TEXT"

    def parse(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError
        if not value.strip() or any(ord(character) < 32 or character == "\x7f" for character in value):
            raise ValueError("it is empty" if not value.strip() else "control characters are not allowed")
        return value

    def render(self, value: str) -> str:
        return quoted(value)


class User(Text):
    expects = 'the name of a user, for example "shop"'
    metavar = "USER"

    def parse(self, value: object) -> str:
        name = super().parse(value)
        if not re.fullmatch(ACCOUNT, name):
            raise ValueError("letters, digits, . _ and -, 31 at most")
        return name


class Path(Text):
    expects = 'an absolute path, for example "/srv/shop"'
    metavar = "PATH"
    is_path = True

    def parse(self, value: object) -> str:
        path = super().parse(value)
        if path.startswith("~"):
            raise ValueError("nobody's shell expands the ~ here")
        if not path.startswith("/"):
            raise ValueError("a path from /: a service has no directory that it starts from")
        return path

    def read(self, texts: Sequence[str]) -> str:
        return Text.parse(self, texts[-1])  # whoever types it stands somewhere: load makes it absolute


class Target(Text):
    expects = 'MODULE:CALLABLE, for example "shop.wsgi:application" or, for a factory, "shop:create_app()"'
    metavar = "MODULE:CALLABLE"

    def parse(self, value: object) -> str:
        target = super().parse(value)
        module, colon, attribute = target.partition(":")
        if "/" in module or target.endswith(".py"):
            raise ValueError(f"a module, not a file: {_as_module(module)}:application")
        name, bracket, _ = attribute.partition("(")
        names = module.split(".") + (name.split(".") if colon else [])
        if not all(part.isidentifier() for part in names):
            raise ValueError
        if bracket and not _is_call(attribute):
            raise ValueError(f"{attribute!r} is no call: its arguments are literals")
        return target


def _is_call(text: str) -> bool:
    import ast  # few applications have a factory, and fewer give it arguments

    try:
        call = ast.parse(text, mode="eval").body
        if not isinstance(call, ast.Call) or isinstance(call.func, ast.Call):
            return False
        if not all(keyword.arg for keyword in call.keywords):
            return False
        for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
            ast.literal_eval(argument)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return False
    return True


def _as_module(path: str) -> str:
    return path.removesuffix(".py").strip("./").replace("/", ".")


class RequestPath(Text):
    """What a request asks for: a path, perhaps with a query. Empty: nothing."""

    expects = 'a path of the application, for example "/health"'
    metavar = "PATH"

    def parse(self, value: object) -> str:
        if value == "":
            return ""
        path = super().parse(value)
        if not path.startswith("/"):
            raise ValueError("it begins with /, and has neither scheme nor host")
        if not re.fullmatch(r"[!-~]+", path) or "#" in path:
            raise ValueError("spaces and what is not ASCII are written as %20 and the like, and no #")
        return path


class Table(Kind[Mapping[str, str]]):
    expects = 'a section of its own with lines like NAME = "value"'
    metavar = "NAME=VALUE"
    repeatable = True
    is_table = True

    def parse(self, value: object) -> Mapping[str, str]:
        if not isinstance(value, dict):
            raise ValueError
        return {str(name): self.entry(str(name), text) for name, text in value.items()}

    def entry(self, name: str, text: object) -> str:
        """One entry's text; whoever names errors by their line asks for each alone."""
        if not name or any(character in name for character in "=\0\n"):
            raise ValueError(f"{name!r} is no name of a variable")
        if isinstance(text, (bool, int, float)):
            raise ValueError(f'put it in quotes: {name} = "…"')
        if not isinstance(text, str) or "\0" in text:
            raise ValueError("a variable is one text in quotes")
        return text

    def read(self, texts: Sequence[str]) -> Mapping[str, str]:
        for text in texts:
            if "=" not in text:
                raise ValueError(f"{text!r} has no =")
        return self.parse(dict(text.split("=", 1) for text in texts))

    def render(self, value: Mapping[str, str]) -> str:
        return "{" + ", ".join(f"{key(name)} = {quoted(text)}" for name, text in value.items()) + "}"

"""Where the application is: "package.module:name" -> the callable.

Imports the application and does nothing else with it.
"""

import ast
import importlib
import traceback
from types import TracebackType
from typing import Any

from ..errors import AppError
from .environ import Application
from .failure import is_ours

__all__ = ["Application", "load"]


def load(target: str, what: str = "an application") -> Application:
    """The application, or `what` else is to be called, that `target` names: `module`, `module:name`,
    `module:a.part`, `module:factory()`.

    Without a name it is `application`. A factory's arguments may be literals. AppError has one line for a
    human and, when the application itself failed, the traceback without corn's own frames.
    """
    module_name, _, name = target.partition(":")
    name = name or "application"
    path, is_factory, arguments, keywords = _parse(target, name)
    try:
        module = importlib.import_module(module_name)
    except BaseException as error:  # also what leaves, cancels or interrupts: nothing else is running
        raise _cannot("import", module_name, error) from error
    found: Any = module
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            hint = _hint(module, path) if what == "an application" else ""
            raise AppError(f"{module_name} has no {path!r}{hint}") from None
        except BaseException as error:  # a module's own __getattr__ (PEP 562)
            raise _cannot("find", target, error) from error
    if is_factory:
        try:
            found = found(*arguments, **keywords)
        except BaseException as error:
            raise _cannot("call", target, error) from error
    if not callable(found):
        raise AppError(f"{target} is a {type(found).__name__}, which cannot be called as {what}")
    application: Application = found
    return application


def _parse(target: str, name: str) -> tuple[str, bool, list[Any], dict[str, Any]]:
    """(dotted name, whether to call it, arguments, keyword arguments)."""
    try:
        tree = ast.parse(name, mode="eval").body
        if not isinstance(tree, ast.Call):
            return _dotted(tree), False, [], {}
        arguments = [ast.literal_eval(argument) for argument in tree.args]
        keywords = {key.arg: ast.literal_eval(key.value) for key in tree.keywords if key.arg}
        return _dotted(tree.func), True, arguments, keywords
    except (SyntaxError, ValueError):
        raise AppError(f"{target!r} is neither module:name nor module:factory()") from None


def _dotted(tree: ast.expr) -> str:
    if isinstance(tree, ast.Name):
        return tree.id
    if isinstance(tree, ast.Attribute):
        return f"{_dotted(tree.value)}.{tree.attr}"
    raise ValueError


def _hint(module: object, path: str) -> str:
    usual = ("application", "app", "wsgi", "create_app()", "make_app()")
    there = [name for name in usual if callable(getattr(module, name.rstrip("()"), None))]
    return f"; it has {there[0]!r}" if there else ""


def _cannot(verb: str, what: str, error: BaseException) -> AppError:
    lines = traceback.format_exception(type(error), error, _without_ours(error.__traceback__))
    cause = "".join(traceback.format_exception_only(type(error), error)).strip().splitlines()
    return AppError(f"cannot {verb} {what}: {cause[-1] if cause else type(error).__name__}", "".join(lines))


def _without_ours(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the first frame that is neither corn's nor the import system's."""
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        is_import = name.startswith("<frozen importlib") or name == importlib.__file__
        if not (is_ours(name) or is_import):
            break
        trace = trace.tb_next
    return trace

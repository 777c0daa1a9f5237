"""The declarations as documents: man pages, the commented example, the journal's catalogue, completion.

Pure: tables in, text out. What is committed under docs/ is what files() says, and a test compares.
"""

from .catalogue import catalogue
from .completion import completion
from .example import example
from .manual import command_manual, file_manual


def files() -> dict[str, str]:
    """The text of every rendered file, by its path below docs/."""
    return {
        "man/corn.1": command_manual(),
        "man/corn.toml.5": file_manual(),
        "example.toml": example(),
        "corn.catalog": catalogue(),
        "corn.bash-completion": completion(),
    }

"""Where an instance keeps what tools find it by: its control socket and its scoreboard."""

import fcntl
import os
import stat
import tempfile

from ..errors import ConfigError, Unavailable
from ..settings.load import is_name

RUN = "/run/corn"
# Locked directories by their descriptors: for as long as this process lives, and no longer.
_claims: dict[str, int] = {}


def own(name: str) -> str:
    """The directory of an instance that is about to run here; made when systemd has not made it.

    Raises Unavailable when it can not be made, or could be somebody else's.
    """
    given = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    if given:
        return given
    directory = _without_systemd(name)
    parent = os.path.dirname(directory)
    try:
        os.makedirs(parent, 0o700, exist_ok=True)
        status = os.stat(parent, follow_symlinks=False)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise Unavailable(f"{parent} exists and is not a directory of this user; remove it")
        os.makedirs(directory, 0o700, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"can not make {directory}: {error.strerror}; set XDG_RUNTIME_DIR") from error
    return directory


def state(name: str) -> str:
    """The directory of what an instance must remember, which is made when there is something: as systemd made
    it, else as the XDG Base Directory Specification has it."""
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return given or os.path.join(home, "corn", name)


def claim(directory: str) -> bool:
    """Whether the instance that keeps its things in `directory` is ours, from now until this process ends.

    Of several that start at one moment one gets it (flock(2)); a child does not inherit it.
    """
    if directory in _claims:
        return True
    try:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Unavailable(f"can not open {directory}: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return False
    _claims[directory] = fd
    return True


def claimed(name: str) -> str:
    """The directory of an instance, which is ours from now on; ConfigError where it is another's."""
    directory = own(name)
    if not claim(directory):
        raise ConfigError(
            f"instance {name} runs already, and has {directory}; corn status {name} tells more of it"
        )
    return directory


def candidates(name_or_path: str) -> list[str]:
    """The directories in which a running instance of that name may be found, the likeliest first."""
    name = os.path.basename(name_or_path).removesuffix(".toml")
    if not is_name(name):
        return []
    return [os.path.join(RUN, name), _without_systemd(name)]


def _without_systemd(name: str) -> str:
    home = os.environ.get("XDG_RUNTIME_DIR")
    if home:
        return os.path.join(home, "corn", name)
    return os.path.join(tempfile.gettempdir(), f"corn-{os.geteuid()}", name)

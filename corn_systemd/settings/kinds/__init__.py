"""What a value is: a duration, a size, a count, an address…

A kind reads a TOML value or a command line's text, and renders a value back as TOML. A ValueError says
what is wrong with a value; what was expected, with an example, is the kind's `expects`. Pure: a kind knows
neither files nor settings. The application's interpreter imports this.
"""

from .addresses import Address, Addresses
from .crontab import LONGEST_MONTH, Crontab, crontab
from .database import Database
from .jobs import Function, Job, Jobs
from .kind import Faults, Kind, quoted
from .paths import PathLimits, PathRules
from .peers import FieldLines, FieldName, Hosts, Proxies, ProxyFields
from .quantities import AUTO, Count, Counts, Size, Span, YesNo
from .texts import Path, RequestPath, Table, Target, Text, User

SPAN = Span()
SIZE = Size()
COUNT = Count()
WORKERS_MOST = 512  # two generations of them have slots (cli/launch.py)
COUNT_OR_AUTO = Count(1, most=WORKERS_MOST, auto=True)
COUNT_OR_NONE = Count(0, most=WORKERS_MOST)
COUNTS = Counts()
NICE = Count(0, most=19)  # setpriority(2): less is not an unprivileged user's to set
YES_NO = YesNo()
TEXT = Text()
USER = User()
PATH = Path()
TARGET = Target()
ADDRESSES = Addresses()
TABLE = Table()
PROXIES = Proxies()
PATH_RULES = PathRules()
JOBS = Jobs()
FUNCTION = Function()
DATABASE = Database()
REQUEST_PATH = RequestPath()
HOSTS = Hosts()
FIELD_NAME = FieldName()
FIELD_LINES = FieldLines()
PROXY_FIELDS = ProxyFields()

__all__ = [
    "ADDRESSES",
    "AUTO",
    "COUNT",
    "COUNTS",
    "COUNT_OR_AUTO",
    "COUNT_OR_NONE",
    "DATABASE",
    "FIELD_LINES",
    "FIELD_NAME",
    "FUNCTION",
    "HOSTS",
    "JOBS",
    "LONGEST_MONTH",
    "NICE",
    "PATH",
    "PATH_RULES",
    "PROXIES",
    "PROXY_FIELDS",
    "REQUEST_PATH",
    "SIZE",
    "SPAN",
    "TABLE",
    "TARGET",
    "TEXT",
    "USER",
    "WORKERS_MOST",
    "YES_NO",
    "Address",
    "Crontab",
    "Faults",
    "Job",
    "Kind",
    "PathLimits",
    "crontab",
    "quoted",
]

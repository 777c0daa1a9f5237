"""What a value is: a duration, a size, a count, an address…

A kind reads a TOML value or a command line's text, and renders a value back as TOML. A ValueError says
what is wrong with a value; what was expected, with an example, is the kind's `expects`. Pure: a kind knows
neither files nor settings. The application's interpreter imports this.
"""

from .addresses import Address, Addresses
from .kind import Kind, quoted
from .paths import PathLimits, PathRules
from .peers import FieldName, Hosts, Proxies, ProxyFields
from .quantities import AUTO, Count, Size, Span, YesNo
from .texts import Path, Table, Target, Text, User

SPAN = Span()
SIZE = Size()
COUNT = Count()
COUNT_OR_AUTO = Count(1, most=512, auto=True)  # two generations of them have slots (cli/launch.py)
YES_NO = YesNo()
TEXT = Text()
USER = User()
PATH = Path()
TARGET = Target()
ADDRESSES = Addresses()
TABLE = Table()
PROXIES = Proxies()
PATH_RULES = PathRules()
HOSTS = Hosts()
FIELD_NAME = FieldName()
PROXY_FIELDS = ProxyFields()

__all__ = [
    "ADDRESSES",
    "AUTO",
    "COUNT",
    "COUNT_OR_AUTO",
    "FIELD_NAME",
    "HOSTS",
    "PATH",
    "PATH_RULES",
    "PROXIES",
    "PROXY_FIELDS",
    "SIZE",
    "SPAN",
    "TABLE",
    "TARGET",
    "TEXT",
    "USER",
    "YES_NO",
    "Address",
    "Kind",
    "PathLimits",
    "quoted",
]

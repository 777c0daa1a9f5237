"""Where a PostgreSQL database is: a URL, or a connection string, as libpq reads them."""

import re

from .texts import Text

# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING. Stricter than libpq, who would
# look for the rest of a password with an @ or a / in it as for a host, and say so.
_HOST = r"(?:\[[^\]@/?]*\]|[^:,@/?\[\]]*)(?::[0-9]*)?"
_URL = re.compile(rf"postgres(?:ql)?://(?:[^@/?]*@)?{_HOST}(?:,{_HOST})*(?:/[^@/?]*)?(?:\?[^?]*)?")
_VALUE = r"(?:'(?:[^'\\]|\\.)*'|(?!')(?:[^\s\\]|\\.)+)"
_STRING = re.compile(rf"\s*\w+\s*=\s*{_VALUE}(?:\s+\w+\s*=\s*{_VALUE})*\s*")

_SECRETS = (
    (re.compile(r"(://[^:@/?]*:)[^@/?]*(?=@)"), r"\1***"),
    (re.compile(r"([?&](?:ssl)?password=)[^&]*"), r"\1***"),
)
_SECRET_VALUE = re.compile(rf"(\b(?:ssl)?password\s*=\s*){_VALUE}")


class Database(Text):
    expects = 'the address of a PostgreSQL database, for example "postgresql://corn@db.example/corn"'
    metavar = "ADDRESS"
    is_secret = True

    def parse(self, value: object) -> str:
        address = super().parse(value)
        if "://" not in address.partition("=")[0]:
            if not _STRING.fullmatch(address):
                raise ValueError("what is no URL is name=value, as in host=db.example dbname=corn")
        elif not _URL.fullmatch(address):
            raise ValueError("in a name or a password @ is written %40, / is %2F and ? is %3F")
        return address

    def public(self, value: str) -> str:
        if not _URL.fullmatch(value):
            return _SECRET_VALUE.sub(r"\1***", value)
        for secret, mask in _SECRETS:
            value = secret.sub(mask, value)
        return value

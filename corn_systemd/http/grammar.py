"""The words of HTTP: tokens, targets, hosts, field lines, each with its clause.

Every expression is linear: no character can be matched by two neighbouring repetitions. Knows what is
well-formed; never what it means.
"""

import re

# RFC 9110, 5.6.2: token = 1*tchar.
TCHAR = r"!#$%&'*+\-.^_`|~0-9A-Za-z"
is_token = re.compile(rf"[{TCHAR}]+").fullmatch

# RFC 9110, 5.5: VCHAR, obs-text, blank and tab. No other control character, so no NUL, CR or LF either.
has_control = re.compile(r"[^\t\x20-\x7e\x80-\xff]").search
# A field as nearly all are sent: one blank before the value, which is not empty, and none behind it.
plain_field = re.compile(rf"([{TCHAR}]+): (?![ \t])([\t\x20-\x7e\x80-\xff]+)(?<![ \t])").fullmatch

# RFC 9112, 3.2. Wider than RFC 3986 by what browsers send unencoded (WHATWG URL: [ \ ] ^ ` { | }), and
# never wider than VCHAR; no fragment, no quote, no angle bracket.
PATH = r"[!$-;=@-~]"
QUERY = r"[!$-;=?-~]"
# What a client sends nearly always; anything else takes the longer way, which knows all forms.
origin_line = re.compile(rf"(?!CONNECT )([{TCHAR}]+) ((/{PATH}*)(?:\?({QUERY}*))?) HTTP/1\.([01])").fullmatch
origin_form = re.compile(rf"(/{PATH}*)(?:\?({QUERY}*))?").fullmatch
absolute_form = re.compile(rf"[Hh][Tt][Tt][Pp][Ss]?://([^/?]*)(/{PATH}*)?(?:\?({QUERY}*))?").fullmatch
http_version = re.compile(r"HTTP/[0-9]\.[0-9]").fullmatch

# RFC 9110, 7.2 and RFC 3986, 3.2.2. No user, no empty host (RFC 9110, 4.2.1), no percent or sub-delims in
# names: nothing that a program could mistake for the end of the host.
host = re.compile(r"(?:[A-Za-z0-9._~\-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{0,5}))?").fullmatch

# RFC 9110, 8.6. Eighteen digits: an exbibyte is more than any body_max.
content_length = re.compile(r"[0-9]{1,18}").fullmatch

# RFC 9112, 7.1.1: chunk-size [ chunk-ext ]; extensions are checked and dropped.
_QUOTED = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
chunk_line = re.compile(
    rf"([0-9A-Fa-f]{{1,15}})(?:[ \t]*;[ \t]*[{TCHAR}]+(?:[ \t]*=[ \t]*(?:[{TCHAR}]+|{_QUOTED}))?)*"
).fullmatch

# RFC 3986, 2.1.
escaped = re.compile(r"%([0-9A-Fa-f]{2})").sub
has_bad_escape = re.compile(r"%(?![0-9A-Fa-f]{2})|%00").search

# RFC 9112, 4: three digits, one space, a reason. PEP 3333 wants the reason not to be empty.
status_line = re.compile(r"[2-9][0-9][0-9] [\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff]").fullmatch


def unescape(text: str) -> str:
    """The octets behind `%XX`, as latin-1: what PEP 3333 calls a native string."""
    return escaped(lambda match: chr(int(match[1], 16)), text)

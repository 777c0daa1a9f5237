"""Completion for bash: verbs and their flags, the instances that have a file, the jobs of one that runs."""

from ..sections import rows
from ..verbs import VERBS

_TEXT = r"""# Completion of corn for bash.
# Rendered from corn_systemd/settings: edit there, then `make render`.

_corn_instances() {
    local file
    for file in /etc/corn/*.toml; do
        [[ -e $file ]] || continue
        file=${file##*/}
        printf '%s\n' "${file%.toml}"
    done
}

# The running instance is asked. Who may not, or too late, gets none.
_corn_jobs() {
    timeout 2 corn jobs "$1" --json 2>/dev/null | sed -n 's/^ *"name": "\(.*\)",*$/\1/p'
}

_corn() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]}
    local words="" files="" deeds=""
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "@VERBS@ --help --version" -- "$current")
        return
    fi
    case $previous in
        @DIRECTORIES@)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return
            ;;
        @OTHERS@)
            return
            ;;
    esac
    case $verb in
@CASES@
        *) return ;;
    esac
    if [[ $current != -* && -n $deeds && COMP_CWORD -ne 3 ]]; then
        files=""
        words=$deeds
        ((COMP_CWORD == 2)) || words=$(_corn_jobs "${COMP_WORDS[3]}")
    fi
    if [[ $current != -* && -n $files ]]; then
        compopt -o filenames
        mapfile -t COMPREPLY < <(
            compgen -W "$(_corn_instances)" -- "$current"
            compgen -f -X '!*.toml' -- "$current"
            compgen -d -- "$current"
        )
        return
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _corn corn
"""


def completion() -> str:
    """The script."""
    settings = [row for row in rows() if row.flag]
    switches = [row for row in settings if row.kind.is_switch]
    flags = [row.flag for row in settings] + [f"--no-{row.flag[2:]}" for row in switches]
    cases = []
    for verb in VERBS:
        words = [flag for flag, _ in verb.options] + (flags if verb.takes_settings else []) + ["--help"]
        takes = " files=1" if verb.takes_instance else ""
        takes += f' deeds="{" ".join(deed for deed, _ in verb.deeds)}"' if verb.deeds else ""
        cases.append(f'        {verb.name}) words="{" ".join(words)}"{takes} ;;')
    directories = [row.flag for row in settings if row.kind.is_path]
    others = [row.flag for row in settings if not row.kind.is_path and row not in switches]
    return (
        _TEXT.replace("@VERBS@", " ".join(verb.name for verb in VERBS))
        .replace("@DIRECTORIES@", " | ".join(directories))
        .replace("@OTHERS@", " | ".join(others))
        .replace("@CASES@", "\n".join(cases))
    )

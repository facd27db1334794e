"""The completion scripts of bash, zsh and fish.

Each hands the line up to the cursor to ``flux`` in COMP_LINE and gets the words that the last one
may become, with their types: after an ``unfinished`` word no blank is typed. Beside click's scripts
they know words with = and : in them, open quotes and unfinished words.
"""

from __future__ import annotations

from typing import Final

BASH: Final = """\
%(complete_func)s() {
    local line value
    COMPREPLY=()
    while IFS= read -r line; do
        value="${line#*,}"
        case "${line%%%%,*}" in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            unfinished) compopt -o nospace; COMPREPLY+=("$value") ;;
            *) COMPREPLY+=("$value") ;;
        esac
    done < <(env COMP_LINE="${COMP_LINE:0:$COMP_POINT}" \\
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
    return 0
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""

ZSH: Final = """\
#compdef %(prog_name)s

%(complete_func)s() {
    local -a finished unfinished texts more response
    local type key descr
    (( ! $+commands[%(prog_name)s] )) && return 1

    response=("${(@f)$(env COMP_LINE="${words[1,CURRENT]}" \\
        %(complete_var)s=zsh_complete %(prog_name)s 2>/dev/null)}")

    for type key descr in "${response[@]}"; do
        case "$type" in
            dir) _path_files -/ ;;
            file) _path_files -f ;;
            unfinished) unfinished+=("$key"); more+=("$descr") ;;
            plain) finished+=("$key"); texts+=("$descr") ;;
        esac
    done

    (( $#finished )) && compadd -U -l -V finished -d texts -a finished
    (( $#unfinished )) && compadd -U -l -S '' -V unfinished -d more -a unfinished
    (( $#finished + $#unfinished ))
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""

FISH: Final = """\
function %(complete_func)s
    set -l response (env COMP_LINE=(commandline -cp | string collect) \\
        %(complete_var)s=fish_complete %(prog_name)s 2>/dev/null)

    for completion in $response
        set -l metadata (string split -m 1 "," -- $completion)
        switch $metadata[1]
            case dir
                __fish_complete_directories (commandline -ct)
            case file
                __fish_complete_path (commandline -ct)
            case '*'
                echo $metadata[2]
        end
    end
end

complete --keep-order --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""

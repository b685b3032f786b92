# bash completion for relay: commands, verbs and options as the program's own --help names them.
_relay() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    case $previous in
        --config | --password-file | --attach | --file | --output | -o | --ca-out | --ready-file)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return
            ;;
        --directory)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -d -- "$current")
            return
            ;;
        --color) mapfile -t COMPREPLY < <(compgen -W "auto always never" -- "$current"); return ;;
        --state)
            mapfile -t COMPREPLY < <(compgen -W "queued held unknown delivered failed all" -- "$current")
            return
            ;;
    esac
    # The command, and the verb if the command has verbs: "relay queue list".
    local words=() word help
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [[ $word == [a-z]* && ${#words[@]} -lt 2 ]] || break
        words+=("$word")
    done
    help=$("${COMP_WORDS[0]}" "${words[@]}" --help 2>/dev/null) ||
        help=$("${COMP_WORDS[0]}" "${words[@]:0:1}" --help 2>/dev/null) || return
    local choices
    if [[ $current == -* ]]; then
        choices=$(grep -oE '^  (-[a-z],)?--[a-z-]+' <<<"$help" | grep -oE -- '--[a-z-]+')
    else
        choices=$(sed -n '/^Subcommands:/,$s/^  \([a-z]*\) .*/\1/p' <<<"$help")
    fi
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$current")
}
complete -F _relay relay

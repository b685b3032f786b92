# bash completion for relay. Commands, verbs, options and the kind of an option's value are those
# that the program's own --help names, so that there is no list here to fall behind.
_relay() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    # The command, and the verb if the command has verbs: "relay queue list".
    local words=() word help option_value=
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        # These may stand in front of the command; bash takes a "=" for a word of its own.
        if [[ $option_value ]]; then
            [[ $word == = ]] || option_value=
            continue
        elif [[ ${#words[@]} -lt 2 ]]; then
            case $word in
                --config | --color) option_value=follows; continue ;;
                --json) continue ;;
            esac
        fi
        [[ $word == [a-z]* && ${#words[@]} -lt 2 ]] || break
        words+=("$word")
    done
    help=$("${COMP_WORDS[0]}" "${words[@]}" --help 2>/dev/null) ||
        help=$("${COMP_WORDS[0]}" "${words[@]:0:1}" --help 2>/dev/null) || return
    local value=
    if [[ $previous =~ ^(--[a-z-]+|-[a-z])$ ]]; then
        # "  -o,--output FILE ..." gives FILE, "  --json    Print JSON" nothing.
        value=$(sed -nE "s/^  (-[a-z],)?$previous ([][A-Za-z|:=]+)( .*)?\$/\2/p
                         s/^  $previous,--[a-z-]+ ([][A-Za-z|:=]+)( .*)?\$/\1/p" <<<"$help" | head -n 1)
    fi
    case $value in
        FILE) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
        DIR) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
        STATE) mapfile -t COMPREPLY < <(compgen -W "queued held unknown delivered failed all" -- "$current"); return ;;
        *"|"*) mapfile -t COMPREPLY < <(compgen -W "${value//|/ }" -- "$current"); return ;;
        "" | "["*) ;;  # no value, or one that may be left out
        *) return ;;
    esac
    local choices
    if [[ $current == -* ]]; then
        choices=$(grep -oE '^  (-[a-z],)?--[a-z-]+' <<<"$help" | grep -oE -- '--[a-z-]+')
    else
        choices=$(sed -n '/^Subcommands:/,$s/^  \([a-z]*\) .*/\1/p' <<<"$help")
    fi
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$current")
}
complete -F _relay relay

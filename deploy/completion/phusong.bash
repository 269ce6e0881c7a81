# bash completion for phusong
# shellcheck shell=bash

_phusong() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    local command=${COMP_WORDS[1]} words=

    case $previous in
    -c|--config|--json-file|--community-file) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    --dir) mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
    esac
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="agent catalog check-config config probe spool version --help"
    else
        case $command in
        agent) words="-c --config --once --help" ;;
        check-config) words="-c --config --help" ;;
        config) words="default reference --help" ;;
        probe) if [ "$COMP_CWORD" -eq 2 ]; then words="icmp tcp http snmp --help"
               else words="--count --interval --timeout --json --help"; mapfile -t COMPREPLY < <(compgen -A hostname -- "$current"); fi ;;
        spool) if [ "$COMP_CWORD" -eq 2 ]; then words="stat ls verify export replay forget --help"
               else words="-c --config --dir --json --from --to --reader --help"; fi ;;
        catalog) words="--json --markdown --help" ;;
        esac
    fi
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _phusong phusong

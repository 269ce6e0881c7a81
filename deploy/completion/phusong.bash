# bash completion for phusong
# shellcheck shell=bash
#
# The options come from the program's own --help, so that they are those of the installed version.

_phusong_options() {
    "${COMP_WORDS[0]}" "$@" --help 2>/dev/null | grep -oE -- '(^|[ ,(])--?[a-z][a-z_.-]*' | tr -d ' ,('
}

_phusong() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    local command=${COMP_WORDS[1]} words=

    if [ "$COMP_CWORD" -eq 1 ]; then
        words="agent alerts bindings catalog check-config config console discover probe rules spool version --help --version"
    elif [[ $command != probe && $previous == -c ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    else
        case $previous in
        --config|-f|--file|--from|--store|--community|--auth_secret|--privacy_secret|--tls.ca|--tls.certificate|--tls.key)
            mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
        --dir|--state-dir|--promtool) mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
        esac
        case $command in
        agent|bindings|check-config|catalog|discover) words=$(_phusong_options "$command") ;;
        alerts) words=$(_phusong_options alerts)
               [ "$COMP_CWORD" -eq 2 ] && words="ls --help" ;;
        console) words=$(_phusong_options console)
               [ "${COMP_WORDS[2]}" = maintenance ] && words="ls add rm $(_phusong_options console maintenance)"
               [ "$COMP_CWORD" -eq 2 ] && words="check token backup config maintenance -c --help"
               [[ ${COMP_WORDS[2]} == token && $COMP_CWORD -eq 3 ]] && words="create ls revoke" ;;
        config) words="default reference --help" ;;
        probe) if [ "$COMP_CWORD" -eq 2 ]; then words="icmp tcp http snmp --help"
               else words=$(_phusong_options probe "${COMP_WORDS[2]%%:*}")
                    mapfile -t COMPREPLY < <(compgen -A hostname -- "$current"); fi ;;
        rules) words=$(_phusong_options rules)
               [ "$COMP_CWORD" -eq 2 ] && words="check test replay export --help"
               [ "$COMP_CWORD" -gt 2 ] && mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
        spool) words=$(_phusong_options spool)
               [ "$COMP_CWORD" -eq 2 ] && words="stat ls verify export replay forget --help" ;;
        esac
    fi
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _phusong phusong

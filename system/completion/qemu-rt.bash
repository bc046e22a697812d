# bash completion for qemu-rt(1). Commands and options are those that `--help` prints.

_qemu_rt_help() {
  # $1 what is wanted: commands or options; the rest: the command whose help is read
  local wanted=$1
  shift
  qemu-rt "$@" --help 2>/dev/null | case $wanted in
    commands) sed -n '/^Commands:/,$ s/^  \([a-z][a-z-]*\).*/\1/p' ;;
    options) sed -n 's/^  \(-[A-Za-z], \)\{0,1\}\(--[a-z][a-z-]*\).*/\2/p' ;;
  esac
}

_qemu_rt() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local command=() word words='' config=/etc/qemu-rt/qemu-rt.toml
  COMPREPLY=()
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
      --) return ;;
      -*) ;;
      nics | golden | domain) [ ${#command[@]} -eq 0 ] && command=("$word") ;;
      *)
        # A command's own command, such as `nics bind`.
        case ${#command[@]}:${command[0]-} in 0:* | 1:nics | 1:golden | 1:domain) command+=("$word") ;; esac
        ;;
    esac
  done
  case $previous in
    --config | --emulator | --json)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    --sysroot)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -d -- "$current")
      return
      ;;
    --profile) words=$(sed -n 's/^ *\[profile\.\([^].]*\)\].*/\1/p' "$config" 2>/dev/null) ;;
    --domain) words=$(virsh list --name 2>/dev/null) ;;
    --format) words='text json args diff' ;;
    *)
      case "$current:${command[*]}" in
        -*) words=$(_qemu_rt_help options "${command[@]}") ;;
        *:nics\ show | *:nics\ bind | *:nics\ unbind)
          words=$(sed -n 's/^ *\[nic\.\([^].]*\)\].*/\1/p' "$config" 2>/dev/null)
          ;;
        *: | *:nics | *:golden | *:domain) words=$(_qemu_rt_help commands "${command[@]}") ;;
        *)
          compopt -o filenames
          mapfile -t COMPREPLY < <(compgen -f -- "$current")
          return
          ;;
      esac
      ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _qemu_rt qemu-rt

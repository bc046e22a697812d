# bash completion for qemu-rt(1). Commands and options are those that `--help` prints.
#
# Names come from others: whoever defines a domain names it. They are compared and quoted, never expanded; so nothing here
# is a word list of `compgen -W`, which expands it as the shell does a command.

# $1 what is wanted: commands or options; the rest: the command whose help is read
_qemu_rt_help() {
  local wanted=$1
  shift
  qemu-rt "$@" --help 2>/dev/null | case $wanted in
    commands) sed -n '/^Commands:/,$ s/^  \([a-z][a-z-]*\).*/\1/p' ;;
    options) sed -n 's/^  \(-[A-Za-z], \)\{0,1\}\(--[a-z][a-z-]*\).*/\2/p' ;;
  esac
}

# $1 an option, or an argument's name; the rest: the command whose help is read: the values that the help lists for it.
_qemu_rt_choices() {
  local wanted=$1
  shift
  qemu-rt "$@" --help 2>/dev/null | awk -v wanted="$wanted" '
    /^ ? ?[^ ]/ { is = $1 == wanted }
    is { text = text " " $0 }
    END {
      if (!sub(/.*\(choices: /, "", text)) exit
      sub(/(, *default:|\)).*/, "", text)
      count = split(text, words, /[", ]+/)
      for (i = 1; i <= count; i++) if (words[i] != "") print words[i]
    }'
}

# $1 nic or profile, $2 configuration: the names that it defines, bare or quoted; not those with TOML's escapes.
_qemu_rt_names() {
  sed -n -e "s/^[[:blank:]]*\[[[:blank:]]*$1\.\([A-Za-z0-9_-]*\)[[:blank:]]*].*/\1/p" \
    -e "s/^[[:blank:]]*\[[[:blank:]]*$1\.\"\([^\"\\\\]*\)\"[[:blank:]]*].*/\1/p" \
    -e "s/^[[:blank:]]*\[[[:blank:]]*$1\.'\([^']*\)'[[:blank:]]*].*/\1/p" "$2" 2>/dev/null
}

# stdin: names, a line each; $1 the word to complete, as it was typed. Sets COMPREPLY to those that it begins, each quoted
# as its place needs it.
_qemu_rt_offer() {
  local typed=$1 name shown
  COMPREPLY=()
  while IFS= read -r name; do
    case $name in
      # Bidi controls: the name would be read as another.
      '' | *$'\xe2\x80'[$'\x8e\x8f\xaa\xab\xac\xad\xae']* | *$'\xe2\x81'[$'\xa6\xa7\xa8\xa9']*) continue ;;
    esac
    case $typed in
      # The quote stays, and readline closes it.
      \'*)
        case $name in *[\'[:cntrl:]]*) continue ;; esac
        [[ $name == "${typed#\'}"* ]] && COMPREPLY+=("$name")
        ;;
      \"*)
        case $name in *[\"\`\$\\!\'[:cntrl:]]*) continue ;; esac
        [[ $name == "${typed#\"}"* ]] && COMPREPLY+=("$name")
        ;;
      *)
        printf -v shown %q "$name"
        # Where readline breaks words.
        case $shown in
          \$\'*) ;;
          *) shown=${shown//:/\\:} shown=${shown//=/\\=} shown=${shown//@/\\@} ;;
        esac
        [[ $shown == "$typed"* || $name == "$typed"* ]] && COMPREPLY+=("$shown")
        ;;
    esac
  done
}

# $1 file or directory, $2 the word to complete
_qemu_rt_paths() {
  compopt -o filenames
  mapfile -t COMPREPLY < <(compgen -A "$1" -- "$2")
}

_qemu_rt() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local command=() word last='' config=/etc/qemu-rt/qemu-rt.toml
  COMPREPLY=()
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
      --) return ;;
      # Its own word: the names in another configuration.
      *) [[ $last != --config ]] || config=$word ;;
    esac
    last=$word
    case $word in
      # Options, and what is no command.
      *[!a-z]*) ;;
      *)
        # A command's own command, such as `nics bind`.
        case ${#command[@]}:${command[0]-}:$word in
          0::help) ;;
          0:* | 1:nics:* | 1:golden:* | 1:domain:* | 1:host:* | 1:jitter:diff) command+=("$word") ;;
        esac
        ;;
    esac
  done
  case $previous in
    --config | --emulator | --report | --output | --socket) _qemu_rt_paths file "$current" ;;
    --sysroot) _qemu_rt_paths directory "$current" ;;
    --profile | --echo-profile) _qemu_rt_offer "$current" < <(_qemu_rt_names profile "$config") ;;
    --domain) _qemu_rt_offer "$current" < <(virsh list --name 2>/dev/null) ;;
    --nic) _qemu_rt_offer "$current" < <(_qemu_rt_names nic "$config") ;;
    --format | --mode | --switch | --accel)
      _qemu_rt_offer "$current" < <(_qemu_rt_choices "$previous" "${command[@]}")
      ;;
    # Numbers, times and what else only a person knows.
    --pid | --set | --wait | --interval | --vcpus | --frame-size | --fail-over | --seconds | --load | --floor | --expires) ;;
    *)
      case "$current:${command[*]}" in
        -*) _qemu_rt_offer "$current" < <(_qemu_rt_help options "${command[@]}") ;;
        *:nics\ show | *:nics\ bind | *:nics\ unbind)
          _qemu_rt_offer "$current" < <(_qemu_rt_names nic "$config")
          ;;
        *:export) _qemu_rt_offer "$current" < <(_qemu_rt_choices format export) ;;
        *: | *:nics | *:golden | *:domain | *:host | *:jitter)
          _qemu_rt_offer "$current" < <(_qemu_rt_help commands "${command[@]}")
          ;;
        *) _qemu_rt_paths file "$current" ;;
      esac
      ;;
  esac
}

complete -F _qemu_rt qemu-rt

#!/bin/sh
# qemu-rt: libvirt, a person or a CI job runs this in QEMU's place. It has the planner print a line of sh, evaluates
# it, and so becomes QEMU, as `eval "$(ssh-agent -s)"` does.
#
# Whatever this process was given is QEMU's: PID, descriptors, limits, signals, environment, working directory. So:
# - every variable is called qemu_rt_…: assigning to one that came exported would change QEMU's environment;
# - no descriptor is opened for good, 3 to 9 never: libvirt passes chardevs, tap and vhost devices by number;
# - outside programs run in $(…) only: dash clears the signal mask when it runs one directly;
# - no `local`, no bashisms: /bin/sh is dash, bash or busybox.
# The build makes bin/qemu-rt of src/launcher.sh: it puts lists of options from src/argv/options.ts where names stand in @.
# What a shell does by itself and no script can undo: dash and busybox drop environment variables whose names are not
# identifiers, and give IFS and PPID their own values if they are there; an ignored SIGCHLD gets its default (dash,
# busybox), a blocked one is unblocked (bash); when 3 to 9 are all in use dash leaves this file open, to be read only.

# Where the planner is. install.sh writes the directory here; empty means a checkout, see qemu_rt_find_planner.
qemu_rt_lib=

# $1 exit code of sysexits(3), $2 the line for whoever started the VM
qemu_rt_fail() {
  # A path may have what a terminal obeys. Without tr(1) the line is better than none.
  qemu_rt_line=$(printf '%s' "$2" | LC_ALL=C tr -c ' -~' '?') 2>/dev/null || qemu_rt_line=$2
  printf 'qemu-rt: %s\n' "$qemu_rt_line" >&2
  exit "$1"
}

# --- The real QEMU ----------------------------------------------------------------------------------------------------

# Sets qemu_rt_emulator: QEMU_RT_EMULATOR, else [emulators] in the configuration, else this entry's name without -rt.
qemu_rt_find_emulator() {
  qemu_rt_emulator=${QEMU_RT_EMULATOR-}
  if [ -z "$qemu_rt_emulator" ] && [ -f "$qemu_rt_config" ] && [ -r "$qemu_rt_config" ]; then
    qemu_rt_read_emulators "${qemu_rt_entry##*-system-}"
  fi
  if [ -z "$qemu_rt_emulator" ]; then
    case $qemu_rt_entry in
      *-rt*) qemu_rt_emulator=/usr/bin/${qemu_rt_entry%%-rt*}${qemu_rt_entry#*-rt} ;;
      *) qemu_rt_emulator=/usr/bin/$qemu_rt_entry ;;
    esac
  fi
  # A link to the launcher in QEMU's place: it would become itself without end. `-ef` is POSIX since 2024, and dash, bash
  # and busybox have it.
  # shellcheck disable=SC3013
  if [ "$qemu_rt_emulator" -ef "$0" ]; then
    qemu_rt_fail 78 "the emulator is the wrapper itself: $qemu_rt_emulator; name the real QEMU under [emulators] or QEMU_RT_EMULATOR"
  fi
  if [ ! -f "$qemu_rt_emulator" ] || [ ! -x "$qemu_rt_emulator" ]; then
    qemu_rt_fail 69 "no emulator: $qemu_rt_emulator; install it or set [emulators] in $qemu_rt_config or QEMU_RT_EMULATOR"
  fi
}

# --- libvirt's capability probe ----------------------------------------------------------------------------------------
# Word for word (libvirt 9.0, src/qemu/qemu_process.c, qemuProcessQMPLaunch), and before a shell has read the rest of this
# file, which takes longer than all of this. Whatever is not quite like it, or needs the configuration, goes on below.

qemu_rt_entry=${0##*/}
qemu_rt_config=${QEMU_RT_CONFIG:-/etc/qemu-rt/qemu-rt.toml}

case $qemu_rt_entry:${QEMU_RT_DRY_RUN-}:$#:"${1-} ${2-} ${3-} ${4-} ${5-} ${6-}:${7-}:${9-}:${11-}" in
  # Another type after it would count.
  qemu-rt:* | *none,*,*) ;;
  *::11:'-S -no-user-config -nodefaults -nographic -machine none,accel='*:-qmp:-pidfile:-daemonize)
    if [ -n "${QEMU_RT_EMULATOR-}" ] || [ ! -f "$qemu_rt_config" ]; then
      qemu_rt_find_emulator
      exec "$qemu_rt_emulator" "$@"
    fi
    ;;
esac

# --- libvirt's hook ----------------------------------------------------------------------------------------------------
# As libvirt calls it, with the suboperation. A domain's start waits for it, so this too stands before the rest of the file.

# Sets qemu_rt_program, and qemu_rt_runtime when it is not an executable by itself.
# QEMU_RT_PLANNER_RUNTIME=node passes the executable over, so that tests can cover both forms.
qemu_rt_find_planner() {
  if [ -z "$qemu_rt_lib" ]; then
    qemu_rt_program=$(readlink -f -- "$0")
    qemu_rt_lib=${qemu_rt_program%/*/*}/dist
  fi
  qemu_rt_runtime=
  qemu_rt_program=$qemu_rt_lib/qemu-rt-planner
  if [ -x "$qemu_rt_program" ] && [ "${QEMU_RT_PLANNER_RUNTIME-}" != node ]; then
    return
  fi
  qemu_rt_program=$qemu_rt_lib/qemu-rt.mjs
  if [ ! -r "$qemu_rt_program" ]; then
    qemu_rt_fail 69 "no planner in $qemu_rt_lib; install qemu-rt again, or in a checkout run 'npm run build'"
  fi
  if ! command -v node >/dev/null; then
    qemu_rt_fail 69 "no runtime for $qemu_rt_program: node is not in PATH; install nodejs 20 or newer"
  fi
  qemu_rt_runtime=node
}

# Becomes the planner. A launch does so in a subshell: QEMU keeps these variables.
qemu_rt_become_planner() {
  # What would make another program of the runtime; a domain's XML may set it.
  unset BUN_BE_BUN BUN_OPTIONS NODE_OPTIONS
  # Bun's engine: the planner ends before compiled code would pay.
  BUN_JSC_useJIT=0
  export BUN_JSC_useJIT
  exec ${qemu_rt_runtime:+"$qemu_rt_runtime"} "$qemu_rt_program" "$@"
}

case $qemu_rt_entry:${1-}:${4-} in
  qemu-rt:hook:begin | qemu-rt:hook:end)
    qemu_rt_find_planner
    qemu_rt_become_planner "$@"
    ;;
esac

# --- The configuration, for a launch without a planner ------------------------------------------------------------------

# $1 architecture. Reads `x86_64 = "/path"` under [emulators] and passes over whatever it does not understand.
qemu_rt_read_emulators() {
  qemu_rt_table=
  while IFS=' 	=' read -r qemu_rt_key qemu_rt_value || [ -n "$qemu_rt_key" ]; do
    case $qemu_rt_key in
      '[emulators]'*) qemu_rt_table=emulators ;;
      '['*) qemu_rt_table= ;;
      "$1" | "\"$1\"")
        case $qemu_rt_table$qemu_rt_value in
          *\\*) ;;
          emulators\"/*\"*) qemu_rt_emulator=${qemu_rt_value#\"} qemu_rt_emulator=${qemu_rt_emulator%%\"*} ;;
          emulators\'/*\'*) qemu_rt_emulator=${qemu_rt_value#\'} qemu_rt_emulator=${qemu_rt_emulator%%\'*} ;;
        esac
        # `read` takes a system call for each byte.
        [ -z "$qemu_rt_emulator" ] || break
        ;;
    esac
  done <"$qemu_rt_config"
  if [ -n "$qemu_rt_emulator" ] && ! qemu_rt_only_root_writes "$qemu_rt_config"; then
    qemu_rt_emulator=
  fi
}

# Whether nobody but root can write or exchange the file $1. The planner refuses such a configuration; here too it must
# not choose which program runs. (src/config/ownership.ts)
qemu_rt_only_root_writes() {
  case $1 in
    /*) qemu_rt_rest=$1 ;;
    *)
      qemu_rt_rest=$(pwd -P && printf x) || return 1
      qemu_rt_rest=${qemu_rt_rest%"$qemu_rt_newline"x}/$1
      ;;
  esac
  set -- /
  qemu_rt_real=
  qemu_rt_links=0
  # Every directory and link on the way: who may exchange one can exchange all that is behind it.
  while [ -n "$qemu_rt_rest" ]; do
    qemu_rt_name=${qemu_rt_rest%%/*}
    qemu_rt_rest=${qemu_rt_rest#"$qemu_rt_name"}
    qemu_rt_rest=${qemu_rt_rest#/}
    case $qemu_rt_name in
      '' | .) continue ;;
      ..)
        qemu_rt_real=${qemu_rt_real%/*}
        continue
        ;;
    esac
    set -- "$@" "$qemu_rt_real/$qemu_rt_name"
    if [ -L "$qemu_rt_real/$qemu_rt_name" ]; then
      # As many as the kernel follows.
      [ "$qemu_rt_links" -lt 40 ] || return 1
      qemu_rt_links=$((qemu_rt_links + 1))
      # $(…) takes away every newline at the end: a target's own is kept by what is put after it.
      qemu_rt_target=$(readlink -n "$qemu_rt_real/$qemu_rt_name" && printf x) || return 1
      qemu_rt_rest=${qemu_rt_target%x}/$qemu_rt_rest
      case $qemu_rt_rest in /*) qemu_rt_real= ;; esac
    else
      qemu_rt_real=$qemu_rt_real/$qemu_rt_name
    fi
  done
  qemu_rt_listed=$(LC_ALL=C ls -ldn "$@" 2>/dev/null) || return 1
  while [ -n "$qemu_rt_listed" ]; do
    qemu_rt_line=${qemu_rt_listed%%"$qemu_rt_newline"*}
    qemu_rt_listed=${qemu_rt_listed#"$qemu_rt_line"}
    qemu_rt_listed=${qemu_rt_listed#"$qemu_rt_newline"}
    case $qemu_rt_line in
      # No write for group and others; or sticky, where only root exchanges root's file. A link's mode means nothing.
      ?????-??-* | d????????[tT]* | l*) ;;
      *) return 1 ;;
    esac
    # After mode and link count: the owner.
    qemu_rt_line=${qemu_rt_line#* }
    # ls aligns the link counts of several.
    qemu_rt_line=${qemu_rt_line#"${qemu_rt_line%%[! ]*}"}
    case ${qemu_rt_line#* } in
      '0 '*) ;;
      *) return 1 ;;
    esac
  done
}

qemu_rt_newline='
'

# --- The planner ------------------------------------------------------------------------------------------------------

# For the line of sh that the planner prints for a dry run.
qemu_rt_planner() {
  ${qemu_rt_runtime:+"$qemu_rt_runtime"} "$qemu_rt_program" "$@"
}

# $1 exit code of the planner. It has said what is wrong, unless it did not come to it.
qemu_rt_give_up() {
  if [ "$1" -gt 128 ]; then
    qemu_rt_fail 70 "the planner was killed by signal $(($1 - 128)), QEMU is not started: $qemu_rt_program; see dmesg"
  elif [ "$1" -ge 126 ]; then
    qemu_rt_fail 69 "the planner cannot be run here: $qemu_rt_program; install qemu-rt again for this machine"
  elif [ "$1" -lt 64 ]; then
    # The runtime's own, as Node has when it may open no files.
    qemu_rt_fail 70 "the planner failed before it could say why (exit code $1), QEMU is not started: $qemu_rt_program; see the lines above, and ulimit -a"
  fi
  exit "$1"
}

# --- Invocations without a guest --------------------------------------------------------------------------------------
# libvirt's capability probe and people who ask QEMU for its version or help. They need no plan, and a broken
# configuration must never break probing.

# Whether "$@" starts no guest. Knowing which options take an argument keeps `-append -version` from looking like one.
qemu_rt_has_no_guest() {
  qemu_rt_answer=1
  qemu_rt_helped=
  qemu_rt_machine=
  qemu_rt_file=
  qemu_rt_option=
  case ${QEMU_RT_DRY_RUN-} in '' | 0 | no | off | false) ;; *) return 1 ;; esac
  # What a domain's XML sets by <qemu:env> is the planner's to allow. Only root owns /; dash, bash and busybox have -O.
  # shellcheck disable=SC3067
  [ -z "${QEMU_RT_EMULATOR-}${QEMU_RT_CONFIG-}" ] || [ -O / ] || return 1
  for qemu_rt_word in "$@"; do
    case $qemu_rt_option in
      '') ;;
      -machine | -M)
        qemu_rt_read_machine "$qemu_rt_word"
        qemu_rt_option=
        continue
        ;;
      *)
        # Most arguments need no closer look.
        case $qemu_rt_word in
          *help* | *\?*)
            if qemu_rt_asks_for_help "$qemu_rt_option" "$qemu_rt_word"; then
              qemu_rt_answer=0
              qemu_rt_helped="$qemu_rt_helped $qemu_rt_option "
            fi
            ;;
        esac
        qemu_rt_option=
        continue
        ;;
    esac
    case $qemu_rt_word in
      # The wrapper's own options are the planner's to read.
      --rt-* | -rt-* | --dry-run | -dry-run | --dry-run=* | -dry-run=*) return 1 ;;
      --*) qemu_rt_option=${qemu_rt_word#-} ;;
      -*) qemu_rt_option=$qemu_rt_word ;;
    esac
    case $qemu_rt_option in
      # A file may name the machine type, after this one or in its place.
      -readconfig) qemu_rt_file=1 ;;
      # Of several the last counts: with another one after `-cpu help` QEMU may start a guest.
      -cpu | -d | -soundhw | -vga | -watchdog)
        case $qemu_rt_helped in *" $qemu_rt_option "*) return 1 ;; esac
        ;;
      # What libvirt gives most often, before the long list.
      -device | -object | -chardev | -netdev | -blockdev) ;;
      -h | -help | -version)
        qemu_rt_answer=0
        qemu_rt_option=
        ;;
      # The other options without an argument, of any QEMU.
      @options-without-argument@)
        qemu_rt_option=
        ;;
    esac
  done
  case $qemu_rt_machine$qemu_rt_file in none | help | help1 | '?' | '?1') qemu_rt_answer=0 ;; esac
  return "$qemu_rt_answer"
}

# $1 argument of -machine: the machine type that it leaves QEMU with, since the last one given wins.
qemu_rt_read_machine() {
  case ,$1, in
    # An escaped comma: leave it to the planner.
    *,,?*) qemu_rt_machine=unknown ;;
    *,help,* | *,\?,*) qemu_rt_answer=0 ;;
    *,type=*)
      qemu_rt_machine=,$1
      qemu_rt_machine=${qemu_rt_machine##*,type=}
      qemu_rt_machine=${qemu_rt_machine%%,*}
      ;;
    *)
      case ${1%%,*} in
        '' | *=*) ;;
        *) qemu_rt_machine=${1%%,*} ;;
      esac
      ;;
  esac
}

# $1 option, $2 its argument: whether QEMU prints a list and ends. Of other options 'help' may be a real argument, such
# as -name's.
qemu_rt_asks_for_help() {
  case $1 in
    @options-that-print-help@) ;;
    *) return 1 ;;
  esac
  # Of these QEMU takes help beside other words for a part of the value, or passes over it (tried with 7.2, 10.0, 11.1).
  case $1:$2 in
    -accel:help | -cpu:help | -d:help | -global:help | -nic:help | -soundhw:help | -vga:help | -watchdog:help) ;;
    -accel:\? | -cpu:\? | -d:\? | -global:\? | -nic:\? | -soundhw:\? | -vga:\? | -watchdog:\?) ;;
    -accel:* | -cpu:* | -d:* | -global:* | -nic:* | -soundhw:* | -vga:* | -watchdog:*) return 1 ;;
  esac
  case $2 in
    # JSON, or an escaped comma as in `,,help`: leave it to the planner.
    '{'* | *,,*) return 1 ;;
  esac
  case ,$2, in
    *,help,* | *,\?,*) return 0 ;;
  esac
  return 1
}

# --- Becoming QEMU ----------------------------------------------------------------------------------------------------

if [ "$qemu_rt_entry" != qemu-rt ]; then
  if qemu_rt_has_no_guest "$@"; then
    qemu_rt_find_emulator
    exec "$qemu_rt_emulator" "$@"
  fi
elif [ "${1-}" != run ]; then
  qemu_rt_find_planner
  # For commands that start a guest themselves.
  QEMU_RT_LAUNCHER=$0
  export QEMU_RT_LAUNCHER
  exec ${qemu_rt_runtime:+"$qemu_rt_runtime"} "$qemu_rt_program" cli "$@"
fi

qemu_rt_find_planner
# In a subshell, so that QEMU keeps its environment and its stdin (-serial stdio, -chardev stdio), from which the planner must not
# take.
qemu_rt_text=$(
  exec </dev/null
  qemu_rt_become_planner launch "$qemu_rt_entry" "$@"
) || qemu_rt_give_up $?
if [ -z "$qemu_rt_text" ]; then
  qemu_rt_fail 70 "the planner printed no plan, QEMU is not started: $qemu_rt_program; please report it"
fi
# Outside of any function, so that "$@" and "${1}" in the text are what this process was started with.
eval "$qemu_rt_text"

# shellcheck shell=sh

# $1 seconds, the rest is a command that is tried until it succeeds
until_true() {
  seconds=$1
  shift
  while ! "$@"; do
    seconds=$((seconds - 1))
    [ "$seconds" -gt 0 ] || return 1
    sleep 1
  done
}

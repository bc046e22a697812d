#!/bin/sh
# Runs a script on a host like this one: as root, in an overlay over its root that is gone afterwards.
# usage: host-copy.sh SCRIPT [FILE…]; the script is given `inside`, and finds the files in /tmp by their last names.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2016
unshare --mount --pid --fork --kill-child sh -eu -c '
  work=$1
  shift
  mount -t tmpfs tmpfs "$work"
  mkdir "$work/upper" "$work/work" "$work/root"
  mount -t overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/work" overlay "$work/root"
  mount -t proc proc "$work/root/proc"
  mount --rbind /dev "$work/root/dev"
  # A host of its own: no daemon and no systemd of this one is told anything.
  mount -t tmpfs -o mode=755 tmpfs "$work/root/run"
  mkdir "$work/root/run/lock"
  mount -t tmpfs tmpfs "$work/root/tmp"
  cp -r "$@" "$work/root/tmp/"
  exec chroot "$work/root" sh "/tmp/${1##*/}" inside
' sh "$work" "$@"

#!/bin/sh
# Runs a command in a root of its own:
#   unshare --mount --uts --pid --fork --kill-child enter.sh ROOT SCRATCH [OUTSIDE=INSIDE]... -- COMMAND…
# What the command writes goes to SCRATCH, but for the directories that are bound: the root stays as it is. The network,
# /sys and the devices are the machine's. pivot_root instead of chroot: nsenter into a mount namespace would leave a chroot.
set -eu
root=$1
scratch=$2
shift 2

mkdir -p "$scratch/upper" "$scratch/work" "$scratch/root"
new=$scratch/root
mount -t overlay -o "lowerdir=$root,upperdir=$scratch/upper,workdir=$scratch/work" overlay "$new"
mount -t proc proc "$new/proc"
mount --rbind /sys "$new/sys"
mount --make-rslave "$new/sys"
# Nodes of the same devices, since the groups that may open them have other numbers in there.
mount -t tmpfs -o mode=755 tmpfs "$new/dev"
cp -a --one-file-system /dev/. "$new/dev/"
[ ! -e "$new/dev/kvm" ] || chroot "$new" chgrp kvm /dev/kvm
mkdir -p "$new/dev/shm" "$new/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$new/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$new/dev/pts"
ln -sf pts/ptmx "$new/dev/ptmx"
if mountpoint -q /dev/hugepages; then mount --rbind /dev/hugepages "$new/dev/hugepages"; fi
mount -t tmpfs -o mode=755 tmpfs "$new/run"
mkdir -p "$new/run/lock"
# The way to the network, with the authorities that this machine trusts.
for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt; do
  [ -f "$file" ] || continue
  # A link in the root would lead out of it, to a file of the machine.
  rm -f "$new$file"
  cat "$file" >"$new$file"
done
while [ "$1" != -- ]; do
  mkdir -p "$new/${1#*=}"
  mount --bind "${1%%=*}" "$new/${1#*=}"
  shift
done
shift
hostname matrix
mkdir -p "$new/outside"
cd "$new"
pivot_root . outside
umount --lazy /outside
rmdir /outside
cd /
# The first process of a PID namespace is not ended by a signal that it does not handle.
trap 'exit 143' TERM INT
"$@" &
wait $!

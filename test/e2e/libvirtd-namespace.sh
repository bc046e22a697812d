#!/bin/sh
# Init of the namespaces that a test's libvirtd runs in; started by
#   unshare --mount --pid --fork --kill-child --mount-proc libvirtd-namespace.sh SCRATCH INSTALL.SH
# What is written to /etc, /var, /usr/local and /run is seen in here alone. SCRATCH/etc is laid over /etc.
set -eu
scratch=$1
install=$2

# The scratch directory is covered by a tmpfs: its files are taken along.
given=$(mktemp -d)
mount --bind "$scratch" "$given"
mount -t tmpfs tmpfs "$scratch"
overlay() {
  mkdir -p "$scratch/$2/upper" "$scratch/$2/work"
  mount -t overlay -o "lowerdir=$1,upperdir=$scratch/$2/upper,workdir=$scratch/$2/work" overlay "$1"
}
overlay /etc etc
overlay /var var
overlay /usr/local local
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock
cp -R "$given/etc/." /etc/
umount "$given"
rmdir "$given"
chown -R root:root /etc/qemu-rt /etc/libvirt/qemu.conf
# Only what goes wrong is said.
said=$("$install" 2>&1) || {
  printf '%s\n' "$said" >&2
  exit 1
}

echo ready
# `wait` also takes the exit codes of what has lost its parent, as an init must.
while :; do
  sleep 86400 &
  wait
done

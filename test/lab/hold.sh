# shellcheck shell=sh
# VMs that stand still: one that holds a device until it is told to let go, and others that try to have it, too.

# What each QEMU here is started with.
still='-S -machine pc -m 16 -nodefaults -display none -accel tcg'

# $1 how many nodes of VFIO it opens, $2 address, the rest is for QEMU: starts guest 'holder', and waits until it has this device and
# them all.
hold() {
  nodes=$1
  held=$2
  shift 2
  # shellcheck disable=SC2086
  qemu-rt-system-x86_64 -name holder $still "$@" >/tmp/holder.log 2>&1 &
  holder=$!
  until_true 60 has_device
}

# Whether guest 'holder' has a lease on the device, and is QEMU that has so many nodes open.
has_device() {
  find /run/qemu-rt/leases -name "$holder-*$held*.lease" | grep -q . &&
    [ "$(cat "/proc/$holder/comm")" = qemu-system-x86 ] &&
    [ "$(open_nodes | grep -c .)" -ge "$nodes" ]
}

# What guest 'holder' has open of VFIO, one node a line.
open_nodes() {
  find "/proc/$holder/fd" -lname '/dev/vfio/[0-9d]*' -printf '%l\n' | sort -u
}

# Ends guest 'holder'; prints what it has said.
let_go() {
  kill "$holder"
  until_true 60 has_ended
  grep -v 'terminating on signal 15' /tmp/holder.log
}

# Not wait, which in $(…) knows no child of the shell's.
has_ended() {
  ! [ -e "/proc/$holder/exe" ]
}

# Starts guest 'other', which the launcher or QEMU is expected to refuse; prints what they say.
other() {
  # shellcheck disable=SC2086
  timeout 30 qemu-rt-system-x86_64 -name other $still "$@" 2>&1
}

# What a person would start: options of `run`, which may name any NIC of the host.
planned() {
  qemu-rt run --dry-run --format args "$@" -- -name other -m 16 2>&1
}

# QEMU without the wrapper: what the kernel says.
bare() {
  # shellcheck disable=SC2086
  timeout 30 qemu-system-x86_64 $still "$@" 2>&1
}

# $1 address: the number of its IOMMU group
group_of() {
  basename "$(readlink "/sys/bus/pci/devices/$1/iommu_group")"
}

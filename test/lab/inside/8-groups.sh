# shellcheck shell=sh
: "${guest:?}"
# Two NICs of one IOMMU group are one VM's, by VFIO's group interface and by iommufd; a lease says so before the kernel does.

first=0000:01:01.0
second=0000:01:02.0

# Starts a QEMU with a first device that stays until it is killed; further arguments are $@.
hold_group() {
  rm -f /tmp/holding.log
  qemu-rt-system-x86_64 -name holder -S -machine pc -m 16 -nodefaults -display none -accel tcg "$@" \
    >/tmp/holding.log 2>&1 &
  holding=$!
  until_true 60 sh -c "ls /run/qemu-rt/leases/0/*$first*.lease >/dev/null 2>&1 && pgrep -x qemu-system-x86 >/dev/null"
}

let_go() {
  kill "$holding"
  wait "$holding" 2>/dev/null
  true
}

# Plans and starts a second VM with the group's other device; prints what the launcher or QEMU says.
other_vm() {
  timeout 20 qemu-rt-system-x86_64 -name other -S -machine pc -m 16 -nodefaults -display none -accel tcg "$@" 2>&1
}

qemu-rt nics bind $first >/dev/null
qemu-rt nics bind $second >/dev/null
is "both are in one group" "$(readlink -f /sys/bus/pci/devices/$first/iommu_group)" \
  "$(readlink -f /sys/bus/pci/devices/$second/iommu_group)"

# What the plan is built on: the kernel's own answer, without the wrapper.
hold_group -device vfio-pci,host=$first
like "the kernel opens a group once" "Device or resource busy" \
  "$(timeout 20 qemu-system-x86_64 -S -machine pc -nodefaults -display none -accel tcg -device vfio-pci,host=$second 2>&1)"
like "a device of a group that another VM has" \
  "device 'h1' is in IOMMU group [0-9]+, of which guest 'holder' \(PID [0-9]+\) has $first" \
  "$(other_vm -device vfio-pci,host=$second,id=h1)"
like "and is not given back to the host" "is in IOMMU group [0-9]+, of which guest 'holder'" \
  "$(qemu-rt nics unbind $second 2>&1)"
let_go
hold_group -device vfio-pci,host=$first,id=h0 -device vfio-pci,host=$second,id=h1
is "one VM has both" "" "$(cat /tmp/holding.log)"
let_go

if [ -e /dev/iommu ] && [ -e /dev/vfio/devices ] && qemu-system-x86_64 -object help | grep -q iommufd; then
  hold_group -object iommufd,id=i -device vfio-pci,host=$first,id=h0,iommufd=i
  is "by iommufd, too" "" "$(cat /tmp/holding.log)"
  like "the kernel gives a group to one iommufd" "Operation not permitted|Device or resource busy" \
    "$(timeout 20 qemu-system-x86_64 -S -machine pc -nodefaults -display none -accel tcg \
      -object iommufd,id=i -device vfio-pci,host=$second,iommufd=i 2>&1)"
  like "and so does a lease" "device 'h1' is in IOMMU group [0-9]+, of which guest 'holder'" \
    "$(other_vm -object iommufd,id=i -device vfio-pci,host=$second,id=h1,iommufd=i)"
  let_go
  cdev=/dev/vfio/devices/$(basename /sys/bus/pci/devices/$first/vfio-dev/*)
  # As libvirt passes it: the wrapper sees by the descriptor which device it is.
  exec 8<>/dev/iommu 9<>"$cdev"
  hold_group -object iommufd,id=i,fd=8 -device vfio-pci,id=h0,iommufd=i,fd=9
  exec 8>&- 9>&-
  is "a device that is passed open has a lease" "" "$(cat /tmp/holding.log)"
  let_go
else
  echo "# no iommufd with cdevs in this node: its kernel or its QEMU has none"
fi

qemu-rt nics unbind $first >/dev/null
qemu-rt nics unbind $second >/dev/null
is "both have their driver again" "e1000 e1000" "$(driver_of $first) $(driver_of $second)"

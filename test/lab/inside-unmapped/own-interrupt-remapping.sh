# shellcheck shell=sh
: "${guest:?}"
# A node whose IOMMU does not remap interrupts: VFIO gives no device to a VM, unless root allows that.

# Starts a nested guest by the emulator $1, with the device $2: prints what it says, and the MAC that the guest found.
nested() {
  rm -f /tmp/mac
  timeout 120 "$1" -machine pc -m 16 -nodefaults -display none -accel tcg -bios "$guest" \
    -debugcon file:/tmp/mac -device isa-debug-exit,iobase=0xf4,iosize=1 -device "$2" 2>&1
  cat /tmp/mac 2>/dev/null
}

# What `host check` says of it
checked() {
  qemu-rt host check | grep '^devices.interrupt-remapping'
}

modprobe vfio-pci
qemu-rt nics bind line0 >/dev/null
like "host check says that they are not remapped" 'FAIL \(they are not remapped; ' "$(checked)"
like "the kernel gives QEMU no device" 'Operation not permitted' "$(nested qemu-system-x86_64 vfio-pci,host=00:02.0)"
like "the wrapper says why before" 'this host does not remap interrupts, and without that vfio_iommu_type1 gives 0000:00:02.0 to no VM' \
  "$(nested qemu-rt-system-x86_64 vfio-pci,host=nic:line0)"
echo Y >/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts
is "where root allows it, the guest has its NIC" "525400000100" "$(nested qemu-rt-system-x86_64 vfio-pci,host=nic:line0)"
like "and host check notes that" 'NOTE \(they are not remapped, and vfio_iommu_type1 allows that' "$(checked)"

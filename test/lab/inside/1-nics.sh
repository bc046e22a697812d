# shellcheck shell=sh
: "${guest:?}"
# The right NIC by its name: the nested guest itself says the MAC of what it got.

# Starts a QEMU through the installed launcher; its arguments are $@. Prints what the launcher or QEMU says, then the MACs
# that the guest found.
nested() {
  rm -f /tmp/mac
  timeout 120 qemu-rt-system-x86_64 -machine pc -m 16 -nodefaults -display none -accel tcg -bios "$guest" \
    -debugcon file:/tmp/mac -device isa-debug-exit,iobase=0xf4,iosize=1 "$@" 2>&1
  cat /tmp/mac 2>/dev/null
}

like "an unknown name" "NIC 'lime1' is not in the configuration.*did you mean 'line1'" \
  "$(nested -device vfio-pci,host=nic:lime1)"
like "a NIC that the host's driver has" "0000:00:02.0 is bound to e1000e \(eth0\), not to vfio-pci.*nics bind" \
  "$(nested -device vfio-pci,host=nic:line0)"
qemu-rt nics bind shared >/dev/null
like "a group with a device of the host's" "IOMMU group [0-9]+ of 0000:01:01.0 also holds 0000:01:02.0 \(e1000\)" \
  "$(nested -device vfio-pci,host=nic:shared)"
like "given back" "vfio-pci → e1000" "$(qemu-rt nics unbind shared)"

for line in 0 1 2 3; do
  like "line$line is bound" "0000:00:0$((line + 2)).0 .*: e1000e → vfio-pci" "$(qemu-rt nics bind "line$line")"
done
is "all four are ready" "4" "$(qemu-rt nics list | grep -c 'line[0-3] .* vfio-pci .* yes$')"
# Not in the order of their addresses.
for line in 2 0 3 1; do
  is "line$line by keyval" "52540000010$line" "$(nested -device "vfio-pci,host=nic:line$line")"
  is "line$line by JSON" "52540000010$line" \
    "$(nested -device "{\"driver\":\"vfio-pci\",\"host\":\"nic:line$line\",\"id\":\"hostdev0\"}")"
done
is "line3 by --rt-nic" "525400000103" "$(nested --rt-nic line3)"

nested -name holder -S -device vfio-pci,host=nic:line1 >/tmp/holder.log &
until_true 60 sh -c 'ls /run/qemu-rt/leases/0/*.lease >/dev/null 2>&1 && pgrep -x qemu-system-x86 >/dev/null'
like "one that another VM has" "NIC 'line1' is held by guest 'holder'" "$(nested -device vfio-pci,host=nic:line1)"
is "and another one meanwhile" "525400000102" "$(nested -device vfio-pci,host=nic:line2)"
kill "$(pgrep -x qemu-system-x86)"
wait
is "and then it is free" "525400000101" "$(nested -device vfio-pci,host=nic:line1)"

# A QEMU can pass its device to another process, which has no node of VFIO open then.
group=$(basename "$(readlink /sys/bus/pci/devices/0000:00:03.0/iommu_group)")
# shellcheck disable=SC2016
perl -e '
  open(my $all, "+<", "/dev/vfio/vfio") && open(my $group, "+<", "/dev/vfio/$ARGV[0]") || die $!;
  my ($number, $address) = (pack("i", fileno($all)), "$ARGV[1]\0");
  # linux/vfio.h: VFIO_GROUP_SET_CONTAINER, VFIO_SET_IOMMU of type 1, VFIO_GROUP_GET_DEVICE_FD.
  ioctl($group, 0x3b68, $number) && ioctl($all, 0x3b66, 1) && ioctl($group, 0x3b6a, $address) || die $!;
  close($group); close($all);
  sleep(60);
' "$group" 0000:00:03.0 2>/tmp/has-device.log &
has=$!
until_true 20 sh -c "ls -l /proc/$has/fd | grep -q vfio-device && ! ls -l /proc/$has/fd | grep -q /dev/vfio/" ||
  not_ok "a process has the device without a node" "$(cat /tmp/has-device.log)"
like "a device that a process has without its node" "0000:00:03.0 .*held by a process that has a descriptor named .vfio-device." \
  "$(timeout 30 qemu-rt nics unbind line1 2>&1)"
kill $has
wait $has || true

for line in 0 1 2 3; do
  qemu-rt nics unbind "line$line" >/dev/null
done
is "all have their driver again" "e1000e e1000e e1000e e1000e" \
  "$(for slot in 2 3 4 5; do driver_of "0000:00:0$slot.0"; done | tr '\n' ' ' | sed 's/ $//')"

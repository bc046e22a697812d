# shellcheck shell=sh
: "${project:?}"
# Two NICs of one IOMMU group are one VM's, by VFIO's group interface and by iommufd; a lease says so before the kernel does.

# shellcheck source=/dev/null
. "$project/test/lab/hold.sh"

first=0000:01:01.0
second=0000:01:02.0
alone=0000:02:01.0
cat >>/etc/qemu-rt/qemu-rt.toml <<'END'
[nic.second]
address = "0000:01:02.0"
[nic.e1000]
id = "8086:100e"
pool = true
END

qemu-rt nics bind e1000 >/dev/null
is "two are in one group" "$(group_of $first)" "$(group_of $second)"
like "and one in another" "^[0-9]+ [0-9]+$" "$(printf '%s\n' "$(group_of $first)" "$(group_of $alone)" | sort -u | paste -sd ' ')"
taken="is in IOMMU group $(group_of $first), of which guest 'holder' \(PID [0-9]+\) has $first"

# What the plan is built on.
hold 1 $first -device vfio-pci,host=$first
like "the kernel opens a group once" "Device or resource busy" "$(bare -device vfio-pci,host=$second)"
like "a device of a group that another VM has" "device 'h1' $taken" "$(other -device vfio-pci,host=$second,id=h1)"
like "and by its name" "NIC 'second' $taken" "$(other --rt-nic second)"
like "and it is not given back to the host" "$second .* $taken" "$(qemu-rt nics unbind second 2>&1)"
like "a pool goes on to the next group" "host=$alone" "$(planned --nic e1000)"
is "the holder says nothing" "" "$(let_go)"
hold 2 $alone --rt-nic second --rt-nic e1000 --rt-nic e1000
is "one VM has the group, and more" "" "$(let_go)"

has_iommufd() {
  modprobe -q iommufd
  [ -e /dev/iommu ] && [ -e /dev/vfio/devices ] && qemu-system-x86_64 -object help | grep -q iommufd
}

if has_iommufd; then
  hold 1 $first -object iommufd,id=i -device vfio-pci,host=$first,iommufd=i
  is "by iommufd it has the device's own node" "/dev/vfio/devices/$(ls /sys/bus/pci/devices/$first/vfio-dev)" "$(open_nodes)"
  like "the kernel gives a group to one iommufd" "Operation not permitted|Device or resource busy" \
    "$(bare -object iommufd,id=i -device vfio-pci,host=$second,iommufd=i)"
  like "and so does a lease" "device 'h0' $taken" \
    "$(other -object iommufd,id=i -device vfio-pci,host=$second,iommufd=i,id=h0)"
  like "for one that opens the group, too" "NIC 'second' $taken" "$(other --rt-nic second)"
  is "the holder by iommufd says nothing" "" "$(let_go)"
  # As libvirt passes it: the wrapper sees by the descriptor which device it is.
  exec 8<>/dev/iommu 9<>"/dev/vfio/devices/$(ls /sys/bus/pci/devices/$first/vfio-dev)"
  hold 1 $first -object iommufd,id=i,fd=8 -device vfio-pci,id=h0,iommufd=i,fd=9
  like "one that is passed open has a lease" "NIC 'second' $taken" "$(other --rt-nic second)"
  is "its holder says nothing" "" "$(let_go)"
  like "a name in the place of one that is passed open" "host=$second,iommufd=i" \
    "$(qemu-rt run --dry-run --format args -- -m 16 -object iommufd,id=i,fd=8 \
      -device vfio-pci,id=h0,iommufd=i,fd=9,host=nic:second 2>&1)"
  exec 8>&- 9>&-
else
  echo "# iommufd is not shown: this node's kernel has no CONFIG_VFIO_DEVICE_CDEV, or its QEMU no iommufd"
  like "iommufd where there is none" "iommufd= opens it by that" \
    "$(other -object iommufd,id=i -device vfio-pci,host=nic:second,iommufd=i,id=h0)"
fi

qemu-rt nics unbind e1000 >/dev/null
is "all have their driver again" "e1000 e1000 e1000" "$(driver_of $first) $(driver_of $second) $(driver_of $alone)"

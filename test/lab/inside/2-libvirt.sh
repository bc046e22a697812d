# shellcheck shell=sh
# The same under libvirt, with QEMU as its unprivileged user, a /dev of its own and cgroup v2's rules for devices.

request() {
  echo "<r:request xmlns:r='urn:qemu-rt:request'>$1</r:request>"
}

: >/etc/libvirt/qemu.conf
start_libvirtd
like "a node that libvirt hides is told with the line that shows it" \
  'libvirt hides /dev/vfio/vfio and /dev/vfio/[0-9]+ from QEMU: /etc/libvirt/qemu.conf; write cgroup_device_acl = \[ "/dev/null"' \
  "$(start hidden "$(request '<r:nic name="line1"/>')" '')"
is "and the NIC is the host's again" "e1000e" "$(driver_of 0000:00:03.0)"
show_nodes
restart_libvirtd

# $1 name, $2 metadata, $3 words for the wrapper, $4 number of the line
gets() {
  like "$1: started" "Domain '$1' started" "$(start "$1" "$2" "$3")"
  virsh domstate "$1" | grep -q running && until_true 90 says_mac "$1"
  is "$1: the guest has line$4" "52540000010$4" "$(cat "/var/tmp/$1.mac" 2>/dev/null)"
  is "$1: QEMU is libvirt's user's" "$(id -u libvirt-qemu)" "$(stat -c %u "/proc/$(cat "/run/libvirt/qemu/$1.pid")")"
  is "$1: it is on vfio-pci" "vfio-pci" "$(driver_of "0000:00:0$(($4 + 2)).0")"
  virsh destroy "$1" >/dev/null 2>&1
  is "$1: and the host's afterwards" "e1000e" "$(driver_of "0000:00:0$(($4 + 2)).0")"
}

# A NIC that is added must not have the slot of a device that libvirt has placed.
export balloon=virtio
gets by-metadata "$(request '<r:nic name="line2"/>')" '' 2
gets by-argument '' "<qemu:arg value='--rt-nic'/><qemu:arg value='line3'/>" 3
# One that a person has written, where libvirt has placed no balloon.
export balloon=none
gets by-device '' "<qemu:arg value='-device'/><qemu:arg value='vfio-pci,host=nic:line0'/>" 0
like "an unknown name refuses the start" "NIC 'lime2'.*did you mean 'line2'" \
  "$(start unknown "$(request '<r:nic name="lime2"/>')" '')"
is "nothing is left" "" "$(ls /run/qemu-rt/vms)"

# shellcheck shell=sh
: "${project:?}" "${guest:?}"
# Interrupts of a domain's NIC: libvirt's hook sets what is there and what comes. The line of a slot stays when QEMU ends, and goes
# back.

# shellcheck source=/dev/null
. "$project/test/lab/interrupts.sh"
: "${irq_guest:?}"

echo f >/proc/irq/default_smp_affinity
ensure_libvirtd
line=$(cat /sys/bus/pci/devices/0000:00:02.0/irq)
line_before=$(cat "/proc/irq/$line/smp_affinity_list" 2>/dev/null)
kept_guest=$guest
guest=$irq_guest
like "a domain starts" "Domain 'hooked' started" \
  "$(start hooked "<r:request xmlns:r='urn:qemu-rt:request' profile='irq'><r:nic name='one'/></r:request>" '')"
guest=$kept_guest
until_true 90 comes 0000:00:02.0
until_true 10 are_on 0000:00:02.0 0-1
is "the hook has its interrupts set" "0-1" "$(cpus_of 0000:00:02.0)"
is "none of a domain comes to a real-time CPU" "yes 0" "$(ten_seconds 0000:00:02.0)"
like "and root's record knows" '"interrupts":\[\{"address":"0000:00:02.0","cpus":"0-1","priority":60' "$(cat /run/qemu-rt/vms/libvirt-*.json)"
virsh destroy hooked >/dev/null 2>&1
is "the line is where it was" "$line_before" "$(cat "/proc/irq/$line/smp_affinity_list" 2>/dev/null)"
is "and no record is left" "" "$(find /run/qemu-rt/vms -name 'libvirt-*')"

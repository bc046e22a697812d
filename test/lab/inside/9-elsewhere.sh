# shellcheck shell=sh
: "${project:?}"
# A NIC whose interface is in another network namespace is in use there; and what matches nothing says why.

# shellcheck source=/dev/null
. "$project/test/lab/hold.sh"

nic=0000:00:04.0
interface=$(ls /sys/bus/pci/devices/$nic/net)
cat >>/etc/qemu-rt/qemu-rt.toml <<'END'
[nic.elsewhere]
address = "0000:00:04.0"
[nic.no-vf]
pf = "52:54:00:00:01:02"
vf = 0
[nic.contrary]
mac = "52:54:00:00:01:02"
id = "8086:100e"
[nic.e1000e]
id = "8086:10d3"
END

like "a pf that has no virtual functions" "NIC 'no-vf' .* matches no device .*: $interface \($nic\) can have no virtual functions" \
  "$(other --rt-nic no-vf)"
like "selectors of which no device meets both" \
  "NIC 'contrary' .*: mac 52:54:00:00:01:02 is $nic \($interface.*, but not id 8086:100e" "$(other --rt-nic contrary)"
like "several where one is meant" "NIC 'e1000e' .* (matches|means) 4 devices" "$(other --rt-nic e1000e)"
like "an interface that is no NIC's" "lo is an interface, but not of a PCI device" "$(planned --nic lo)"

ip netns add lab
ip link set "$interface" netns lab
# Without what was saved: a NIC that the host has not seen before.
rm -f /var/lib/qemu-rt/nics.json
used="what uses $nic is not seen: e1000e has it, without an interface in this network namespace"
like "by its address it is in use" "NIC 'elsewhere' is not ready: $used; .*lsns -t net" "$(other --rt-nic elsewhere)"
like "and is not taken from there" "$used" "$(qemu-rt nics bind elsewhere 2>&1)"
like "nor shown as free" "$used" "$(qemu-rt nics show elsewhere 2>&1)"
like "by a MAC that nobody sees it is unknown" "NIC 'line2' \(mac 52:54:00:00:01:02\) matches no device" "$(other --rt-nic line2)"
is "nothing was changed" "e1000e" "$(driver_of $nic)"

# One above it there does not show here: root looks into the namespaces.
ip netns exec lab ip link set "$interface" netns 1
ip link add link "$interface" name lab-vlan type vlan id 7
ip link set lab-vlan netns lab
carries="the host uses $nic itself: $interface carries lab-vlan \(net:\[[0-9]+\]\) in another network namespace"
like "a VLAN of it that is elsewhere" "$carries" "$(qemu-rt nics bind elsewhere 2>&1)"
ip netns del lab
until_true 30 sh -c "[ ! -e /run/netns/lab ]"
sleep 1
like "and then it is free" "e1000e → vfio-pci" "$(qemu-rt nics bind elsewhere 2>&1)"
qemu-rt nics unbind elsewhere >/dev/null
is "it has its driver again" "e1000e" "$(driver_of $nic)"

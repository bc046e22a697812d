# shellcheck shell=sh
# A compute node of a cloud: what a user of the API gets by a flavor. The control plane is outside (test/lab/nova/control.sh).
: "${project:?}"
cloud=/run/lab-out/cloud
mkdir -p $cloud /run/lab-out/domains

# $@ a command line of sh, which is run where the control plane is, as the cloud's administrator: prints what it prints
cloud() {
  request=$cloud/$(date +%s%N)
  printf '%s\n' "$*" >"$request.new"
  mv "$request.new" "$request.sh"
  while [ ! -e "$request.status" ]; do sleep 0.2; done
  cat "$request.out"
  return "$(cat "$request.status")"
}

# The same as a user of a project.
tenant() {
  cloud "export OS_USERNAME=operator OS_PROJECT_NAME=plant OS_COMPUTE_API_VERSION=2.90; $*"
}

# $1 flavor, $2 name, in quotes for sh where needed: starts an instance without networks
boot() {
  tenant "openstack server create --flavor $1 --image probe --nic none --wait $2" >/tmp/boot.log 2>&1
}

# $1 instance: prints its status, and its fault where it has one
status_of() {
  tenant "openstack server show -f value -c status -c fault $1" | tr '\n' ' '
}

# $1 instance: the domain's name
domain_of() {
  id=$(tenant "openstack server show -f value -c id $1")
  cloud "openstack server show -f value -c OS-EXT-SRV-ATTR:instance_name $id"
}

# $1 instance: what its guest has said since it was started, in one line
said() {
  tenant "openstack console log show $1" | tr -d '\r' | grep -E '^([0-9a-f]{12}|end)$' | tr '\n' ' '
}

has_ended() {
  said "$1" | grep -q end
}

# $1 domain: number, policy, priority and CPUs of each vCPU, a line each
vcpus_of() {
  for task in "/proc/$(cat "/run/libvirt/qemu/$1.pid")"/task/*; do
    number=$(sed -n 's|^CPU \([0-9]*\)/.*|\1|p' "$task/comm")
    [ -z "$number" ] || echo "$number$(chrt -p "${task##*/}" | sed 's/.*://; s/|SCHED_RESET_ON_FORK//' | tr -d '\n') $(cpus_of "$task")"
  done
}

cpus_of() {
  sed -n 's/^Cpus_allowed_list:\t//p' "$1/status"
}

# $1 domain: CPUs of QEMU's main thread
emulator_of() {
  cpus_of "/proc/$(cat "/run/libvirt/qemu/$1.pid")"
}

# $1 domain, $2 name of the copies: what Nova made, for fixtures
keep() {
  virsh dumpxml --inactive "$1" >"/run/lab-out/domains/$2.xml"
  sed -n '/^LC_ALL=C/,/^-msg/p' "/var/log/libvirt/qemu/$1.log" >"/run/lab-out/domains/$2.args"
}

start_nova_compute() {
  HOME=/var/lib/nova setpriv --reuid=nova --regid=nova --init-groups -- \
    nova-compute --config-file /etc/nova/nova.conf --config-file /etc/nova/nova-compute.conf >>/run/lab-out/nova-compute.log 2>&1 &
  nova_compute=$!
}

# $1 domain, $2 number of a vCPU: the CPU that Nova has given it
pin_of() {
  virsh dumpxml --inactive "$1" | sed -n "s/.*<vcpupin vcpu='$2' cpuset='\([0-9]*\)'.*/\1/p"
}

# Whether root has no record of any domain.
is_empty() {
  [ -z "$(ls /run/qemu-rt/vms)" ]
}

last_heard() {
  cloud 'openstack compute service list --service nova-compute -f value -c "Updated At"'
}

is_heard_again() {
  [ "$(last_heard)" != "$heard" ]
}

is_status() {
  [ "$(tenant openstack server show -f value -c status "$1")" = "$2" ]
}

# What Placement has of the node: resource class, reserved and total, a line each
inventory() {
  # shellcheck disable=SC2016
  cloud 'openstack resource provider inventory list $(openstack resource provider list -f value -c uuid) -f value \
    -c resource_class -c reserved -c total'
}

# It has that when the compute service has started.
is_reported() {
  inventory | grep -q CUSTOM_NIC
}

is_up() {
  cloud openstack compute service list --service nova-compute -f value -c State | grep -q up
}

# --- The node ---------------------------------------------------------------------------------------------------------

for interface in /sys/class/net/*; do
  case $(readlink "$interface/device/driver") in
    */virtio_net) network=${interface##*/} ;;
  esac
done
ip address add 10.0.2.15/24 dev "$network"
ip link set "$network" up
printf '127.0.0.1 localhost rt-node\n10.0.2.2 controller\n' >/etc/hosts
cat >/etc/qemu-rt/qemu-rt.toml <<'END'
[host]
housekeeping = "0-1"
realtime = "2-3"
[nic.fieldbus0]
mac = "52:54:00:00:01:00"
[nic.fieldbus1]
mac = "52:54:00:00:01:01"
[profile.rt]
vcpus = { cpus = "auto", policy = "fifo", priority = 2 }
emulator = { cpus = "housekeeping" }
# vCPUs are Nova's.
[profile.nova-places]
emulator = { cpus = "housekeeping" }
[[domain]]
flavor = "rt.fieldbus0*"
profile = "rt"
nics = ["fieldbus0"]
[[domain]]
flavor = "rt.pinned"
profile = "nova-places"
[[domain]]
flavor = "rt.alias"
nics = { hostdev0 = "fieldbus1" }
END
show_nodes
cat >>/etc/libvirt/libvirtd.conf <<'END'
unix_sock_group = "libvirt"
unix_sock_rw_perms = "0770"
auth_unix_rw = "none"
END
PATH=/usr/local/lib/qemu-rt/emulators:$PATH start_libvirtd
like "libvirt takes the wrapper for QEMU, by its daemon's PATH" \
  '<path>/usr/local/lib/qemu-rt/emulators/qemu-system-x86_64</path>' "$(virsh domcapabilities)"
qemu-rt export nova-provider --output
# The compute service has no database.
sed -i '/database\]/,+1d' /etc/nova/nova.conf
cp "$project/test/lab/nova/etc/nova-compute.conf" /etc/nova/nova-compute.conf
start_nova_compute
until_true 900 [ -e $cloud/ready ]
until_true 60 is_up
cloud "su -s /bin/sh nova -c 'nova-manage cell_v2 discover_hosts'" >/dev/null
until_true 60 is_reported
like "Placement has the NIC that export nova-provider names, and may give it" '^CUSTOM_NIC_FIELDBUS0 0 1|^CUSTOM_NIC_FIELDBUS0 1 0' \
  "$(inventory)"
echo "# nova-compute has reported, $(cut -d. -f1 /proc/uptime) s"

cloud "
openstack image create --disk-format raw --container-format bare --public --property os_shutdown_timeout=1 \
  --file $project/.lab/mac-disk.bin probe
openstack flavor create --ram 64 --disk 1 --vcpus 1 --property resources:CUSTOM_NIC_FIELDBUS0=1 rt.fieldbus0
openstack flavor create --ram 64 --disk 1 --vcpus 1 rt.fieldbus0.uncounted
openstack flavor create --ram 64 --disk 1 --vcpus 2 --property hw:cpu_policy=dedicated --property hw:cpu_realtime=yes \
  --property hw:cpu_realtime_mask=^0 rt.pinned
openstack flavor create --ram 64 --disk 1 --vcpus 1 --property pci_passthrough:alias=fieldbus:1 rt.alias
openstack flavor create --ram 64 --disk 1 --vcpus 1 plain
" >/tmp/create.log 2>&1 || not_ok "image and flavors" "$(cat /tmp/create.log)"

# --- A NIC by flavor --------------------------------------------------------------------------------------------------

boot rt.fieldbus0 press-1
like "an instance of the flavor is active" 'ACTIVE' "$(status_of press-1)"
press=$(domain_of press-1)
until_true 60 has_ended press-1
is "its guest has the NIC that the name means" "525400000100 end " "$(said press-1)"
is "Nova's CPU policy is off: the profile's FIFO and a CPU of its own" "0 SCHED_FIFO 2 2" "$(vcpus_of "$press")"
is "and its emulator threads are on the housekeeping CPUs" "0-1" "$(emulator_of "$press")"
is "the NIC is on vfio-pci" "vfio-pci" "$(driver_of 0000:00:02.0)"
keep "$press" fieldbus0

boot rt.fieldbus0 press-2
like "the scheduler refuses a second instance of the flavor before it comes to the host" 'No valid host was found.*ERROR' \
  "$(status_of press-2)"
second=$(tenant openstack server show -f value -c id press-2)
is "the host has not heard of it" 0 "$(grep -c "$second" /run/lab-out/nova-compute.log)"
boot rt.fieldbus0.uncounted press-3
like "one that Placement does not count ends in ERROR, and its fault has our line" \
  "NIC 'fieldbus0' is held by guest '$press' .*ERROR" "$(status_of press-3)"
tenant openstack server delete --wait press-2 press-3

# --- What happens to it -----------------------------------------------------------------------------------------------

before=$(cat "/run/libvirt/qemu/$press.pid")
kill "$nova_compute"
wait "$nova_compute"
heard=$(last_heard)
start_nova_compute
until_true 180 is_heard_again
is "a restart of nova-compute leaves QEMU as it is" "$before 0 SCHED_FIFO 2 2" \
  "$(cat "/run/libvirt/qemu/$press.pid") $(vcpus_of "$press")"
is "and the NIC" "vfio-pci" "$(driver_of 0000:00:02.0)"

tenant openstack server stop press-1
until_true 60 is_status press-1 SHUTOFF
is "stop gives the NIC back to the host" "e1000e" "$(driver_of 0000:00:02.0)"
tenant openstack server start press-1
until_true 90 is_status press-1 ACTIVE
until_true 60 has_ended press-1
is "start gives it to the guest again" "vfio-pci 525400000100 end " "$(driver_of 0000:00:02.0) $(said press-1)"
is "with its CPU and policy" "0 SCHED_FIFO 2 2" "$(vcpus_of "$press")"
tenant openstack server reboot --hard --wait press-1 >/dev/null 2>&1
until_true 60 has_ended press-1
is "a hard reboot, too" "vfio-pci 525400000100 end " "$(driver_of 0000:00:02.0) $(said press-1)"
tenant openstack server delete --wait press-1
# The API has it deleted a moment before libvirt has ended it.
until_true 60 is_empty
is "delete gives it back, and nothing is left" "e1000e " "$(driver_of 0000:00:02.0) $(ls /run/qemu-rt/vms)"

# --- Nova places the vCPUs --------------------------------------------------------------------------------------------

boot rt.pinned pinned
like "an instance with dedicated CPUs and hw:cpu_realtime is active" 'ACTIVE' "$(status_of pinned)"
pinned=$(domain_of pinned)
is "Nova's vCPUs are on Nova's CPUs, and have Nova's policy" \
  "0 SCHED_OTHER 0 $(pin_of "$pinned" 0) 1 SCHED_FIFO 1 $(pin_of "$pinned" 1)" "$(vcpus_of "$pinned" | tr '\n' ' ' | sed 's/ $//')"
is "emulator threads, which Nova leaves on them, are on the housekeeping CPUs" "0-1" "$(emulator_of "$pinned")"
keep "$pinned" pinned
tenant openstack server delete --wait pinned

# --- Nova assigns a PCI device ----------------------------------------------------------------------------------------

boot rt.alias alias
like "an instance with a PCI alias is active" 'ACTIVE' "$(status_of alias)"
alias=$(domain_of alias)
until_true 60 has_ended alias
is "its guest has the NIC that the configuration means, whichever Nova has chosen" "525400000101 end " "$(said alias)"
keep "$alias" alias
like "Nova has chosen another by vendor and device ID" '<address domain=.0x0000. bus=.0x00. slot=.0x0[245]. function=.0x0.' \
  "$(cat /run/lab-out/domains/alias.xml)"
tenant openstack server delete --wait alias
until_true 60 is_empty
is "delete gives both back" "e1000e e1000e e1000e e1000e" \
  "$(for slot in 2 3 4 5; do driver_of "0000:00:0$slot.0"; done | tr '\n' ' ' | sed 's/ $//')"

# --- What a tenant can say --------------------------------------------------------------------------------------------

boot plain '--property flavor=rt.fieldbus0 --property qemu-rt=fieldbus0 rt.fieldbus0'
boot plain "'</nova:name><nova:flavor name=\"rt.fieldbus0\"/>'"
for name in 'rt.fieldbus0' "'</nova:name><nova:flavor name=\"rt.fieldbus0\"/>'"; do
  like "an instance named $name is active" 'ACTIVE' "$(status_of "$name")"
  until_true 60 has_ended "$name"
  is "and has no NIC" "end " "$(said "$name")"
done
# The hook keeps a record of each domain that the wrapper starts.
is "nor a profile, a NIC or a lease" "" "$(grep -E '"profile":"|"nics":\[[^]]|"cpus":"[0-9]' /run/qemu-rt/vms/*.json)"

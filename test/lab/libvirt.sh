# shellcheck shell=sh
# A libvirtd in the node, and domains whose guest says its NIC's MAC.
: "${guest:?}"

# $1 name, $2 metadata, $3 words for the wrapper: prints the domain's XML. With balloon=virtio it has a device with an address.
domain() {
  cat <<END
<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>$1</name>
  <metadata>$2</metadata>
  <memory unit='MiB'>16</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <emulator>/usr/local/bin/qemu-rt-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='${balloon-none}'/>
  </devices>
  <qemu:commandline>
    <qemu:arg value='-bios'/><qemu:arg value='$guest'/>
    <qemu:arg value='-debugcon'/><qemu:arg value='file:/var/tmp/$1.mac'/>
    $3
  </qemu:commandline>
</domain>
END
}

start() {
  domain "$@" >/tmp/domain.xml
  virsh define /tmp/domain.xml >/dev/null 2>&1
  virsh start "$1" 2>&1
}

# What the hook's error asks for.
show_nodes() {
  cat >/etc/libvirt/qemu.conf <<'END'
cgroup_device_acl = [ "/dev/null", "/dev/full", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/ptmx", "/dev/kvm",
  "/dev/vfio/vfio", "/dev/vfio/2", "/dev/vfio/3", "/dev/vfio/4", "/dev/vfio/5" ]
END
}

# The modular daemon where there is one: Fedora and RHEL have it.
daemon=libvirtd
! command -v virtqemud >/dev/null || daemon=virtqemud

# With the limits that install.sh sets for it by systemd.
start_libvirtd() {
  pgrep -x virtlogd >/dev/null || virtlogd -d
  prlimit --rtprio=99 --memlock=unlimited $daemon -d
  until_true 60 virsh version >/dev/null 2>&1
}

restart_libvirtd() {
  pid=$(cat /run/$daemon.pid)
  kill "$pid"
  # It gives its threads 30 seconds to finish.
  until_true 60 sh -c "! kill -0 $pid 2>/dev/null"
  start_libvirtd
}

# For a part that comes first.
ensure_libvirtd() {
  pgrep -x $daemon >/dev/null && return
  show_nodes
  start_libvirtd
}

says_mac() {
  [ -f "/var/tmp/$1.mac" ] && [ "$(wc -c <"/var/tmp/$1.mac")" = 13 ]
}

# $1 domain: policy, priority and CPUs of its first vCPU
vcpu_of() {
  pid=$(cat "/run/libvirt/qemu/$1.pid")
  for task in "/proc/$pid"/task/*; do
    if grep -q '^CPU 0/' "$task/comm"; then
      echo "$(chrt -p "${task##*/}" | sed 's/.*: //' | tr '\n' ' ')$(sed -n 's/^Cpus_allowed_list:\t//p' "$task/status")"
    fi
  done
}

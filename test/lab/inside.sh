#!/bin/sh
# Runs in the lab's node, as root: installs the project and runs the parts of this boot, which print `ok …` or `not ok …`.
set -u
lab=$(dirname "$(readlink -f "$0")")
project=${lab%/test/lab}
guest=$project/.lab/mac-guest.bin
export project guest
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C HOME=/root
export LIBVIRT_DEFAULT_URI=qemu:///system
number=0

ok() {
  number=$((number + 1))
  echo "ok $number - $1"
}

# $1 title, the rest is what was seen
not_ok() {
  number=$((number + 1))
  echo "not ok $number - $1"
  shift
  printf '%s\n' "$@" | sed 's/^/# /'
}

# $1 title, $2 expected, $3 actual
is() {
  if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "expected: $2" "actual:   $3"; fi
}

# $1 title, $2 extended regular expression, $3 actual
like() {
  if printf '%s\n' "$3" | grep -Eq -- "$2"; then ok "$1"; else not_ok "$1" "expected: $2" "actual:   $3"; fi
}

driver_of() {
  basename "$(readlink "/sys/bus/pci/devices/$1/driver")"
}

"$project/install.sh" >/tmp/install.log 2>&1 || not_ok "install.sh" "$(cat /tmp/install.log)"
cat >/etc/qemu-rt/qemu-rt.toml <<'END'
[host]
housekeeping = "0-1"
realtime = "2-3"
[nic.line0]
mac = "52:54:00:00:01:00"
[nic.line1]
mac = "52:54:00:00:01:01"
[nic.line2]
mac = "52:54:00:00:01:02"
[nic.line3]
mac = "52:54:00:00:01:03"
[nic.shared]
mac = "52:54:00:00:01:08"
[profile.rt]
vcpus = { cpus = "auto", policy = "fifo", priority = 2 }
emulator = { cpus = "housekeeping" }
[profile.memory]
hugepages = "2M"
lock-memory = true
END

# shellcheck source=/dev/null
. "$lab/until.sh"
# shellcheck source=/dev/null
. "$lab/libvirt.sh"

wanted=$(sed -n 's/.*lab\.part=\([^ ]*\).*/\1/p' /proc/cmdline)
cp /etc/qemu-rt/qemu-rt.toml /tmp/qemu-rt.toml
parts=$(sed -n 's/.*lab\.parts=\([^ ]*\).*/\1/p' /proc/cmdline)
for part in $(echo "$wanted" | tr , ' '); do
  # What a part adds to the configuration is its own.
  cat /tmp/qemu-rt.toml >/etc/qemu-rt/qemu-rt.toml
  echo "# $part, $(cut -d. -f1 /proc/uptime) s"
  # shellcheck source=/dev/null
  . "$lab/$parts/$part.sh"
done
echo "# $(cut -d. -f1 /proc/uptime) s"
echo "lab: every test was run"

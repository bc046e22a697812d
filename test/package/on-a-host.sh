#!/bin/sh
# Installs, upgrades and purges the package on a host like this one, in an overlay over its root that is gone afterwards.
# usage: on-a-host.sh PACKAGE.deb; as root. Prints what it has seen, a line each; the first thing that is wrong ends it.
set -eu

if [ "${1-}" != inside ]; then
  exec "$(dirname "$0")/../host-copy.sh" "$0" "$1"
fi

package=$(echo /tmp/*.deb)
export DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin
ok() { echo "ok: $1"; }
fail() {
  echo "failed: $1" >&2
  exit 1
}
# All files of the system that are not dpkg's own, nor caches and logs.
files() {
  find /etc /usr /var \( -path /var/lib/dpkg -o -path /var/cache -o -path /var/log -o -path /var/tmp \) -prune -o -print | sort
}
parts() {
  cat /etc/apparmor.d/local/usr.sbin.libvirtd /etc/apparmor.d/local/abstractions/libvirt-qemu 2>/dev/null | grep -c '^# begin qemu-rt' || true
}

# Of an installation by hand, which would hide what the package lacks.
[ ! -e /usr/bin/qemu-rt ] || fail "this host has the package already"
# No runtime and no build tool on the node.
for program in node npm; do
  path=$(command -v "$program") || continue
  mv "$path" "$path.away"
done
files >/tmp/before

dpkg -i "$package" >/tmp/log 2>&1 || fail "dpkg -i: $(cat /tmp/log)"
qemu-rt --version | grep -Eq '^qemu-rt [0-9.]+ \(build [0-9a-z+]+, Bun [0-9.]+\)$' || fail "--version: $(qemu-rt --version)"
ok "it says its version, build and runtime, without Node"
dpkg -L qemu-rt | while read -r path; do
  [ "$(stat -c %u:%g "$path")" = 0:0 ] || fail "$path is not root's"
done
ok "every file is root's"
[ ! -d /etc/apparmor.d ] || [ "$(parts)" -eq 2 ] || fail "AppArmor's local files have $(parts) parts"
[ -d /run/qemu-rt/vms ] || fail "there is no /run/qemu-rt/vms"
[ "$(stat -c %a /run/qemu-rt/leases)" = 3770 ] || fail "/run/qemu-rt: $(ls -la /run/qemu-rt)"
ok "AppArmor and /run/qemu-rt are as they have to be"

printf '[profile.rt]\nemulator = { cpus = "0" }\n' >>/etc/qemu-rt/qemu-rt.toml
qemu-rt-system-x86_64 --dry-run --rt-profile rt -machine pc -name plc >/tmp/plan || fail "--dry-run"
grep -q 'emulator' /tmp/plan || fail "the plan: $(cat /tmp/plan)"
echo quit | qemu-rt-system-x86_64 --rt-profile rt -machine pc -m 16 -S -display none -monitor stdio >/tmp/monitor || fail "QEMU does not start"
grep -q '^QEMU .* monitor' /tmp/monitor || fail "it is not QEMU: $(cat /tmp/monitor)"
ok "it plans, and becomes QEMU"
qemu-rt nics list >/dev/null || fail "nics list"
qemu-rt status >/dev/null || fail "status"
qemu-rt status --format prometheus | grep -q '^qemu_rt_up 1$' || fail "metrics"
ok "commands run"

# A later version: the same with another number.
dpkg-deb -R "$package" /tmp/later
sed -i 's/^Version: .*/Version: 99.0/' /tmp/later/DEBIAN/control
dpkg-deb -Znone --root-owner-group -b /tmp/later /tmp/later.deb >/dev/null
# An image that is made by chroot(1) may have no /proc, and the runtime aborts without it.
umount /proc
dpkg -i /tmp/later.deb >/tmp/log 2>&1 || fail "upgrade: $(cat /tmp/log)"
mount -t proc proc /proc
! grep -i 'panic\|abort' /tmp/log || fail "an upgrade without /proc: $(cat /tmp/log)"
grep -q '^\[profile.rt\]' /etc/qemu-rt/qemu-rt.toml || fail "the upgrade took the configuration"
[ ! -d /etc/apparmor.d ] || [ "$(parts)" -eq 2 ] || fail "the upgrade left $(parts) parts in AppArmor's local files"
ok "an upgrade keeps the configuration, and adds nothing twice"

mkdir -p /var/lib/qemu-rt
echo '{}' >/var/lib/qemu-rt/host-apply.json
if dpkg -r qemu-rt >/tmp/log 2>&1; then fail "it was removed, and what the host was like before is lost"; fi
grep -q 'put it back first: qemu-rt host undo' /tmp/log || fail "it does not say why it stays: $(cat /tmp/log)"
rm /var/lib/qemu-rt/host-apply.json
ok "it stays while host apply has to be undone"
touch /run/qemu-rt/vms/libvirt-1.json
if dpkg -r qemu-rt >/tmp/log 2>&1; then fail "it was removed, and the NICs of a domain never go back"; fi
grep -q 'libvirt-1.json; shut these domains down first' /tmp/log || fail "it does not say why it stays: $(cat /tmp/log)"
rm /run/qemu-rt/vms/libvirt-1.json
ok "it stays while a domain runs that its hook has prepared"

dpkg -P qemu-rt >/tmp/log 2>&1 || fail "purge: $(cat /tmp/log)"
files >/tmp/after
diff /tmp/before /tmp/after >/tmp/left || fail "before and after a purge: $(grep '^[<>]' /tmp/left | head -20)"
[ "$(parts)" -eq 0 ] || fail "purge left AppArmor's parts"
ok "nothing is left after a purge"

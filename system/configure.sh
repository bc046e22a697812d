# shellcheck shell=sh
# What a package does on its host when it comes and goes. Its scripts read this file.
prefix=/usr
root=
action=install

setup_text() {
  cat "$prefix/lib/qemu-rt/system/$1"
}

# shellcheck source=system/setup.sh
. "$prefix/lib/qemu-rt/system/setup.sh"

# The line of tmpfiles.d(5) that depends on the host.
user_tmpfiles=/etc/tmpfiles.d/qemu-rt-user.conf

# Each step by itself: one that does not work here leaves the package installed, and says so.
configure() {
  confine install
  [ -z "$(qemu_user)" ] || qemu_user_directory | put 644 "$user_tmpfiles"
  make_run_directories || echo "qemu-rt: not every directory below /run/qemu-rt could be made; the next boot makes them" >&2
  reload_systemd
  if [ -d /run/systemd/system ]; then
    systemctl start qemu-rt-refresh.path || true
  fi
  # Without /proc, as in an image that is being made, the runtime aborts; no libvirt runs there either.
  [ ! -d /proc/self ] || "$prefix/bin/qemu-rt" refresh || true
}

before_removal() {
  # What the host was like before is in there.
  if [ -e /var/lib/qemu-rt/host-apply.json ]; then
    echo "qemu-rt: qemu-rt host apply has changed this host; put it back first: qemu-rt host undo" >&2
    exit 69
  fi
  if [ -e /var/lib/qemu-rt/host-isolate.json ]; then
    echo "qemu-rt: qemu-rt host isolate has changed this host; put it back first: qemu-rt host isolate --undo" >&2
    exit 69
  fi
  needed=$(why_needed)
  if [ -n "$needed" ]; then
    echo "qemu-rt: $needed" >&2
    exit 69
  fi
  if [ -d /run/systemd/system ]; then
    systemctl stop qemu-rt-refresh.path || true
  fi
  confine uninstall
  rm -f "$user_tmpfiles"
  # VMs that run hold leases there, and root's records of them.
  if ! find /run/qemu-rt -type f 2>/dev/null | grep -q .; then
    rm -rf /run/qemu-rt
  fi
}

#!/bin/sh
# Puts the wrapper in the place of /usr/bin/kvm, as docs/callers.md says it for Proxmox VE, and takes it away again: on a host like
# this one, in an overlay over its root that is gone afterwards. As root. Prints what it has seen, a line each.
set -eu

if [ "${1-}" != inside ]; then
  project=$(cd "$(dirname "$0")/../.." && pwd)
  exec "$project/test/host-copy.sh" "$0" "$project/bin" "$project/dist"
fi

PATH=/usr/sbin:/usr/bin:/sbin:/bin
ok() { echo "ok: $1"; }
fail() {
  echo "failed: $1" >&2
  exit 1
}

# Proxmox's is a link to QEMU; Debian's is a script.
[ -e /usr/bin/kvm ] || ln -s qemu-system-x86_64 /usr/bin/kvm
before=$(ls -l /usr/bin/kvm)
version=$(qemu-system-x86_64 --version)
mkdir -p /etc/qemu-rt
printf '[emulators]\nkvm = "/usr/bin/qemu-system-x86_64"\n' >/etc/qemu-rt/qemu-rt.toml

dpkg-divert --local --rename --divert /usr/bin/kvm.distrib --add /usr/bin/kvm >/dev/null
ln -s /tmp/bin/qemu-rt /usr/bin/kvm
[ "$(kvm --version)" = "$version" ] || fail "kvm --version: $(kvm --version 2>&1)"
ok "kvm is the wrapper, and answers as QEMU does"
/usr/bin/kvm --dry-run -name plc -machine pc | grep -q '^  /usr/bin/qemu-system-x86_64 ' || fail "the plan has another emulator"
ok "a VM becomes the real QEMU"

rm /usr/bin/kvm
dpkg-divert --local --rename --remove /usr/bin/kvm >/dev/null
[ "$(ls -l /usr/bin/kvm)" = "$before" ] || fail "/usr/bin/kvm is not what it was: $(ls -l /usr/bin/kvm)"
ok "the distribution's is back"

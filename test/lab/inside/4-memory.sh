# shellcheck shell=sh
# Huge pages and locked memory as the profile asks for them, by the kernel's own account.

ensure_libvirtd
like "started" "started" "$(start memory "<r:request xmlns:r='urn:qemu-rt:request' profile='memory'/>" '')"
pid=$(cat /run/libvirt/qemu/memory.pid)
is "guest RAM is in huge pages of 2 MiB" "16384 kB of 2048 kB" "$(awk '
  /^[0-9a-f]+-/ { ram = /memfd:|memory-backend-memfd/ }
  ram && /^Size:/ { size = $2 " " $3 }
  ram && /^KernelPageSize:/ && $2 == 2048 { print size " of " $2 " " $3 }' "/proc/$pid/smaps" | sort -u)"
like "and all of QEMU is locked" "^VmLck:[[:space:]]+[1-9][0-9]{4,} kB" "$(grep VmLck "/proc/$pid/status")"
virsh destroy memory >/dev/null

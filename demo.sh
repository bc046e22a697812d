#!/bin/sh
# Shows the main job on this machine: installs what is missing, checks the host as an operator does first, plans a named NIC
# on a sample host, and starts a real vhost-user guest through the launcher, with a DPDK switch that counts its packets when
# DPDK can be had.
set -eu
cd "$(dirname "$0")"

say() {
  printf '\n== %s\n' "$1"
}

# --- What is missing --------------------------------------------------------------------------------------------------

as_root=
[ "$(id -u)" -eq 0 ] || as_root=sudo
if ! command -v qemu-system-x86_64 >/dev/null || ! command -v dpdk-testpmd >/dev/null; then
  say 'Installing QEMU and DPDK from Debian'
  $as_root apt-get update -q
  $as_root apt-get install -q -y --no-install-recommends qemu-system-x86 ipxe-qemu
  $as_root apt-get install -q -y --no-install-recommends dpdk-dev || echo 'DPDK cannot be had here; going on without'
fi
if [ ! -e dist/qemu-rt.mjs ] || [ ! -e bin/qemu-rt ]; then
  say 'Building qemu-rt'
  npm ci
  npm run build
fi

# --- The first step: is the host ready? ----------------------------------------------------------------------------------

# Prints what fails of a host, and the summary; exit 69 says no more than that something does.
check_host() {
  code=0
  found=$(bin/qemu-rt host check "$@") || code=$?
  case $code in 0 | 69) ;; *) exit "$code" ;; esac
  printf '%s\n' "$found" | sed -n -e '/ : FAIL/p' -e '$p'
}

say 'First, is this host ready for real-time VMs? What fails here (qemu-rt host check has it all, and changes nothing)'
check_host

say 'A sample host that nobody has prepared, whose configuration says what each CPU is for'
check_host --sysroot fixtures/hosts/check-unprepared --config fixtures/checks/unprepared/qemu-rt.toml

say 'The same after it was prepared'
check_host --sysroot fixtures/hosts/check-ready --config fixtures/checks/ready/qemu-rt.toml

# --- A named NIC, planned on a sample host -----------------------------------------------------------------------------

say 'A sample host with four equal NICs, and what the configuration calls them'
bin/qemu-rt nics list --sysroot fixtures/hosts/four-nics --config examples/four-networks.toml

say 'The plan for a guest that asks for the NIC fieldbus0 and has a vhost-user interface'
bin/qemu-rt run --dry-run --sysroot fixtures/hosts/four-nics --config examples/four-networks.toml -- \
  -name guest=demo -machine q35 -m 1G \
  -chardev socket,id=c0,path=/run/switch.sock -netdev vhost-user,id=n0,chardev=c0 \
  -device virtio-net-pci,netdev=n0 \
  -device vfio-pci,host=nic:fieldbus0,id=hostdev0

# --- A real guest with vhost-user --------------------------------------------------------------------------------------

work=$(mktemp -d)
switch=
guest=
clean_up() {
  for pid in $guest $switch; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# $1 file, $2 pattern, $3 seconds: waits until a line of the file matches.
wait_for() {
  seconds=$3
  until grep -q "$2" "$1" 2>/dev/null; do
    [ "$seconds" -gt 0 ] || return 1
    seconds=$((seconds - 1))
    sleep 1
  done
}

if command -v dpdk-testpmd >/dev/null; then
  say 'Starting a DPDK switch on a vhost-user socket'
  # It runs until its stdin ends or says so.
  mkfifo "$work/switch.in"
  exec 8<>"$work/switch.in"
  dpdk-testpmd --no-huge -m 1024 --no-pci --file-prefix="demo$$" -l 0-1 \
    --vdev "net_vhost0,iface=$work/switch.sock,queues=1" -- \
    --auto-start --total-num-mbufs=2048 --forward-mode=rxonly --stats-period=1 \
    <"$work/switch.in" >"$work/switch.log" 2>&1 8<&- &
  switch=$!
  wait_for "$work/switch.log" 'Port statistics' 30 || { cat "$work/switch.log"; echo 'The switch did not start'; exit 1; }
  server=off
else
  server=on,wait=off
fi

say 'Starting QEMU through the launcher: private RAM on the command line, a vhost-user NIC whose firmware sends packets'
mkfifo "$work/guest.in"
exec 9<>"$work/guest.in"
bin/qemu-rt-system-x86_64 -name guest=demo -machine q35,accel=tcg -m 256 -display none -monitor stdio \
  -chardev "socket,id=c0,path=$work/switch.sock,server=$server" -netdev vhost-user,id=n0,chardev=c0 \
  -device virtio-net-pci,netdev=n0,bootindex=0 <"$work/guest.in" >"$work/guest.log" 2>&1 8<&- 9<&- &
guest=$!
echo 'info memdev' >&9
wait_for "$work/guest.log" 'share: true' 20 || { cat "$work/guest.log"; echo "The guest's RAM is not shared"; exit 1; }
echo "What QEMU says of the guest's RAM:"
grep -A 8 'memory backend' "$work/guest.log" || true

if [ -n "$switch" ]; then
  echo 'Waiting for packets from the guest (its firmware asks for an address by DHCP; about 10 s)'
  wait_for "$work/switch.log" 'RX-packets: [1-9]' 60 || { tail "$work/switch.log"; echo 'The switch received nothing'; exit 1; }
  echo 'What the switch says:'
  grep 'RX-packets: [1-9]' "$work/switch.log" | head -n 1
fi
say 'Done: the same command line without the launcher gives the switch nothing'

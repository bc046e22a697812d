# shellcheck shell=sh
# A poll-mode switch in the node: a guest whose RAM nobody has shared sends through it, by its NIC's firmware.

mkfifo /tmp/testpmd.in
(
  stdbuf -oL dpdk-testpmd --no-huge -m 1024 --no-pci --file-prefix=lab -l 0-1 \
    --vdev net_vhost0,iface=/tmp/port,queues=1 -- -i --auto-start --total-num-mbufs=2048 --forward-mode=rxonly \
    </tmp/testpmd.in >/tmp/testpmd.out 2>&1
) &
exec 9>/tmp/testpmd.in
until_true 60 grep -q 'testpmd>' /tmp/testpmd.out
like "the switch runs" "testpmd>" "$(tail -n 1 /tmp/testpmd.out)"
timeout 240 qemu-rt-system-x86_64 -name switched -machine q35 -m 128 -nodefaults -display none -accel tcg \
  -chardev socket,id=c0,path=/tmp/port -netdev vhost-user,id=n0,chardev=c0 \
  -device virtio-net-pci,netdev=n0,bootindex=0 >/tmp/switched.log 2>&1 &

received() {
  echo 'show port stats all' >&9
  sleep 1
  [ "$(sed -n 's/.*RX-packets: \([0-9]*\).*/\1/p' /tmp/testpmd.out | tail -n 1)" -gt 0 ]
}
if until_true 200 received; then
  ok "the switch receives packets of a guest whose RAM was private"
else
  not_ok "the switch receives packets of a guest whose RAM was private" "$(tail -n 20 /tmp/testpmd.out)" "$(cat /tmp/switched.log)"
fi
pkill -x qemu-system-x86
echo quit >&9
exec 9>&-
wait

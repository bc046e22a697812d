# shellcheck shell=sh
# A captured node gives the plans of the node; the capture is left in .lab/out for a fixture.

plan() {
  qemu-rt run --dry-run --format json --profile rt --nic line0 "$@" -- -name captured -machine q35 -m 64 -smp 2 2>&1
}

qemu-rt nics bind line0 >/dev/null
qemu-rt nics bind line2 >/dev/null
like "captured" "files of this host are in" "$(qemu-rt capture /tmp/node)"
here=$(plan)
like "the plan has the NIC" '"address": "0000:00:02.0"' "$here"
like "and isolated CPUs" '"cpus": "2-3"' "$here"
is "the plan on the capture is that of the node" "$here" "$(plan --sysroot /tmp/node)"
qemu-rt capture --anonymize /run/lab-out/node >/dev/null
is "without a MAC when anonymized" "" "$(grep -rl '52:54:00:00:01' /run/lab-out/node)"
is "and with the same devices" \
  "$(qemu-rt nics list --sysroot /tmp/node | sed 's/52:54[0-9a-f:]*//; s/^[^ ]* *//')" \
  "$(qemu-rt nics list --sysroot /run/lab-out/node | sed 's/02:00[0-9a-f:]*//; s/^[^ ]* *//')"
qemu-rt nics unbind line0 >/dev/null
qemu-rt nics unbind line2 >/dev/null

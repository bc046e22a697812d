# shellcheck shell=sh
: "${project:?}"
# Interrupts of assigned NICs: where they go when a guest's driver makes vectors, and again after it has made them anew.

irq_guest=$project/.lab/irq-guest.bin
cat >>/etc/qemu-rt/qemu-rt.toml <<'END'
[nic.one]
address = "0000:00:02.0"
[nic.two]
address = "0000:00:03.0"
interrupts = { cpus = "1" }
[nic.near]
address = "0000:00:04.0"
interrupts = { cpus = "vcpu" }
[profile.irq]
vcpus = { cpus = "auto", policy = "fifo", priority = 2 }
emulator = { cpus = "housekeeping" }
interrupts = { cpus = "housekeeping", priority = 60 }
END
qemu-rt nics bind one >/dev/null
qemu-rt nics bind two >/dev/null
qemu-rt nics bind near >/dev/null
echo 3 >/proc/irq/default_smp_affinity

# $1 address: the numbers of its vectors, or of its line
numbers_of() {
  # shellcheck disable=SC2012
  ls "/sys/bus/pci/devices/$1/msi_irqs" 2>/dev/null | paste -sd ' '
}

# $1 address: CPUs of its vectors, each once
cpus_of() {
  for irq in $(numbers_of "$1"); do cat "/proc/irq/$irq/smp_affinity_list"; done | sort -u | paste -sd ' '
}

# $1 address, $2 numbers of CPUs: how many of its interrupts have come there
count_on() {
  for irq in $(numbers_of "$1"); do
    for cpu in $2; do
      awk -v irq="$irq:" -v column=$((cpu + 2)) '$1 == irq { print $column }' /proc/interrupts
    done
  done | awk '{ sum += $1 } END { print sum + 0 }'
}

comes() {
  [ "$(count_on "$1" "0 1 2 3")" -gt "${2:-20}" ]
}

# $1 addresses: how many of their interrupts come to real-time CPUs in ten seconds, and whether any come at all
ten_seconds() {
  before=$(for one in $1; do count_on "$one" "2 3"; done | paste -sd+ | bc)
  all=$(for one in $1; do count_on "$one" "0 1"; done | paste -sd+ | bc)
  sleep 10
  after=$(for one in $1; do count_on "$one" "2 3"; done | paste -sd+ | bc)
  more=$(for one in $1; do count_on "$one" "0 1"; done | paste -sd+ | bc)
  echo "$((after - before)) $([ "$more" -gt "$all" ] && echo some)"
}

rm -f /tmp/irq.in /tmp/irq.out
mkfifo /tmp/irq.in /tmp/irq.out
qemu-rt-system-x86_64 -name irqs -machine pc -m 16 -nodefaults -display none -accel tcg -bios "$irq_guest" \
  -serial pipe:/tmp/irq --rt-profile irq --rt-nic one --rt-nic two --rt-nic near >/tmp/irqs.log 2>&1 &
vm=$!
until_true 40 comes 0000:00:02.0 || not_ok "vectors" "$(cat /tmp/irqs.log)" "$(cat /proc/interrupts)"
cat /proc/interrupts | grep vfio
cat /tmp/irqs.log
ps -eo pid,cls,rtprio,comm | grep irq/
qemu-rt tune --pid $vm
qemu-rt tune --pid $vm --dry-run
ps -eo pid,cls,rtprio,comm | grep vfio
cat /proc/interrupts | grep vfio
ten_seconds "0000:00:02.0 0000:00:03.0"
kill $vm

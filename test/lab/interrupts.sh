# shellcheck shell=sh
: "${project:?}"
# NICs that a nested guest makes interrupts with, and where these come.

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
[nic.left]
address = "0000:00:05.0"
[profile.irq]
vcpus = { cpus = "auto", policy = "fifo", priority = 2 }
emulator = { cpus = "housekeeping" }
interrupts = { cpus = "housekeeping", priority = 60 }
END
qemu-rt nics bind one >/dev/null
qemu-rt nics bind two >/dev/null
qemu-rt nics bind near >/dev/null
qemu-rt nics bind left >/dev/null

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
  [ "$(count_on "$1" "0 1 2 3")" -gt 5 ]
}

# $1 address, $2 CPUs
are_on() {
  [ "$(cpus_of "$1")" = "$2" ]
}

# $1 address: whether interrupts come in ten seconds, and how many of them to real-time CPUs
ten_seconds() {
  before=$(count_on "$1" "2 3")
  all=$(count_on "$1" "0 1")
  sleep 10
  more=no
  [ "$(count_on "$1" "0 1")" -le "$all" ] || more=yes
  echo "$more $(($(count_on "$1" "2 3") - before))"
}

# $1 address: priorities of the threads of its interrupts, each once; none without PREEMPT_RT, or where VFIO wants none
priorities_of() {
  for irq in $(numbers_of "$1"); do
    grep -hs " (irq/$irq-" /proc/[0-9]*/stat | sed 's/^.*) //' | cut -d ' ' -f 38
  done | sort -u | paste -sd ' '
}

# $1 file, the rest is for QEMU: starts a guest with two vectors a NIC, which makes them anew for each byte of $1.in
start_guest() {
  serial=$1
  shift
  rm -f "$serial.in" "$serial.out"
  mkfifo "$serial.in" "$serial.out"
  "$@" -machine pc -m 16 -nodefaults -display none -accel tcg -bios "$irq_guest" -serial "pipe:$serial" >"$serial.log" 2>&1 &
  # shellcheck disable=SC2034
  vm=$!
}

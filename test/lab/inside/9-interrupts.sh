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
    for task in /proc/[0-9]*; do
      case $(cat "$task/comm" 2>/dev/null) in
        "irq/$irq-"*) awk '{ sub(/^.*\) /, ""); print $38 }' "$task/stat" ;;
      esac
    done
  done | sort -u | paste -sd ' '
}

# $1 file, the rest is for QEMU: starts a guest with two vectors a NIC, which makes them anew for each byte of $1.in
start_guest() {
  serial=$1
  shift
  rm -f "$serial.in" "$serial.out"
  mkfifo "$serial.in" "$serial.out"
  "$@" -machine pc -m 16 -nodefaults -display none -accel tcg -bios "$irq_guest" -serial "pipe:$serial" >"$serial.log" 2>&1 &
  vm=$!
}

# Where new interrupts go when nobody has said: to real-time CPUs, too.
echo f >/proc/irq/default_smp_affinity
sysctl -qw kernel.sched_rt_runtime_us=-1
start_guest /tmp/irqs qemu-rt-system-x86_64 -name irqs --rt-profile irq --rt-nic one --rt-nic two --rt-nic near
irqs=$vm
for nic in 2 3 4; do
  until_true 90 comes "0000:00:0$nic.0" || not_ok "a guest's NIC makes interrupts" "$(cat /tmp/irqs.log /proc/interrupts)"
done
until_true 10 are_on 0000:00:02.0 0-1
is "within ten seconds they are where the profile says" "0-1" "$(cpus_of 0000:00:02.0)"
is "a NIC's own entry goes before it" "1" "$(cpus_of 0000:00:03.0)"
is "vcpu is the vCPU's CPU" "2" "$(cpus_of 0000:00:04.0)"
is "none comes to a real-time CPU in ten seconds" "yes 0" "$(ten_seconds 0000:00:02.0)"
like "threads have their priority, where there are threads" "^(60)?$" "$(priorities_of 0000:00:02.0)"
like "a NIC without a priority of its own has the profile's" "^(60)?$" "$(priorities_of 0000:00:03.0)"

# The driver is loaded anew: request_irq() begins where the kernel's default is.
old=$(numbers_of 0000:00:02.0)
printf x >/tmp/irqs.in
sleep 5
until_true 60 comes 0000:00:02.0
until_true 10 are_on 0000:00:02.0 0-1
is "as they are when the driver is loaded anew (before: $old)" "0-1 1 2" \
  "$(cpus_of 0000:00:02.0) $(cpus_of 0000:00:03.0) $(cpus_of 0000:00:04.0)"
is "and none comes to a real-time CPU" "yes 0" "$(ten_seconds 0000:00:02.0)"

seen=$(qemu-rt status)
like "status shows a line for each NIC" "^  interrupts of one \(0000:00:02\.0\): [0-9,-]+ on CPU [01-]+, [0-9]+" "$seen"
like "what was asked for is no trouble" "^  interrupts of near \(0000:00:04\.0\): [0-9,-]+ on CPU 2, [0-9]+" "$seen"
like "the JSON has it" '"address":"0000:00:03.0","nic":"two","numbers":\[[0-9,]+\],"cpus":"1","wanted":"1"' \
  "$(qemu-rt status --format json | tr -d ' \n')"
like "tune says what it has done" "guest 'irqs' \(PID $vm\): 6 of 6 interrupts of its devices are as planned" \
  "$(qemu-rt tune --pid "$irqs" 2>&1)"

# Another VM's are not this one's, whatever a process says of itself.
printf '#!/bin/sh\nsleep 60\n' >/tmp/forged
chmod +x /tmp/forged
/tmp/forged -name forged -smp 1 -device vfio-pci,host=0000:00:02.0 &
forged=$!
sleep 1
is "a device that a process names alone is not its own" "0" \
  "$(qemu-rt tune --pid "$forged" --profile irq --dry-run 2>&1 | grep -c smp_affinity)"
kill "$forged"

# Without the wrapper, by what the kernel says that QEMU has open. An interrupt of another VM's on this one's CPU is told.
start_guest /tmp/left qemu-system-x86_64 -name left -device vfio-pci,host=0000:00:05.0
left=$vm
until_true 90 comes 0000:00:05.0
for irq in $(numbers_of 0000:00:05.0); do echo 2 >"/proc/irq/$irq/smp_affinity_list"; done
until_true 10 sh -c "grep -q 2 /proc/irq/$irq/effective_affinity_list"
like "one on another VM's real-time CPU is told" "! interrupts of 0000:00:05\.0 are on CPU 2, a real-time vCPU's of irqs; " "$(qemu-rt status)"
like "what would be set" "^echo 0-1 >/proc/irq/$irq/smp_affinity_list  # interrupt of 0000:00:05\.0" \
  "$(qemu-rt tune --pid "$left" --profile irq --dry-run 2>&1)"
like "it is set" "2 of 2 interrupts of its devices are as planned" "$(qemu-rt tune --pid "$left" --profile irq 2>&1)"
is "to where the profile says" "0-1" "$(cpus_of 0000:00:05.0)"
is "none comes to a real-time CPU any more" "yes 0" "$(ten_seconds 0000:00:05.0)"
kill "$left"

# The line of a slot stays when QEMU ends, and goes back; libvirt's hook sets what is there and what comes.
kill "$irqs"
until_true 30 sh -c "! grep -q vfio /proc/interrupts"
ensure_libvirtd
line=$(cat /sys/bus/pci/devices/0000:00:02.0/irq)
line_before=$(cat "/proc/irq/$line/smp_affinity_list" 2>/dev/null)
kept_guest=$guest
guest=$irq_guest
like "a domain starts" "Domain 'hooked' started" \
  "$(start hooked "<r:request xmlns:r='urn:qemu-rt:request'><r:profile name='irq'/><r:nic name='one'/></r:request>" '')"
guest=$kept_guest
until_true 90 comes 0000:00:02.0
until_true 10 are_on 0000:00:02.0 0-1
is "the hook has its interrupts set" "0-1" "$(cpus_of 0000:00:02.0)"
is "none of a domain comes to a real-time CPU" "yes 0" "$(ten_seconds 0000:00:02.0)"
like "and root's record knows" '"interrupts":\[\{"address":"0000:00:02.0","cpus":"0-1","priority":60' "$(cat /run/qemu-rt/vms/libvirt-*.json)"
virsh destroy hooked >/dev/null 2>&1
is "the line is where it was" "$line_before" "$(cat "/proc/irq/$line/smp_affinity_list" 2>/dev/null)"
is "and no record is left" "" "$(find /run/qemu-rt/vms -name 'libvirt-*')"

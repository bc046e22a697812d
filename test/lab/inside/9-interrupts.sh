# shellcheck shell=sh
: "${project:?}"
# Interrupts of assigned NICs: where they go when a guest's driver makes vectors, and again after it has made them anew.

# shellcheck source=/dev/null
. "$project/test/lab/interrupts.sh"

# Where new interrupts go when nobody has said: to real-time CPUs, too.
echo f >/proc/irq/default_smp_affinity
sysctl -qw kernel.sched_rt_runtime_us=-1
start_guest /tmp/irqs qemu-rt-system-x86_64 -name irqs --rt-profile irq --rt-nic one --rt-nic two --rt-nic near
irqs=${vm:?}
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

# The driver is loaded anew: its vectors begin where the kernel's default is, which host apply makes the housekeeping CPUs.
echo 3 >/proc/irq/default_smp_affinity
before=$(count_on 0000:00:02.0 "0 1 2 3")
made_anew() {
  count=$(count_on 0000:00:02.0 "0 1 2 3")
  [ "$count" -gt 0 ] && [ "$count" -lt "$before" ]
}
printf x >/tmp/irqs.in
until_true 60 made_anew || not_ok "vectors are made anew" "$(cat /proc/interrupts)"
is "none comes to a real-time CPU when the driver is loaded anew" "yes 0" "$(ten_seconds 0000:00:02.0)"
like "tune says what it has done" "guest 'irqs' \(PID $irqs\): 6 of 6 interrupts of its devices are as planned" \
  "$(qemu-rt tune --pid "$irqs" 2>&1)"
is "and they are as planned again" "0-1 1 2" \
  "$(cpus_of 0000:00:02.0) $(cpus_of 0000:00:03.0) $(cpus_of 0000:00:04.0)"
echo f >/proc/irq/default_smp_affinity

seen=$(qemu-rt status)
like "status shows a line for each NIC" "^  interrupts of one \(0000:00:02\.0\): [0-9,-]+ on CPU [01-]+, [0-9]+" "$seen"
like "what was asked for is no trouble" "^  interrupts of near \(0000:00:04\.0\): [0-9,-]+ on CPU 2, [0-9]+" "$seen"
like "the JSON has it" '"address":"0000:00:03.0","nic":"two","numbers":\[[0-9,]+\],"cpus":"1","wanted":"1"' \
  "$(qemu-rt status --format json | tr -d ' \n')"
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
kill "$left" "$irqs"

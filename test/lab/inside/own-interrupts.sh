# shellcheck shell=sh
: "${project:?}"
# Interrupts of assigned NICs: a nested guest's driver makes vectors, and makes them anew, and they are where profile and NIC say; by
# libvirt's hook, which puts the line of a slot back, and by `tune` as root.

irq_guest=$project/.lab/irq-guest.bin
cat >>/etc/qemu-rt/qemu-rt.toml <<'END'
[nic.one]
address = "0000:00:02.0"
[nic.near]
address = "0000:00:03.0"
interrupts = { cpus = "vcpu" }
[nic.launched]
address = "0000:00:04.0"
[profile.irq]
vcpus = { cpus = "auto", policy = "fifo", priority = 2 }
emulator = { cpus = "housekeeping" }
interrupts = { cpus = "housekeeping", priority = 60 }
[profile.moved]
interrupts = { cpus = "housekeeping" }
END

# $1 address: the numbers of its vectors
numbers_of() {
  # shellcheck disable=SC2012
  ls "/sys/bus/pci/devices/$1/msi_irqs" 2>/dev/null | paste -sd ' '
}

# $1 address: CPUs of its vectors, each once
cpus_of() {
  for irq in $(numbers_of "$1"); do cat "/proc/irq/$irq/smp_affinity_list" 2>/dev/null; done | sort -u | paste -sd ' '
}

# $1 address, $2 columns of /proc/interrupts: how many of its interrupts have come there
count_on() {
  awk -v irqs=" $(numbers_of "$1") " -v columns="$2" '
    BEGIN { count = split(columns, column) }
    { number = $1; sub(":", "", number) }
    index(irqs, " " number " ") { for (i = 1; i <= count; i++) sum += $column[i] }
    END { print sum + 0 }' /proc/interrupts
}
all_cpus='2 3 4 5'
realtime_cpus='4 5'

comes() {
  [ "$(count_on "$1" "$all_cpus")" -gt 3 ]
}

# $1 address, $2 CPUs
are_on() {
  [ "$(cpus_of "$1")" = "$2" ]
}

# $1 address: priorities of the threads of its interrupts, each once; none without PREEMPT_RT, or where VFIO wants none
priorities_of() {
  for irq in $(numbers_of "$1"); do
    grep -hs " (irq/$irq-" /proc/[0-9]*/stat | sed 's/^.*) //' | cut -d ' ' -f 38
  done | sort -u | paste -sd ' '
}

# $1 address: from now on its interrupts are counted
begin_window() {
  window=$1
  window_end=$(($(cut -d. -f1 /proc/uptime) + 10))
  window_all=$(count_on "$1" "$all_cpus")
  window_realtime=$(count_on "$1" "$realtime_cpus")
}

# Whether some have come when ten seconds have passed, and how many of them to real-time CPUs.
end_window() {
  while [ "$(cut -d. -f1 /proc/uptime)" -lt "$window_end" ]; do sleep 1; done
  more=no
  [ "$(count_on "$window" "$all_cpus")" -le "$window_all" ] || more=yes
  echo "$more $(($(count_on "$window" "$realtime_cpus") - window_realtime))"
}

# A guest with two vectors a NIC, by QEMU's command line.
irq_options="-machine pc -m 16 -nodefaults -display none -accel tcg -bios $irq_guest"

for device in 02 03 04 05; do
  echo vfio-pci >"/sys/bus/pci/devices/0000:00:$device.0/driver_override"
  echo "0000:00:$device.0" >"/sys/bus/pci/devices/0000:00:$device.0/driver/unbind"
  echo "0000:00:$device.0" >/sys/bus/pci/drivers_probe
done
# Where new interrupts go when nobody has said: to real-time CPUs, too.
default_before=$(cat /proc/irq/default_smp_affinity)
echo f >/proc/irq/default_smp_affinity
throttling_before=$(cat /proc/sys/kernel/sched_rt_runtime_us)
echo -1 >/proc/sys/kernel/sched_rt_runtime_us
# shellcheck disable=SC2086
qemu-rt-system-x86_64 -name launched --rt-profile irq --rt-nic launched $irq_options >/tmp/launched.log 2>&1 &
launched=$!
# shellcheck disable=SC2086
taskset -c 0-1 qemu-system-x86_64 -name bare -device vfio-pci,host=0000:00:05.0 $irq_options >/tmp/bare.log 2>&1 &
bare=$!

# --- A domain: its guest has a serial port, by which it is told to load its driver anew ---------------------------------

mkdir -p /var/tmp/irqs
mkfifo /var/tmp/irqs/serial.in /var/tmp/irqs/serial.out
chmod 777 /var/tmp/irqs /var/tmp/irqs/serial.*
printf '  %s r,\n  /var/tmp/irqs/* rw,\n' "$irq_guest" >>/etc/apparmor.d/local/abstractions/libvirt-qemu
ensure_libvirtd
line=$(cat /sys/bus/pci/devices/0000:00:02.0/irq)
# One that nobody has used has no directory yet, and begins with the default.
line_before=$(cat "/proc/irq/$line/smp_affinity_list" 2>/dev/null || echo 0-3)
mac_guest=$guest
guest=$irq_guest
like "a domain starts" "Domain 'hooked' started" \
  "$(start hooked "<r:request xmlns:r='urn:qemu-rt:request' profile='irq'><r:nic name='one'/><r:nic name='near'/></r:request>" \
    "<qemu:arg value='-serial'/><qemu:arg value='pipe:/var/tmp/irqs/serial'/>")"
guest=$mac_guest
until_true 60 comes 0000:00:02.0 || not_ok "a guest's NIC makes interrupts" "$(cat /proc/interrupts)"
until_true 10 are_on 0000:00:02.0 0-1
is "within ten seconds they are where the profile says" "0-1" "$(cpus_of 0000:00:02.0)"
is "a NIC's own entry goes before it: the CPU of the vCPU" "$(vcpu_of hooked | sed 's/.* //')" "$(cpus_of 0000:00:03.0)"
like "threads have their priority, where there are threads" "^(60)?$" "$(priorities_of 0000:00:02.0)"

# --- Meanwhile: VMs without libvirt ---------------------------------------------------------------------------------------

begin_window 0000:00:02.0
until_true 60 comes 0000:00:04.0 || not_ok "a launched guest's NIC makes interrupts" "$(cat /tmp/launched.log)"
until_true 60 comes 0000:00:05.0 || not_ok "a guest's NIC makes interrupts without the wrapper" "$(cat /tmp/bare.log)"
vcpu=$(vcpu_of hooked | sed 's/.* //')
for irq in $(numbers_of 0000:00:05.0); do echo "$vcpu" >"/proc/irq/$irq/smp_affinity_list"; done
# The next one moves it (arch/x86/kernel/apic/vector.c).
until_true 10 sh -c "grep -q $vcpu /proc/irq/$irq/effective_affinity_list"
seen=$(qemu-rt status)
like "status: a line for each NIC" "^  interrupts of one \(0000:00:02\.0\): [0-9,-]+ on CPU [01-]+, [0-9]+" "$seen"
like "status: what was asked for is no trouble" "^  interrupts of near \(0000:00:03\.0\): [0-9,-]+ on CPU $vcpu, [0-9]+" "$seen"
like "status: one on another VM's real-time CPU is told" "! interrupts of 0000:00:05\.0 are on CPU $vcpu, a real-time vCPU's of hooked; " "$seen"
like "tune sets a launched VM's" "guest 'launched' \(PID $launched\): 2 of 2 interrupts of its devices are as planned" \
  "$(qemu-rt tune --pid "$launched" 2>&1)"
is "they are where the profile says" "0-1" "$(cpus_of 0000:00:04.0)"
like "with their priority" "^(60)?$" "$(priorities_of 0000:00:04.0)"
like "tune sets those of a QEMU without a record, by what the kernel says that it has open" \
  "2 of 2 interrupts of its devices are as planned" "$(qemu-rt tune --pid "$bare" --profile moved 2>&1)"
is "they are where that profile says" "0-1" "$(cpus_of 0000:00:05.0)"
is "none of the domain's came to a real-time CPU in ten seconds" "yes 0" "$(end_window)"
kill "$launched" "$bare"

# --- The domain's guest loads its driver anew: the kernel's default is real-time CPUs, too ---------------------------------

before=$(count_on 0000:00:02.0 "$all_cpus")
made_anew() {
  count=$(count_on 0000:00:02.0 "$all_cpus")
  [ "$count" -gt 0 ] && [ "$count" -lt "$before" ]
}
printf x >/var/tmp/irqs/serial.in
until_true 60 made_anew || not_ok "vectors are made anew" "$(cat /proc/interrupts)"
until_true 10 are_on 0000:00:02.0 0-1
is "within ten seconds of that they are where the profile says" "0-1" "$(cpus_of 0000:00:02.0)"
like "and so are their threads" "^(60)?$" "$(priorities_of 0000:00:02.0)"

virsh destroy hooked >/dev/null 2>&1
is "the line is where it was" "$line_before" "$(cat "/proc/irq/$line/smp_affinity_list" 2>/dev/null)"
is "no record of the domain is left" "" "$(find /run/qemu-rt/vms -name 'libvirt-*')"
nobody_follows() {
  ! grep -qsa '[f]ollow' /proc/[0-9]*/cmdline
}
until_true 15 nobody_follows
is "nothing follows an ended VM" "yes" "$(if nobody_follows; then echo yes; else echo no; fi)"
for device in 02 03 04 05; do
  echo >"/sys/bus/pci/devices/0000:00:$device.0/driver_override"
  echo "0000:00:$device.0" >"/sys/bus/pci/devices/0000:00:$device.0/driver/unbind"
  echo "0000:00:$device.0" >/sys/bus/pci/drivers_probe
done
echo "$default_before" >/proc/irq/default_smp_affinity
echo "$throttling_before" >/proc/sys/kernel/sched_rt_runtime_us

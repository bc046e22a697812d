# shellcheck shell=sh
# `host check` on a node with a real-time kernel: prepared it has no FAIL, and each value that is spoiled is found.

mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
# The node is emulated: KVM is not what is shown here.
[ -e /dev/kvm ] || mknod /dev/kvm c 10 232

# $1 id: how it ends.
result_of() {
  qemu-rt host check | sed -n "s/^$1: [^:]* : \(PASS\|FAIL\|WARN\|NOTE\|NOT KNOWN\).*/\1/p"
}

# $1 file, $2 value: writes it, and prints what was there.
exchange() {
  sed 's/.*\[\(.*\)\].*/\1/' "$1"
  echo "$2" >"$1"
}

# As the checks say for what the kernel's command line of this node leaves open.
echo -1 >/proc/sys/kernel/sched_rt_runtime_us
echo 0 >/proc/sys/kernel/soft_watchdog
echo 10 >/proc/sys/vm/stat_interval
echo 3 >/sys/devices/virtual/workqueue/cpumask
for thread in $(pgrep -P 2 '^(ksoftirqd|ktimers|rcuc|rcub)'); do chrt -f -p 5 "$thread"; done

# The fix of isolation.kernel-threads, as it is printed. A newer kernel keeps its threads off isolated CPUs by itself.
if [ "$(result_of isolation.kernel-threads)" != PASS ]; then
  fix=$(qemu-rt host check | sed -n 's/^isolation\.kernel-threads: .*run as root: \(for t in .*; done\) (the kernel refuses.*/\1/p')
  like "there is a fix for kernel threads" 'taskset -cp 0-1' "$fix"
  eval "$fix" >/dev/null 2>&1
fi

qemu-rt host check >/run/lab-out/host-check.txt
is "prepared, nothing fails" "0" "$?"
is "and no line says so" "" "$(grep FAIL /run/lab-out/host-check.txt | grep -v '^[0-9]* checks')"
for id in kernel.preempt-rt cpu.isolated boot.nohz-full boot.irqaffinity isolation.workqueues isolation.kernel-threads isolation.user-threads \
  sched.rt-throttling threads.ksoftirqd threads.rcuc irq.affinity irq.default-affinity; do
  like "$id" "^$id: .* : PASS" "$(cat /run/lab-out/host-check.txt)"
done
is "what cannot be known here says why" "" "$(grep ': NOT KNOWN$' /run/lab-out/host-check.txt)"

# From Linux 6.12 on throttling is for groups alone, which a kernel without its configuration beside it does not tell of.
while read -r id file value result; do
  before=$(exchange "$file" "$value")
  like "$value in $file" "^($result)$" "$(result_of "$id")"
  echo "$before" >"$file"
  is "and put back" PASS "$(result_of "$id")"
done <<'END'
sched.rt-throttling /proc/sys/kernel/sched_rt_runtime_us 950000 FAIL|WARN|NOTE
sched.vm-stat-interval /proc/sys/vm/stat_interval 1 WARN
isolation.workqueues /sys/devices/virtual/workqueue/cpumask f WARN
irq.default-affinity /proc/irq/default_smp_affinity c WARN
memory.ksm /sys/kernel/mm/ksm/run 1 WARN
END

thread=$(pgrep -P 2 '^ksoftirqd/3')
chrt -f -p 1 "$thread"
is "ksoftirqd below the vCPUs" WARN "$(result_of threads.ksoftirqd)"
chrt -f -p 5 "$thread"
taskset -c 2 sleep 600 &
is "a program on a real-time CPU" WARN "$(result_of isolation.user-threads)"
kill $!
chmod 777 /run/qemu-rt
is "a directory of records that all may write" FAIL "$(result_of install.run-directories)"
chmod 755 /run/qemu-rt
chmod 644 /etc/libvirt/hooks/qemu.d/qemu-rt
is "a hook that cannot be run" WARN "$(result_of install.hook)"
chmod 755 /etc/libvirt/hooks/qemu.d/qemu-rt
irq=$(sed -n 's/^ *\([0-9]*\):.*virtio.*/\1/p' /proc/interrupts | head -n 1)
echo 2 >"/proc/irq/$irq/smp_affinity_list"
# Its CPU changes with its next interrupt.
ls / >/dev/null
like "an interrupt on a real-time CPU" 'WARN|NOTE' "$(until_true 10 sh -c "grep -q 2 /proc/irq/$irq/effective_affinity_list" && result_of irq.affinity)"
echo 0-1 >"/proc/irq/$irq/smp_affinity_list"

qemu-rt capture /tmp/checked >/dev/null
qemu-rt host check >/tmp/here.txt
qemu-rt host check --sysroot /tmp/checked >/tmp/captured.txt
is "a captured node is judged alike" "" "$(diff /tmp/here.txt /tmp/captured.txt | grep '^[<>]')"
setpriv --reuid 65534 --regid 65534 --clear-groups qemu-rt host check >/tmp/nobody.txt 2>&1
like "another user is told what it may not read" 'sched.fair-server: .*(PASS|NOT KNOWN)' "$(cat /tmp/nobody.txt)"
like "and of the kernel's log" 'evidence.kernel-log: .*NOT KNOWN' "$(cat /tmp/nobody.txt)"

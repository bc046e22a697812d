# shellcheck shell=sh
: "${project:?}"
# CPUs isolated by `host isolate` on a node that was booted without isolcpus=: as in 3-threads, the kernel's own trace says that
# nothing but vCPUs is on them, here with load on all other CPUs. There is no systemd; its slices are made by hand.

groups=/sys/fs/cgroup
tracing=/sys/kernel/tracing
mount -t tracefs tracefs $tracing 2>/dev/null
mkdir $groups/system.slice $groups/user.slice
# As on a node with systemd, nothing but threads of the kernel is in the root group.
echo $$ >$groups/system.slice/cgroup.procs
like "the node was booted without isolcpus=" '^$' "$(cat /sys/devices/system/cpu/isolated)"

# What the groups are like: all that `--undo` puts back. No CPUs and all of them are the same to the kernel, which does not let
# a group with processes have none again.
look() {
  for file in "$groups"/*/cpuset.cpus "$groups"/*/cpuset.cpus.exclusive "$groups"/*/cpuset.cpus.partition; do
    [ -e "$file" ] && echo "$file: $(sed 's/^0-3$//' "$file")"
  done
  cat $groups/cgroup.subtree_control $groups/cpuset.cpus.effective
  find /etc/systemd/system /var/lib -path '*qemu-rt*' -o -name '*.slice.d' -o -name '*.scope.d' | sort
}

result_of() {
  qemu-rt host check | sed -n "s/^$1: [^:]* : \(PASS\|FAIL\|WARN\|NOTE\|NOT KNOWN\).*/\1/p"
}

trace_on() {
  echo c >$tracing/tracing_cpumask
  echo >$tracing/trace
  echo 1 >$tracing/events/sched/sched_switch/enable
  echo 1 >$tracing/tracing_on
}

# Names of what has run on the isolated CPUs, but for what belongs to each CPU of the kernel. While the hook hands a CPU over, threads
# of the kernel that are bound to none may run there: until the vCPU named $1 is real-time, which is before the guest runs.
trace_off() {
  echo 0 >$tracing/tracing_on
  echo 0 >$tracing/events/sched/sched_switch/enable
  pgrep -P 2 >/tmp/kernel-threads
  sed -n 's/.*\[\([0-9]*\)\].*next_comm=\(.*\) next_pid=\([0-9]*\) next_prio=\([0-9]*\)$/\1 \3 \4 \2/p' $tracing/trace |
    grep -Ev '^[0-9]+ [0-9]+ [0-9]+ (swapper|migration|ksoftirqd|kworker|rcuc|rcuop|rcuog|ktimers|cpuhp|irq_work|posixcputmr|idle_inject|watchdog|backlog_napi)(/|$| )' >/tmp/ran
  taken=$(sed -n "s,^\([0-9]*\) [0-9]* [0-9]* ${1:-none}\$,\1,p" /tmp/ran | head -n 1)
  awk -v taken="${taken:-none}" -v vcpu="${1:-none}" '
    NR == FNR { kernel[$1] = 1; next }
    { name = $0; sub(/^[0-9]+ [0-9]+ [0-9]+ /, "", name) }
    name == vcpu && $3 < 100 { isTaken = 1 }
    $1 == taken && !isTaken && kernel[$2] { next }
    { print name }' /tmp/kernel-threads /tmp/ran | sort -u | tr '\n' ';'
}

group_of_vcpu() {
  find $groups -type d -name vcpu0 | head -n 1
}

if ! [ -e $groups/cpuset.cpus.isolated ]; then
  like "a kernel without remote partitions refuses" 'has no partitions below groups that are none.*isolcpus=managed_irq,domain,2-3' \
    "$(qemu-rt host isolate 2>&1)"
  is "and nothing was changed" "0-3" "$(cat $groups/cpuset.cpus.effective)"
else
  before=$(look)
  qemu-rt host isolate >/dev/null
  is "a group of the system is off these CPUs" "0-1" "$(cat $groups/system.slice/cpuset.cpus)"
  qemu-rt host isolate --undo >/dev/null
  is "undone where the controller was off" "$before" "$(look)"

  ensure_libvirtd
  # Libvirt makes its own when it first starts a VM.
  mkdir -p $groups/machine
  echo "+cpuset +cpu +io +memory" >$groups/cgroup.subtree_control
  # One of load for each CPU that the system has.
  for _ in 0 1; do
    busybox sh -c 'while :; do :; done' &
    load="${load:-} $!"
  done
  before=$(look)
  like "--dry-run says what would be done" 'CPU 2-3, as a partition' "$(qemu-rt host isolate --dry-run)"
  is "and does nothing" "$before" "$(look)"
  is "not isolated before" FAIL "$(result_of cpu.isolated)"

  like "host isolate" 'CPU 2-3 is isolated' "$(qemu-rt host isolate 2>&1)"
  is "the kernel says so" "2-3" "$(cat $groups/cpuset.cpus.isolated)"
  is "host check: cpu.isolated" PASS "$(result_of cpu.isolated)"
  is "host check: isolation.slices" PASS "$(result_of isolation.slices)"
  like "again, nothing is changed" 'Nothing was changed' "$(qemu-rt host isolate 2>&1)"
  like "status knows" '2-3  *realtime  *free' "$(qemu-rt status)"
  is "and that they are isolated" "" "$(qemu-rt status | grep 'not isolated')"

  trace_on
  like "a VM starts" "started" "$(start rt-hook "<r:request xmlns:r='urn:qemu-rt:request' profile='rt'/>" '')"
  sleep 5
  is "nothing else was on isolated CPUs, from the launch to 5 s after" "CPU 0/TCG;" "$(trace_off 'CPU 0/TCG')"
  like "FIFO on a CPU of its own" '^SCHED_FIFO(\|SCHED_RESET_ON_FORK)? 2 [23]$' "$(vcpu_of rt-hook)"
  is "its vCPU's group is a partition" "isolated" "$(cat "$(group_of_vcpu)/cpuset.cpus.partition")"
  is "all of them are isolated still" "2-3" "$(cat $groups/cpuset.cpus.isolated)"
  is "the emulator is on the others" "0-1" "$(cat "$(dirname "$(group_of_vcpu)")/emulator/cpuset.cpus.effective")"
  like "status: as planned" "are as planned" "$(qemu-rt status)"
  like "a second VM gets the other CPU" "started" "$(start rt-two "<r:request xmlns:r='urn:qemu-rt:request' profile='rt'/>" '')"
  is "each its own" "2;3;" "$(for vm in rt-hook rt-two; do vcpu_of $vm | grep -o '[23]$'; done | sort | tr '\n' ';')"
  is "the reserve is empty" "" "$(cat $groups/qemu-rt/cpuset.cpus)"
  like "a third finds none" "held by guest" "$(start rt-three "<r:request xmlns:r='urn:qemu-rt:request' profile='rt'/>" '')"
  restart_libvirtd
  is "a restart of libvirt leaves them" "isolated" "$(cat "$(group_of_vcpu)/cpuset.cpus.partition")"
  like "the unit leaves them, too" 'Nothing was changed' "$(qemu-rt host isolate --at-boot 2>&1)"
  virsh destroy rt-two >/dev/null
  virsh destroy rt-hook >/dev/null
  until_true 20 sh -c "[ \"\$(cat $groups/qemu-rt/cpuset.cpus)\" = 2-3 ]"
  is "both ended, the reserve has them back" "2-3 isolated" "$(cat $groups/qemu-rt/cpuset.cpus $groups/qemu-rt/cpuset.cpus.partition | xargs)"

  trace_on
  sleep 3
  is "without a VM nothing is there" "" "$(trace_off)"
  like "--undo" 'put back' "$(qemu-rt host isolate --undo 2>&1)"
  is "as it was before" "$before" "$(look)"
  like "--undo again" 'Nothing to put back' "$(qemu-rt host isolate --undo 2>&1)"

  # Another group allows these CPUs, too: Linux 6.12 refuses the partition and says why, 7.2 makes it.
  mkdir $groups/other
  echo 2-3 >$groups/other/cpuset.cpus
  before=$(look)
  like "a group with the same CPUs: the kernel decides" \
    'the kernel does not isolate CPU 2-3: isolated invalid \(Cpu list in cpuset.cpus not exclusive\)|CPU 2-3 is isolated' \
    "$(qemu-rt host isolate 2>&1)"
  qemu-rt host isolate --undo >/dev/null 2>&1
  is "and all is as it was" "$before" "$(look)"
  rmdir $groups/other
  # shellcheck disable=SC2086
  kill $load
fi
echo $$ >$groups/cgroup.procs

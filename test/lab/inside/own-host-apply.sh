# shellcheck shell=sh
# `host apply` and `host undo` on a node with a real-time kernel: what host check finds missing is set, and every value of the
# kernel, thread, interrupt and file is as before after the undo, also after an apply that was killed and after a boot. What a
# copy of a host can show is in test/change.

where=/tmp/host-apply
mkdir -p "$where/bin"
made=
if ! mountpoint -q /sys/kernel/debug; then
  mount -t debugfs debugfs /sys/kernel/debug
  made=debugfs
fi
if ! [ -e /dev/kvm ]; then
  mknod /dev/kvm c 10 232
  made="$made kvm"
fi
cat /proc/sys/kernel/sched_rt_runtime_us >"$where/runtime"
# As systemd does at boot; so a later run of it changes nothing more.
sysctl --system >/dev/null 2>&1

# Each thread of the kernel's but for workers, which come and go: number, name, policy, priority, niceness, CPUs. Those of an
# interrupt follow it to the CPU that the kernel chooses out of the interrupt's.
kernel_threads() {
  awk '
    FNR == 1 {
      name = $0; sub(/^[0-9]+ \(/, "", name); sub(/\) [A-Za-z] .*/, "", name)
      tid = $1; rest = $0; sub(/^.*\) /, "", rest); split(rest, field, " ")
      if (int(field[7] / 2097152) % 2 == 0 || name ~ /^kworker\//) next
      status = "/proc/" tid "/status"; cpus = ""
      while ((getline line <status) > 0) if (line ~ /^Cpus_allowed_list:/) { cpus = line; sub(/.*:[ \t]*/, "", cpus) }
      close(status)
      if (name ~ /^irq\//) cpus = "its own"
      print "thread " tid " " name ": " field[39] " " field[38] " " field[17] " " cpus
    }' /proc/[0-9]*/stat 2>/dev/null
}

# All that apply may touch, and what lies beside it. Left out is what changes by itself.
snapshot() {
  {
    find /etc/sysctl.d /etc/modprobe.d /etc/systemd/system /etc/tmpfiles.d /var/lib/qemu-rt -printf '%p %y %m %U:%G %l\n' 2>/dev/null
    find /etc/sysctl.d /etc/modprobe.d /etc/systemd/system /var/lib/qemu-rt -type f -exec sha256sum {} + 2>/dev/null
    grep -rsH . /proc/sys 2>/dev/null | grep -Ev '^/proc/sys/(kernel/random/|kernel/perf_|kernel/ns_last_pid|kernel/pty/nr|fs/(dentry|file|inode)|kernel/sched_domain|net/netfilter/nf_conntrack_count)'
    grep -rsH . /sys/devices/virtual/workqueue /sys/bus/workqueue/devices /sys/kernel/mm /sys/kernel/debug/sched/fair_server \
      /sys/devices/system/machinecheck /sys/module/*/parameters | grep -Ev 'full_scans|pages_|/uevent|/pool_ids|/damon_stat/'
    grep -sH . /sys/kernel/rcu_* /proc/irq/*/smp_affinity_list /proc/irq/default_smp_affinity /sys/class/net/*/queues/rx-*/rps_cpus \
      /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor /sys/devices/system/cpu/cpu*/cpuidle/state*/disable \
      /sys/devices/system/cpu/cpu*/power/pm_qos_resume_latency_us
    kernel_threads
  } | sort
}

# $1, $2 snapshots: how they differ, but for threads that are in one of them alone.
differences() {
  sed -n 's/^\(thread [^:]*\):.*/\1/p' "$1" >"$where/threads-1"
  sed -n 's/^\(thread [^:]*\):.*/\1/p' "$2" >"$where/threads-2"
  diff "$1" "$2" | grep '^[<>]' | while read -r line; do
    case $line in
    '< thread'*) grep -qxF "$(echo "${line#< }" | sed 's/:[^:]*$//')" "$where/threads-2" || continue ;;
    '> thread'*) grep -qxF "$(echo "${line#> }" | sed 's/:[^:]*$//')" "$where/threads-1" || continue ;;
    esac
    echo "$line"
  done
}

# $1 title: nothing differs from $where/before.
is_as_before() {
  snapshot >"$where/now"
  is "$1" "" "$(differences "$where/before" "$where/now")"
}

# $1 id: how it ends.
result_of() {
  sed -n "s/^$1: [^:]* : \(PASS\|FAIL\|WARN\|NOTE\|NOT KNOWN\).*/\1/p" "$where/checks"
}

# $1 title: the checks that apply has set something for find nothing more.
passes_now() {
  qemu-rt host check >"$where/checks"
  for id in $ids; do
    result=$(result_of "$id")
    [ "$result" = PASS ] || [ "$id $result" = 'irq.affinity NOTE' ] || echo "$id $result"
  done >"$where/missed"
  is "$1" "" "$(cat "$where/missed")"
}

# Like what a kernel without isolcpus= has, and what an administrator set. The next part has the node as it was.
cat /sys/devices/virtual/workqueue/cpumask >"$where/work-mask"
cat /proc/irq/default_smp_affinity >"$where/default-mask"
echo f >/sys/devices/virtual/workqueue/cpumask
echo f >/proc/irq/default_smp_affinity
irq=$(sed -n 's/^ *\([0-9]*\):.*virtio.*/\1/p' /proc/interrupts | head -n 1)
cat "/proc/irq/$irq/smp_affinity_list" >"$where/irq-list"
echo 1-2 >"/proc/irq/$irq/smp_affinity_list"
until_true 10 sh -c "ls / >/dev/null; grep -q '[12]' /proc/irq/$irq/effective_affinity_list"
echo 2 >"/proc/irq/$irq/smp_affinity_list"
until_true 10 sh -c "ls / >/dev/null; grep -q 2 /proc/irq/$irq/effective_affinity_list"
echo 1-2 >"/proc/irq/$irq/smp_affinity_list"
printf 'kernel.sched_rt_runtime_us = 940000\n' >/etc/sysctl.d/50-site.conf
sysctl --system >/dev/null 2>&1
# As good as what apply wants, and not read yet.
mkdir -p /run/sysctl.d
echo 'vm.swappiness = 5' >/run/sysctl.d/99-site.conf

# What any user's program can call itself.
for name in ksoftirqd/2 ktimers/3 rcuc/2 kthreadd kswapd0; do
  # shellcheck disable=SC2016
  taskset -c 2-3 setpriv --reuid 65534 --regid 65534 --clear-groups \
    sh -c 'printf %s "$1" >/proc/$$/comm; while :; do sleep 600; done' sh "$name" &
  echo $!
done >"$where/liars"
# Policy, priority and CPUs of those programs.
liars() {
  while read -r pid; do
    echo "$(cat "/proc/$pid/comm") $(chrt -p "$pid" | sed -n 's/.*policy: //p; s/.*priority: //p' | tr '\n' ' ') $(sed -n 's/^Cpus_allowed_list:\s*//p' "/proc/$pid/status")"
  done <"$where/liars"
}
until_true 60 sh -c "! grep -lx -e setpriv -e taskset -e sh \$(sed 's,.*,/proc/&/comm,' $where/liars)" >/dev/null
like "programs can call themselves like threads of the kernel" '^ktimers/3 SCHED_OTHER 0  2-3$' "$(liars)"
liars >"$where/liars-before"

# $1 program, $2 how many of its calls are made, the rest is a command that calls it: it is killed at the next one.
kill_after() {
  echo "$2" >"$where/left"
  cat >"$where/bin/$1" <<END
#!/bin/sh
left=\$(cat "$where/left")
echo \$((left - 1)) >"$where/left"
[ "\$left" -gt 0 ] || { kill -9 "\$PPID"; exit 1; }
exec /usr/bin/$1 "\$@"
END
  chmod 755 "$where/bin/$1"
  program=$1
  shift 2
  PATH=$where/bin:$PATH "$@" >/dev/null 2>&1
  rm "$where/bin/$program"
}

# The kernel's values for what apply has set, as after a boot, then what a boot does with /etc. The boot has another ID.
boot() {
  sed -n 's/^< //p' "$where/changed" | while read -r line; do
    value=$(echo "${line#*:}" | sed 's/^ *//; s/.*\[\(.*\)\].*/\1/')
    case $line in
    thread*)
      tid=$(echo "$line" | cut -d' ' -f2)
      # policy, priority, niceness, CPUs
      echo "$value" | while read -r policy priority _ cpus; do
        case $policy in 1) chrt -f -p "$priority" "$tid" ;; *) chrt -o -p 0 "$tid" ;; esac
        taskset -cp "$cpus" "$tid"
      done >/dev/null 2>&1
      ;;
    # What is there to be read alone follows from the rest.
    /proc/* | /sys/*) { echo "$value" >"${line%%:*}"; } 2>/dev/null ;;
    esac
  done
  cat /proc/sys/kernel/random/uuid >"$where/boot-id"
  mount --bind "$where/boot-id" /proc/sys/kernel/random/boot_id
  sysctl --system >"$where/sysctl" 2>&1
}

snapshot >"$where/before"
snapshot >"$where/now"
is "a node that is left alone does not change" "" "$(differences "$where/before" "$where/now")"

qemu-rt host apply --dry-run >"$where/dry" 2>"$where/err"
is "a dry run succeeds" "0 " "$? $(cat "$where/err")"
is_as_before "and changes nothing"
ids=$(sed -n '/^Set now/,/^$/s/^  .* (\([a-z.-]*\))$/\1/p' "$where/dry" | sort -u | tr '\n' ' ')
# And more on older kernels, whose threads isolcpus= does not keep off and which throttle.
for id in sched.vm-stat-interval isolation.workqueues threads.ksoftirqd threads.ktimers irq.default-affinity irq.affinity; do
  like "it is going to set $id" "(^| )$id( |\$)" "$ids"
done

# A plan as QEMU's user sees the host: $1 the priority of its vCPU.
plan_warnings() {
  printf '[host]\nhousekeeping = "0-1"\nrealtime = "2-3"\n[profile.rt]\nvcpus = { cpus = "auto", policy = "fifo", priority = %s }\n' "$1" >"$where/plan.toml"
  setpriv --reuid 65534 --regid 65534 --clear-groups qemu-rt run --dry-run --config "$where/plan.toml" --profile rt -- \
    -name plc -machine q35 -m 64 | grep "kernel's own threads"
}
chmod 755 "$where"
like "a plan warns of threads that its vCPU keeps waiting" "ksoftirqd/[23] \(best effort\) and [0-9]* more; run as root: qemu-rt host apply" "$(plan_warnings 2)"

echo n | script -qec 'qemu-rt host apply' /dev/null >"$where/out" 2>&1
like "on a terminal it asks" 'Do this\? \[y/N\]' "$(cat "$where/out")"
is_as_before "and no is no"

qemu-rt host apply --yes >"$where/out" 2>"$where/err"
is "applied" "0 " "$? $(cat "$where/err")"
snapshot >"$where/applied"
differences "$where/before" "$where/applied" >"$where/changed"
cp "$where/changed" "$where/dry" "$where/out" /run/lab-out/
ls / >/dev/null
passes_now "host check finds nothing more that apply can set"
is "a plan has nothing to warn of" "" "$(plan_warnings 2)"
is "a program that calls itself like a thread of the kernel is left alone" "$(cat "$where/liars-before")" "$(liars)"
like "a second apply changes nothing" 'Nothing was changed' "$(qemu-rt host apply --yes)"
snapshot >"$where/now"
is "nothing at all" "" "$(differences "$where/applied" "$where/now")"

# What reads the files when the node boots.
sysctl -qw vm.stat_interval=1
sysctl --system >"$where/sysctl" 2>&1
like "sysctl --system reads the file" 'Applying /etc/sysctl.d/91-qemu-rt.conf' "$(cat "$where/sysctl")"
is "to the last line" "" "$(sed -n '/91-qemu-rt/,/^\* Applying/p' "$where/sysctl" | grep -iE 'invalid|cannot|permission|ignor')"
is "and has its values" "10" "$(cat /proc/sys/vm/stat_interval)"
is "a line of the site's that is as good has set the value now, and does so at boot" "5 5" \
  "$(sed -n 's/^> \/proc\/sys\/vm\/swappiness://p' "$where/changed") $(cat /proc/sys/vm/swappiness)"
is "systemd has the unit enabled" "enabled" "$(systemctl --root=/ is-enabled qemu-rt-host.service 2>&1)"
is "and finds nothing wrong with it" "" "$(systemd-analyze verify /etc/systemd/system/qemu-rt-host.service 2>&1 | grep qemu-rt-host | grep -v -e "'man " -e "show qemu-rt(1)")"

qemu-rt host undo >"$where/out" 2>"$where/err"
is "undone" "0 " "$? $(cat "$where/err")"
is_as_before "and all is as before"

# Killed while it sets threads.
kill_after chrt 3 qemu-rt host apply --yes
snapshot >"$where/now"
like "killed at a thread" 'thread|qemu-rt-host' "$(differences "$where/before" "$where/now")"
qemu-rt host undo >"$where/out" 2>&1
is_as_before "and undone"
kill_after taskset 1 qemu-rt host apply --yes
is "killed, and applied again" "0" "$(qemu-rt host apply --yes >/dev/null 2>&1; echo $?)"
snapshot >"$where/now"
# Whether that interrupt is on a real-time CPU is the kernel's choice out of those that it may be on.
is "it is as if it had not been killed" "" "$(differences "$where/applied" "$where/now" | grep -v -e host-apply.json -e "/irq/$irq/")"
kill_after chrt 2 qemu-rt host undo
is "an undo that is killed is gone on with" "0" "$(qemu-rt host undo >/dev/null 2>&1; echo $?)"
is_as_before "until all is as before"

# A boot, by its unit.
rm /run/sysctl.d/99-site.conf
qemu-rt host apply --yes >/dev/null 2>&1
boot
eval "$(sed -n 's/^ExecStart=//p' /etc/systemd/system/qemu-rt-host.service)" >"$where/out" 2>"$where/err"
is "the unit succeeds at boot" "0 " "$? $(cat "$where/err")"
ls / >/dev/null
passes_now "and all is set again"
qemu-rt host undo >"$where/out" 2>"$where/err"
is "undone after it" "0 " "$? $(cat "$where/err")"
umount /proc/sys/kernel/random/boot_id
is_as_before "with the values from before the boot"

# CPUs 1 and 2 are in no set of [host].
sed -i 's/^housekeeping = .*/housekeeping = "0"/; s/^realtime = .*/realtime = "3"/' /etc/qemu-rt/qemu-rt.toml
qemu-rt host apply --yes >"$where/out" 2>&1
snapshot >"$where/now"
differences "$where/before" "$where/now" >"$where/outside"
cp "$where/outside" /run/lab-out/
# ignore_ce is one value of the kernel's, whose files are all the same.
is "files of other CPUs are untouched" "" "$(grep -E '/cpu[0-2]/|/fair_server/cpu[0-2]/' "$where/outside")"
is "and threads of other CPUs" "" "$(grep '^>' "$where/outside" | grep -E ' [a-z]+/[0-2]: |: .* [0-2](-[0-2])?$' | grep -v rcub/ | grep -v '0-2$')"
# Linux 7.2 keeps such threads off isolated CPUs itself.
if grep -q 'kswapd0: .* 0-3$' "$where/before"; then
  like "threads that may run on all lose CPU 3 alone" '^> thread .* kswapd0: .* 0-2$' "$(cat "$where/outside")"
fi
is "and so do masks" "7 7" "$(cat /sys/devices/virtual/workqueue/cpumask) $(cat /proc/irq/default_smp_affinity)"
is "an interrupt on a CPU of nobody's stays" "1-2" "$(cat "/proc/irq/$irq/smp_affinity_list")"
qemu-rt host undo >"$where/out" 2>&1
is_as_before "and it is put back"

# The node as it was.
while read -r pid; do
  sleeps=$(cat "/proc/$pid/task/$pid/children")
  # shellcheck disable=SC2086
  kill "$pid" $sleeps
done <"$where/liars"
cat "$where/work-mask" >/sys/devices/virtual/workqueue/cpumask
cat "$where/default-mask" >/proc/irq/default_smp_affinity
cat "$where/irq-list" >"/proc/irq/$irq/smp_affinity_list"
rm /etc/sysctl.d/50-site.conf
cat "$where/runtime" >/proc/sys/kernel/sched_rt_runtime_us
case $made in *debugfs*) umount /sys/kernel/debug ;; esac
case $made in *kvm*) rm /dev/kvm ;; esac

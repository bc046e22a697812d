# shellcheck shell=sh
: "${project:?}"
# CPUs isolated by `host isolate` on a node that was booted without isolcpus=: as in 3-threads, the kernel's own trace says that
# nothing but vCPUs and the switch is on them, here with load on all other CPUs. There is no systemd; its slices are made by hand.

groups=/sys/fs/cgroup
hosts='0-1'
sed -i 's/^realtime.*/realtime = "2-4"\nswitch = "5"/' /etc/qemu-rt/qemu-rt.toml
# shellcheck source=/dev/null
. "$project/test/lab/trace.sh"
mkdir $groups/system.slice $groups/user.slice
# As on a node with systemd, nothing but threads of the kernel is in the root group.
echo $$ >$groups/system.slice/cgroup.procs
like "the node was booted without isolcpus=" '^$' "$(cat /sys/devices/system/cpu/isolated)"

# What the groups are like: all that `--undo` puts back. No CPUs and all of them are the same to the kernel, which does not let
# a group with processes have none again.
look() {
  for file in "$groups"/*/cpuset.cpus "$groups"/*/cpuset.cpus.exclusive "$groups"/*/cpuset.cpus.partition; do
    [ -e "$file" ] && echo "$file: $(sed 's/^0-5$//' "$file")"
  done
  cat $groups/cgroup.subtree_control $groups/cpuset.cpus.effective
  find /etc/systemd/system /var/lib -path '*qemu-rt*' -o -name '*.slice.d' -o -name '*.scope.d' | sort
}

# What has run on the isolated CPUs, but for what belongs to each CPU of the kernel: number of the CPU and name. While the hook hands
# CPU $1 over, threads of the kernel that are bound to none may run there: until a vCPU is real-time, which is before the guest runs.
names_seen() {
  trace_off >/tmp/trace
  # kthreadd and all that it has made.
  { echo 2 && pgrep -P 2; } >/tmp/kernel-threads
  sed -n 's/.*\[0*\([0-9]*\)\].*next_comm=\(.*\) next_pid=\([0-9]*\) next_prio=\([0-9]*\)$/\1 \3 \4 \2/p' /tmp/trace |
    but_kernels_own '[0-9]+ [0-9]+ [0-9]+ ' >/tmp/ran
  awk -v lent="$1" '
    NR == FNR { kernel[$1] = 1; next }
    { name = $0; sub(/^[0-9]+ [0-9]+ [0-9]+ /, "", name) }
    $1 == lent && name ~ /^CPU / && $3 < 100 { isTaken = 1 }
    $1 == lent && !isTaken && kernel[$2] { next }
    { print $1, name }' /tmp/kernel-threads /tmp/ran | sort -u | tr '\n' ';'
}

# Policy, priority and CPUs of the first vCPU of the QEMU with PID $1.
vcpu_at() {
  for task in "/proc/$1"/task/*; do
    if grep -q '^CPU 0/' "$task/comm"; then
      echo "$(chrt -p "${task##*/}" | sed 's/.*: //' | tr '\n' ' ')$(sed -n 's/^Cpus_allowed_list:\t//p' "$task/status")"
    fi
  done
}

# $1 who, a name: a VM that libvirt does not start.
by_hand() {
  name=$1
  shift
  # shellcheck disable=SC2154
  "$@" qemu-rt run --profile rt -- -name "$name" -machine pc -m 16 -nodefaults -display none -accel tcg \
    >"/tmp/$name.log" 2>&1 &
}

says() {
  grep -q "$2" "/tmp/$1.log"
}

result_of() {
  sed -n "s/^$1: [^:]* : \(PASS\|FAIL\|WARN\|NOTE\|NOT KNOWN\).*/\1/p" /tmp/check.log
}

realtime='^SCHED_FIFO(\|SCHED_RESET_ON_FORK)? 2 [2-4]$'

if ! [ -e $groups/cpuset.cpus.isolated ]; then
  before=$(look)
  like "a kernel without remote partitions refuses" 'needs Linux 6.8 or newer.*isolcpus=managed_irq,domain,2-5' \
    "$(qemu-rt host isolate 2>&1)"
  is "and nothing was changed" "$before" "$(look)"
else
  ensure_libvirtd
  # Libvirt makes its own when it first starts a VM.
  mkdir -p $groups/machine
  echo "+cpuset +cpu +io +memory +pids" >$groups/cgroup.subtree_control
  # As by TasksMax=: this is what VMs by hand are under.
  echo 901 >$groups/system.slice/pids.max
  before=$(look)
  like "host isolate" 'CPU 2-5 is isolated' "$(qemu-rt host isolate 2>&1)"
  is "the kernel says so" "2-5" "$(cat $groups/cpuset.cpus.isolated)"
  is "the system is off these CPUs" "$hosts $hosts" "$(cat $groups/system.slice/cpuset.cpus $groups/user.slice/cpuset.cpus | xargs)"
  qemu-rt host check >/tmp/check.log
  is "host check: cpu.isolated, isolation.slices" "PASS PASS" "$(result_of cpu.isolated) $(result_of isolation.slices)"

  mkfifo /tmp/nothing
  printf '#!/bin/busybox sh\nwhile :; do read -t 1 _; done 0<>/tmp/nothing\n' >/tmp/poll-switch
  chmod +x /tmp/poll-switch
  # As by Slice= and CPUAffinity= of its service.
  sh -c "echo \$\$ >$groups/qemu_rt_switch.slice/cgroup.procs; exec taskset -c 5 /tmp/poll-switch" &
  switch=$!
  until_true 20 grep -q poll-switch /proc/$switch/comm

  trace_on 3c
  # One of load for each CPU that the system has, which keeps it busy and gives way.
  for _ in 0 1; do
    nice -n 19 busybox sh -c 'while :; do :; done' &
    load="${load:-} $!"
  done
  by_hand by-root env
  by_hand by-user setpriv --reuid=65534 --regid="$(stat -c %g /run/qemu-rt/leases)" --clear-groups
  like "a VM of libvirt's starts" "started" "$(start rt-hook "<r:request xmlns:r='urn:qemu-rt:request' profile='rt'/>" '')"
  until_true 60 says by-user 'tune --pid [0-9]'
  user=$(sed -n 's/.*run as root: qemu-rt tune --pid \([0-9]*\) --profile rt.*/\1/p' /tmp/by-user.log | tail -n 1)
  like "a user's VM says what root is to run" '[0-9]' "$user"
  like "which root runs" "PID $user" "$(qemu-rt tune --pid "$user" --profile rt 2>&1)"
  until_true 60 says by-root 'set after'
  sleep 5
  hook=$(vcpu_of rt-hook)
  lent=${hook##* }
  is "nothing else was on isolated CPUs, from the launch to 5 s after" "2 CPU 0/TCG;3 CPU 0/TCG;4 CPU 0/TCG;5 poll-switch;" "$(names_seen "$lent")"
  # shellcheck disable=SC2086
  kill $load
  root=$(pgrep -f 'qemu-system-x86_64.*-name by-root')
  like "FIFO on CPUs of their own: libvirt's" "$realtime" "$hook"
  like "root's" "$realtime" "$(vcpu_at "$root")"
  like "a user's" "$realtime" "$(vcpu_at "$user")"
  vcpu=$(find $groups/machine -type d -name vcpu0)
  is "the vCPU's group of libvirt's VM is a partition" "isolated" "$(cat "$vcpu/cpuset.cpus.partition")"
  is "all of them are isolated still" "2-5" "$(cat $groups/cpuset.cpus.isolated)"
  is "emulators are on the others" "$hosts $hosts" "$(cat "$(dirname "$vcpu")/emulator/cpuset.cpus.effective" $groups/qemu-rt-vms/cpuset.cpus.effective | xargs)"
  is "no VM by hand gets further than its CPU" "2 3 4" "$(cat $groups/qemu-rt/*/cpuset.cpus.effective "$vcpu/cpuset.cpus.effective" | sort | xargs)"
  is "two VMs by hand, each in two groups, which have its limit of tasks together" "450 450 450 450" \
    "$(cat $groups/qemu-rt/*/pids.max $groups/qemu-rt-vms/*/pids.max | xargs)"
  qemu-rt status >/tmp/status.log
  like "status: as planned" "are as planned" "$(cat /tmp/status.log)"
  is "status: isolated" "" "$(grep 'not isolated' /tmp/status.log)"

  virsh destroy rt-hook >/dev/null
  kill "$root" "$user" "$switch"
  until_true 20 sh -c "[ \"\$(cat $groups/qemu-rt/cpuset.cpus)\" = 2-4 ]"
  is "all ended, the reserve has them back" "2-4 isolated" "$(cat $groups/qemu-rt/cpuset.cpus $groups/qemu-rt/cpuset.cpus.partition | xargs)"
  like "again, nothing is changed" 'Nothing was changed' "$(qemu-rt host isolate --at-boot 2>&1)"
  like "--undo" 'put back' "$(qemu-rt host isolate --undo 2>&1)"
  is "as it was before" "$before" "$(look)"
fi
echo $$ >$groups/cgroup.procs

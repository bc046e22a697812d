# shellcheck shell=sh
: "${project:?}"
# Real-time threads on isolated CPUs, and nothing else of a VM on them from its first instruction on: the kernel's own
# trace of what runs on these CPUs says so.

ensure_libvirtd
# shellcheck source=/dev/null
. "$project/test/lab/trace.sh"

# Names of what has run on the isolated CPUs, but for what belongs to each CPU of the kernel.
names_seen() {
  trace_off | sed -n 's/.*next_comm=\(.*\) next_pid=\([0-9]*\) .*/\1/p' | but_kernels_own '' | sort -u | tr '\n' ';'
}

trace_on c
like "by the hook: started" "started" "$(start rt-hook "<r:request xmlns:r='urn:qemu-rt:request' profile='rt'/>" '')"
sleep 5
is "by the hook: nothing else was on isolated CPUs" "CPU 0/TCG;" "$(names_seen)"
like "by the hook: FIFO on a CPU of its own" '^SCHED_FIFO(\|SCHED_RESET_ON_FORK)? 2 [23]$' "$(vcpu_of rt-hook)"
like "status says so, too" "are as planned" "$(qemu-rt status)"
virsh destroy rt-hook >/dev/null

rm /etc/libvirt/hooks/qemu.d/qemu-rt
restart_libvirtd
trace_on c
like "by RLIMIT_RTPRIO: started" "started" "$(start rt-limit '' "<qemu:arg value='--rt-profile'/><qemu:arg value='rt'/>")"
until_true 60 grep -q 'set after' /var/log/libvirt/qemu/rt-limit.log
is "by RLIMIT_RTPRIO: nothing else was on isolated CPUs" "CPU 0/TCG;" "$(names_seen)"
like "by RLIMIT_RTPRIO: FIFO on a CPU of its own" '^SCHED_FIFO(\|SCHED_RESET_ON_FORK)? 2 [23]$' "$(vcpu_of rt-limit)"
virsh destroy rt-limit >/dev/null
"$project/install.sh" >/dev/null 2>&1
restart_libvirtd

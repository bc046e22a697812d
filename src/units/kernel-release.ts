/**
 * Whether a kernel has the fair server, which leaves 50 ms of each second to threads that real-time ones keep waiting, and
 * applies kernel.sched_rt_runtime_us to groups alone (Linux 6.12, "sched/rt: Remove default bandwidth control";
 * kernel/sched/deadline.c, fair_server_init).
 * @param release as /proc/sys/kernel/osrelease has it: `6.12.4-rt`; null when it is not known
 */
export function hasFairServer(release: string | null): boolean {
  return isKernelAtLeast(release, 6, 12)
}

/** Whether a release is a version or a later one; false when it is not known. */
function isKernelAtLeast(release: string | null, major: number, minor: number): boolean {
  const [first = 0, second = 0] = (release ?? '').split('.').map((part) => Number.parseInt(part, 10))
  return first > major || (first === major && second >= minor)
}

/** The cgroup, right below the root group, in which `host isolate` keeps real-time CPUs that no VM has. */
export const RESERVE = '/qemu-rt'

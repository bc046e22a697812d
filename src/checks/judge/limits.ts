/** What libvirt's daemon hands on to QEMU, as the units of this project have it (system/systemd/limits.conf). */
export const DAEMON_LIMITS = { LimitRTPRIO: '99', LimitMEMLOCK: 'infinity' } as const

export const LIMITS_ID = 'install.daemon-limits'

/** Whether a process may give its threads a real-time priority (getrlimit(2), RLIMIT_RTPRIO). */
export function allowsPriority(limit: number | 'unlimited', priority: number): boolean {
  return limit === 'unlimited' || limit >= priority
}

/** What to set for libvirt's daemon: `LimitRTPRIO=99`. */
export function daemonLimit(name: keyof typeof DAEMON_LIMITS): string {
  return `${name}=${DAEMON_LIMITS[name]}`
}

/** What to do where a priority is not allowed. */
export function howToAllow(priority: number): string {
  return `set ${daemonLimit('LimitRTPRIO')} for libvirtd or virtqemud (by hand: ulimit -r ${priority}), or run as root: qemu-rt tune`
}

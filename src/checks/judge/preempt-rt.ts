export const PREEMPT_RT_ID = 'kernel.preempt-rt'

/**
 * Whether a kernel is PREEMPT_RT; null when it is not known.
 * @param realtime /sys/kernel/realtime, which the RT patch has and mainline, which has PREEMPT_RT since 6.12, has not
 * @param version /proc/version
 */
export function isPreemptRt(realtime: string | null, version: string | null): boolean | null {
  if (realtime?.trim() === '1') return true
  return version === null ? null : /\bPREEMPT[_ ]RT\b/.test(version)
}

export const INSTALL_PREEMPT_RT =
  'install a real-time kernel and boot it (Debian: linux-image-rt-amd64 or that of your architecture; RHEL: kernel-rt; Ubuntu Pro: realtime-kernel)'

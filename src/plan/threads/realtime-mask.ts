import { type CpuSet, parseCpuSet } from '../../units/cpu-set.js'

/**
 * The vCPUs that are real-time, in Nova's notation of hw:cpu_realtime_mask (OpenStack Nova,
 * nova/virt/hardware.py, get_realtime_cpu_constraint): `^0-1` is all but these, `2-3` is just these.
 * @param mask null when all vCPUs are real-time
 * @param vcpus how many the guest may have
 */
export function realtimeVcpus(mask: string | null, vcpus: number): CpuSet {
  const all = `0-${vcpus - 1}`
  const text = mask === null ? all : mask.trim().startsWith('^') ? `${all},${mask}` : mask
  return (parseCpuSet(text) ?? []).filter((vcpu) => vcpu < vcpus)
}

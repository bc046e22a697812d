import { parseTickless } from '../checks/judge/isolation.js'
import { fairServerOf, type ThrottlingFacts } from '../checks/judge/throttling.js'
import { readCpus, readRealtimeRuntime } from '../host/cpus.js'
import type { HostCpus } from '../host/facts.js'
import { readPreemptRt } from '../host/preempt-rt.js'
import { readAttribute, readNumber } from '../host/sysfs.js'
import { openSysroot } from '../host/sysroot.js'
import type { JitterFacts } from './explain.js'

const RELEASE = '/proc/sys/kernel/osrelease'

/** Reads what of a host may explain jitter. @param vcpu null when its thread was not found */
export function readExplainedHost(
  sysroot: string,
  vcpu: JitterFacts['vcpu'],
): Omit<JitterFacts, 'accelerator' | 'worstMicroseconds' | 'vcpu'> {
  const root = openSysroot(sysroot)
  const cpus = readCpus(root, true)
  const release = readAttribute(root + RELEASE)
  const [cpu] = vcpu?.cpus ?? []
  const runtime = readNumber(`${root}/sys/kernel/debug/sched/fair_server/cpu${cpu}/runtime`)
  return {
    isolated: cpus?.isolated ?? null,
    ...(cpus?.isolatedByGroups === undefined ? {} : { isolatedByGroups: cpus.isolatedByGroups }),
    throttling: throttlingOf(cpus, release),
    // A kernel without the file has no CPU without the tick (kernel/time/tick-sched.c, CONFIG_NO_HZ_FULL).
    fullDynticks: parseTickless(readAttribute(`${root}/sys/devices/system/cpu/nohz_full`) ?? ''),
    fairServer: fairServerOf(release, runtime),
    isRealtimeKernel: readPreemptRt(root),
  }
}

/** Reads what decides whether real-time threads are throttled. */
export function readThrottling(sysroot: string): ThrottlingFacts {
  const root = openSysroot(sysroot)
  return throttlingOf(readRealtimeRuntime(root), readAttribute(root + RELEASE))
}

function throttlingOf(
  cpus: Pick<HostCpus, 'realtimeRuntime' | 'kernel'> | null,
  release: string | null,
): ThrottlingFacts {
  return {
    runtime: cpus?.realtimeRuntime ?? null,
    release,
    hasGroups: cpus?.kernel?.hasRealtimeGroups ?? null,
  }
}

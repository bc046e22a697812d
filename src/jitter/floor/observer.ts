import { setTimeout as sleep } from 'node:timers/promises'
import { readCpus } from '../../host/cpus.js'
import { startOf } from '../../host/process.js'
import { openSysroot } from '../../host/sysroot.js'
import type { Thread } from '../../tune/threads.js'
import { type CpuSet, subtractCpuSets } from '../../units/cpu-set.js'
import type { Mode } from '../mode.js'
import type { Observer } from '../observer.js'
import type { Placement } from './floor.js'
import { measureFloor } from './measure.js'

export interface FloorTask {
  readonly mode: Mode
  readonly seconds: number
  /** Between two wake-ups of `timer`. */
  readonly intervalMicroseconds: number
}

/** How long QEMU may take to end: its memory is given back. */
const END_MS = 30_000

/** Measures the host where the vCPU was that has seen the worst, once QEMU has left its CPU. */
export function floorObserver(task: FloorTask): Observer {
  return {
    alone: async ({ pid, vcpus }, { worstMicroseconds, vcpu: { number } }) => {
      const vcpu = vcpus.find((one) => one.number === number) ?? vcpus[0]
      if (vcpu === undefined) return {}
      for (const end = performance.now() + END_MS; startOf(pid) !== null && performance.now() < end; )
        await sleep(20)
      const { isolated, online } = readHost()
      const placement = placementOf(vcpu.thread, online, isolated)
      const floor = await measureFloor({
        ...task,
        placement,
        guestMicroseconds: worstMicroseconds,
        isIsolated: isolated.includes(placement.cpu),
      })
      return { floor }
    },
  }
}

/** A thread that may run on several CPUs stands for the one that it was on; who only waits goes where nobody is disturbed. */
function placementOf(
  { cpus, lastCpu, policy, priority }: Pick<Thread, 'cpus' | 'lastCpu' | 'policy' | 'priority'>,
  online: CpuSet,
  isolated: CpuSet,
): Placement {
  const cpu = cpus.includes(lastCpu) ? lastCpu : (cpus[0] ?? lastCpu)
  const others = subtractCpuSets(online, [cpu])
  return { cpu, otherCpu: subtractCpuSets(others, isolated)[0] ?? others[0] ?? cpu, policy, priority }
}

function readHost(): { readonly isolated: CpuSet; readonly online: CpuSet } {
  const cpus = readCpus(openSysroot('/'), false)
  return { isolated: cpus?.isolated ?? [], online: cpus?.online ?? [] }
}

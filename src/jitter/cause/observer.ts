import type { Observer, Watched } from '../observer.js'
import { findCauses, type Snapshot } from './causes.js'
import { takeSnapshots } from './snapshot.js'

/** Looks at what the kernel has counted, before the measurement and after it. @param sleeps whether the guest does by design */
export function causeObserver(sleeps: boolean): Observer {
  let before: readonly Snapshot[] = []
  return {
    before: ({ pid, vcpus }) => {
      before = take(pid, vcpus)
    },
    after: ({ pid, vcpus }, result) => {
      const now = take(pid, vcpus)
      const causes = vcpus.flatMap(({ number, thread }, index) => {
        const [first, last] = [before[index], now[index]]
        if (first === undefined || last === undefined) return []
        const question = {
          ...{ vcpu: number, policy: thread.policy, accelerator: result.accelerator, sleeps },
          // The worst of all is one vCPU's.
          worstMicroseconds:
            result.vcpus.find((one) => one.number === number)?.worstMicroseconds ?? result.worstMicroseconds,
        }
        return [findCauses(question, first, last)]
      })
      return { causes }
    },
  }
}

function take(pid: number, vcpus: Watched['vcpus']): Snapshot[] {
  return takeSnapshots(
    pid,
    vcpus.map(({ thread }) => thread),
  )
}

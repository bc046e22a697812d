import type { Observer } from '../observer.js'
import { findCauses, type Snapshot } from './causes.js'
import { takeSnapshot } from './snapshot.js'

/** Looks at what the kernel has counted, before the measurement and after it. @param sleeps whether the guest does by design */
export function causeObserver(sleeps: boolean): Observer {
  let before: readonly Snapshot[] = []
  return {
    before: ({ pid, vcpus }) => {
      before = vcpus.map(({ thread }) => takeSnapshot({ pid, ...thread }))
    },
    after: ({ pid, vcpus }, result) => ({
      causes: vcpus.flatMap(({ number, thread }, index) => {
        const first = before[index]
        if (first === undefined) return []
        const question = {
          ...{ vcpu: number, policy: thread.policy, accelerator: result.accelerator, sleeps },
          // The worst of all is one vCPU's.
          worstMicroseconds:
            result.vcpus.find((one) => one.number === number)?.worstMicroseconds ?? result.worstMicroseconds,
        }
        return [findCauses(question, first, takeSnapshot({ pid, ...thread }))]
      }),
    }),
  }
}

import t from 'tap'
import { noTarget } from '../../src/errors/tune.js'
import { besideClaims } from '../../src/plan/beside-claims.js'
import type { HeldLease } from '../../src/plan/leases.js'
import { failureOf } from '../bounds/within.js'

const holding = (...cpus: readonly number[]): HeldLease => ({ guest: null, pid: 0, nics: [], cpus })

/** The first of three CPUs that is free. */
function firstFree(held: readonly HeldLease[]): number {
  const free = [1, 2, 3].find((cpu) => !held.some(({ cpus }) => cpus.includes(cpu)))
  if (free === undefined) throw noTarget()
  return free
}

t.test(
  'what users claim is kept away from where there is another choice, and keeps root from nothing',
  async (t) => {
    t.equal(besideClaims([holding(1)], [], firstFree), 2)
    t.equal(besideClaims([holding(1)], [holding(2)], firstFree), 3)
    t.equal(besideClaims([holding(1)], [holding(2, 3)], firstFree), 2)
    for (const claimed of [[], [holding(2)]]) {
      t.match(
        failureOf(() => besideClaims([holding(1, 2, 3)], claimed, firstFree)),
        /exit 64/,
      )
    }
    let asked = 0
    const broken = () => {
      asked++
      throw new TypeError('of our own making')
    }
    t.throws(() => besideClaims([], [holding(1)], broken), TypeError)
    t.equal(asked, 1, 'a fault of ours is not tried again')
  },
)

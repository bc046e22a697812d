import { join } from 'node:path'
import { median } from 'simple-statistics'
import { inTurn } from '../common/in-turn.js'
import type { Plot } from '../common/plot.js'
import { makeProcessTimer } from '../common/process-timer.js'
import { hostWithPool } from './launches.js'
import { checkNics, type StandIns, startStandIns } from './stand-ins.js'

/** Time of one more launch over the VMs that run already, each with a NIC of the same pool. */
export async function overRunning(scratch: string, counts: readonly number[], rounds: number): Promise<Plot> {
  const host = hostWithPool(join(scratch, 'running'), Math.max(...counts) + 1)
  const timer = makeProcessTimer(host.ending)
  const running: StandIns[] = []
  const points: [number, number][] = []
  try {
    for (const n of counts) {
      running.push(await startStandIns(host, n - running.flatMap(({ nics }) => nics).length))
      checkNics(running.flatMap(({ nics }) => nics))
      const [samples = []] = await inTurn([timer], rounds, ({ run }) => run())
      points.push([n, median(samples)])
    }
  } finally {
    timer.stop()
    for (const { stop } of running) await stop()
  }
  return { title: 'VMs that run', x: 'running VMs', y: 'ms', curves: [{ name: 'one more launch', points }] }
}

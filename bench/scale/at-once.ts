import { join } from 'node:path'
import type { Plot } from '../common/plot.js'
import { measureCurves } from './curves.js'
import { hostWithPool, type NicHost } from './launches.js'
import { checkNics, startStandIns } from './stand-ins.js'

/** Time until all of several VMs run that are launched at once, each with a NIC of the same pool. */
export async function overAtOnce(scratch: string, counts: readonly number[], rounds: number): Promise<Plot> {
  const host = hostWithPool(join(scratch, 'at-once'), Math.max(...counts))
  const curves = await measureCurves(
    counts.map((n) => ({ curve: 'all of them', n, run: () => launchMs(host, n) })),
    rounds,
  )
  return { title: 'Launches at once', x: 'launches', y: 'ms', curves }
}

async function launchMs(host: NicHost, count: number): Promise<number> {
  host.clearLeases()
  const { nics, tookMs, stop } = await startStandIns(host, count)
  await stop()
  checkNics(nics)
  return tookMs
}

import { join } from 'node:path'
import { readHostFacts } from '../../src/host/read.js'
import type { Plot } from '../common/plot.js'
import { makeProcessTimer } from '../common/process-timer.js'
import { measureCurves } from './curves.js'
import { hostWithNamedNic } from './launches.js'

/** What a plan with a named NIC looks at. */
const PCI = { pci: true, cpus: false, topology: false, memory: false }

/** Time over the PCI devices of the host: to read them, and for the whole launch with a named NIC. */
export async function overDevices(scratch: string, counts: readonly number[], rounds: number): Promise<Plot> {
  const hosts = counts.map((n) => {
    const host = hostWithNamedNic(join(scratch, `devices-${n}`), n)
    return { n, sysroot: host.sysroot, ...makeProcessTimer(host.ending) }
  })
  try {
    const curves = await measureCurves(
      [
        ...hosts.map(({ n, sysroot }) => ({
          curve: 'reading the host alone',
          n,
          run: async () => readMs(sysroot, n),
        })),
        ...hosts.map(({ n, run }) => ({ curve: 'whole launch', n, run })),
      ],
      rounds,
    )
    return { title: 'PCI devices of the host', x: 'devices', y: 'ms', curves }
  } finally {
    for (const { stop } of hosts) stop()
  }
}

function readMs(sysroot: string, devices: number): number {
  const began = performance.now()
  const { pci } = readHostFacts(sysroot, PCI)
  const took = performance.now() - began
  if (pci.length !== devices) throw new Error(`${pci.length} of ${devices} devices were read`)
  return took
}

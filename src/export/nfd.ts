import { kubernetesName, renamed } from './names.js'
import type { Exported, ExportSubject, Withheld } from './subject.js'

/** What goes before a NIC's name. */
const NIC = 'nic-'

/** A Kubernetes label's name has 63 characters (apimachinery, IsQualifiedName); the longest ending has 10. */
const LONGEST = 63 - NIC.length - '.numa-node'.length

/**
 * Makes a feature file of Node Feature Discovery (its documentation, "Feature files"): `namespace/name=value`, one a line.
 * @throws {UserError} see `renamed`
 */
export function nfd({ offers, host, expires }: ExportSubject, withheld: Withheld): Exported {
  const named = renamed(offers, kubernetesName, LONGEST)
  const features = named.flatMap(({ as, units }) => {
    const ready = units.filter((unit) => withheld(unit) === null)
    const nodes = new Set(ready.flatMap(({ devices }) => devices.map(({ numaNode }) => numaNode)))
    const [node = null] = nodes
    const label = `${NIC}${as}`
    return [
      [label, ready.length],
      ...(nodes.size === 1 && node !== null ? [[`${label}.numa-node`, node]] : []),
    ]
  })
  const about = [
    ...(host.preemptRt === null ? [] : [['preempt-rt', host.preemptRt]]),
    ...(host.realtimeCpus === null ? [] : [['realtime-cpus', host.realtimeCpus.length]]),
  ]
  // Node Feature Discovery applies it to the lines that follow.
  const until = expires === null ? [] : [`# +expiry-time=${expires.toISOString().replace(/\.\d+Z$/, 'Z')}`]
  const lines = [...about, ...features].map(([key, value]) => `qemu-rt/${key}=${value}`)
  return { text: [...until, ...lines].map((line) => `${line}\n`).join(''), notes: [] }
}

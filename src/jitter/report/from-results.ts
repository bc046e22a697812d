import { printable } from '../../units/printable.js'
import { formatFloor, formatTimes } from '../floor/text.js'
import type { JitterHost } from '../host.js'
import { formatMicroseconds } from '../microseconds.js'
import { formatOsnoise } from '../osnoise/text.js'
import type { JitterResult } from '../result.js'
import type { Fact, ReportModel } from './model.js'

/**
 * What the page shows of one or two runs; the last one counts.
 * @param results one at least
 */
export function modelOf(results: readonly JitterResult[], host: JitterHost, time: Date): ReportModel {
  const last = results.at(-1)
  if (last === undefined) throw new RangeError('there is no result')
  const { floor } = last
  return {
    title: `Latency of a VM: ${nameOf(last)}`,
    subtitle: `${time.toISOString()}, ${last.seconds.toFixed(0)} s, ${last.accelerator.toUpperCase()}, ${where(last)}`,
    figures: figuresOf(results, last),
    curves: [
      ...results
        .toReversed()
        .map((result) => ({ name: `VM, ${nameOf(result)}`, histogram: result.histogram })),
      ...(floor?.host == null ? [] : [{ name: `host, ${floor.host.tool}`, histogram: floor.host.histogram }]),
    ],
    overTime: results
      .toReversed()
      .map((result) => ({ name: `VM, ${nameOf(result)}`, ...result.worstOverTime })),
    causes: last.causes ?? [],
    osnoise: last.osnoise === undefined ? [] : formatOsnoise(last.osnoise),
    explanations: last.explanations,
    floor: floor === undefined ? [] : formatFloor(floor),
    host: hostFacts(host),
  }
}

function figuresOf(results: readonly JitterResult[], last: JitterResult): Fact[] {
  const { worstMicroseconds, floor } = last
  const other = results.length > 1 ? results[0] : undefined
  return [
    { name: 'worst in the VM', value: formatMicroseconds(worstMicroseconds) },
    ...(floor?.host == null || floor.ratio === null
      ? []
      : [
          { name: 'worst on the host alone', value: formatMicroseconds(floor.host.worstMicroseconds) },
          { name: 'VM over host', value: `${formatTimes(floor.ratio)} ×` },
        ]),
    ...(other === undefined
      ? []
      : [{ name: `worst with ${nameOf(other)}`, value: formatMicroseconds(other.worstMicroseconds) }]),
  ]
}

/** Also for pictures, whose library shows any character as it is. */
function nameOf({ profile }: JitterResult): string {
  return profile === null ? 'best effort' : `profile '${printable(profile)}'`
}

function where({ vcpu }: JitterResult): string {
  const { number, cpus, policy, priority } = vcpu
  return cpus === null
    ? `vCPU ${number}`
    : `vCPU ${number} on CPU ${cpus}, ${priority ? `${policy} ${priority}` : policy}`
}

function hostFacts({ kernel, commandLine, cpuModel, microcode, checks }: JitterHost): Fact[] {
  const counts = Object.entries(checks?.counts ?? {}).map(([result, count]) => `${count} ${result}`)
  const not = (checks?.notPassed ?? []).map(({ id, result }) => `${id} (${result})`)
  const facts = [
    { name: 'Kernel', value: kernel },
    { name: 'Command line', value: commandLine },
    { name: 'Processor', value: cpuModel },
    { name: 'Microcode', value: microcode },
    { name: 'host check', value: counts.join(', ') || null },
    { name: 'Not passed', value: not.join(', ') || null },
  ]
  return facts.flatMap(({ name, value }) => (value === null ? [] : [{ name, value }]))
}

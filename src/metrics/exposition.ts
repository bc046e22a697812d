import { Counter, Gauge, Registry } from 'prom-client'
import { printableLines } from '../units/printable.js'
import { FAMILIES, type Family, type Sample } from './families.js'

/**
 * Writes samples in Prometheus' text format (prometheus.io/docs/instrumenting/exposition_formats). Families without a sample
 * are left out, and there are no timestamps: node_exporter's textfile collector refuses them.
 */
export async function exposition(samples: readonly Sample[]): Promise<string> {
  const registry = new Registry()
  for (const [key, family] of Object.entries<Family>(FAMILIES)) {
    const own = samples.filter((sample) => sample.family === key)
    if (own.length === 0) continue
    const { name, help, labels } = family
    const given = { name, help, labelNames: [...labels], registers: [registry] }
    const labelled = own.map((sample) => ({ by: named(labels, sample.labels), value: sample.value }))
    if (family.kind === 'counter') {
      const counter = new Counter(given)
      for (const { by, value } of labelled) counter.inc(by, value)
    } else {
      const gauge = new Gauge(given)
      for (const { by, value } of labelled) gauge.set(by, value)
    }
  }
  return registry.metrics()
}

function named(names: readonly string[], values: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name, index) => [name, printableLines(values[index] ?? '')]))
}

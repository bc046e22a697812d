import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { HELP, readArguments } from './arguments.js'
import { readMachine } from './common/machine.js'
import { measureSection, type Outcome } from './report/outcome.js'
import { resultsJson } from './report/results.js'
import { drawPlots } from './report/svg.js'
import { formatMachine, formatOutcome } from './report/text.js'
import { SECTIONS } from './sections.js'

/** Measures and writes the results. @returns the exit code */
async function bench(args: readonly string[]): Promise<number> {
  const read = readArguments(
    args,
    SECTIONS.map(({ name }) => name),
  )
  if (read.kind === 'mistake') {
    process.stderr.write(`bench: ${read.message}\n`)
    return 64
  }
  if (read.kind === 'help') {
    process.stdout.write(HELP)
    return 0
  }
  const { quick, only, out } = read
  mkdirSync(out, { recursive: true })
  const machine = readMachine()
  const printed: string[] = []
  const print = (text: string) => {
    printed.push(text)
    process.stdout.write(text)
  }
  print(formatMachine(machine, quick))
  const outcomes: Outcome[] = []
  for (const section of SECTIONS) {
    if (only.length > 0 && !only.includes(section.name)) continue
    print(`\n${section.title}\n\n`)
    const outcome = await measureSection(section, { quick })
    print(formatOutcome(outcome))
    outcomes.push(outcome)
  }
  writeFileSync(join(out, 'results.txt'), printed.join(''))
  writeFileSync(join(out, 'results.json'), resultsJson({ date: new Date(), machine, quick, outcomes }))
  for (const outcome of outcomes) await drawOutcome(outcome, out)
  return outcomes.some(({ kind }) => kind === 'failed') ? 1 : 0
}

async function drawOutcome(outcome: Outcome, out: string): Promise<void> {
  const plots = outcome.kind === 'measured' ? (outcome.measured.plots ?? []) : []
  if (plots.length === 0) return
  writeFileSync(join(out, `${outcome.section.name}.svg`), await drawPlots(outcome.section.title, plots))
}

// What a section has made or set it takes back when this process exits.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130))
// Whatever a section that failed has left open must not keep this process.
process.exit(await bench(process.argv.slice(2)))

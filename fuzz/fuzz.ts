import { writeSync } from 'node:fs'
import { HELP, readArguments } from './arguments.js'
import { type Finding, type Outcome, runTarget } from './common/run.js'
import { TARGETS } from './targets.js'

/** Fuzzes and prints what was found. @returns the exit code */
function fuzz(args: readonly string[]): number {
  const read = readArguments(
    args,
    TARGETS.map(({ name }) => name),
  )
  if (read.kind === 'mistake') {
    writeSync(2, `fuzz: ${read.message}\n`)
    return 64
  }
  if (read.kind === 'help') {
    writeSync(1, HELP)
    return 0
  }
  const { seed, only } = read
  const outcomes: Outcome[] = []
  for (const target of TARGETS) {
    if (only.length > 0 && !only.includes(target.name)) continue
    const outcome = runTarget(target, read)
    outcomes.push(outcome)
    const { runs, seconds, finding } = outcome
    writeSync(1, `${target.name}: ${runs} inputs in ${seconds.toFixed(1)} s (${target.title})\n`)
    if (finding !== null) writeSync(1, describeFinding(finding, seed))
  }
  const runs = outcomes.reduce((sum, outcome) => sum + outcome.runs, 0)
  const seconds = outcomes.reduce((sum, outcome) => sum + outcome.seconds, 0)
  const faults = outcomes.filter(({ finding }) => finding !== null).length
  writeSync(
    1,
    `seed ${seed}: ${runs} inputs in ${seconds.toFixed(1)} s, ${faults === 0 ? 'no faults' : `${faults} faults`}\n`,
  )
  return faults === 0 ? 0 : 1
}

/** Texts are escaped, as JSON has them: they are made to harm. */
function describeFinding({ target, index, problem, input }: Finding, seed: number): string {
  const escaped = (text: string) =>
    JSON.stringify(text).replace(
      /[\p{C}\p{Zl}\p{Zp}]/gu,
      (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
    )
  return [
    `  FAULT: ${escaped(problem).slice(1, -1)}`,
    ...input.map((text) => `    ${escaped(text)}`),
    `  again: npm run fuzz -- --seed ${seed} --only ${target} --from ${index} --runs 1`,
    '',
  ].join('\n')
}

process.exitCode = fuzz(process.argv.slice(2))

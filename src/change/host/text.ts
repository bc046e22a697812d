import type { Level } from '../../errors/finding.js'
import { writable } from './compare.js'
import type { HostPlan } from './plan.js'
import type { RuntimeSetting } from './settings.js'

/** A file, and how it is to change. */
export interface FileOutlook {
  readonly path: string
  readonly state: 'new' | 'changed' | 'as it is'
  readonly text: string
}

/** Writes a plan for people, a paragraph for each kind of change. */
export function planText(
  { runtime, overridden, commandLine, left, unmended }: HostPlan,
  files: readonly FileOutlook[],
): string {
  const paragraphs = [
    ['Set now:', ...(runtime.length === 0 ? ['  nothing, all is as wanted'] : runtime.map(valueLine))],
    files.length === 0
      ? []
      : [
          'Files that make it last:',
          ...files.flatMap(({ path, state, text }) => [
            `  ${path}: ${state}`,
            ...(state === 'as it is' ? [] : text.trimEnd().split('\n')).map((line) =>
              `    | ${line}`.trimEnd(),
            ),
          ]),
        ],
    overridden.length === 0 ? [] : ['Overridden by these files:', ...overridden.map((line) => `  ${line}`)],
    commandLine.add.length === 0 ? [] : parameterLines(commandLine),
    left.length === 0 ? [] : ['Left alone:', ...left.map(({ check, why }) => `  ${check}: ${why}`)],
    unmended.length === 0
      ? []
      : ['For you to mend or to decide, as qemu-rt host check says:', ...unmendedLines(unmended)],
  ]
  return `${paragraphs
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`
}

/** The worst first, a line each. */
const LEVELS: readonly Level[] = ['fail', 'warn', 'note']

function unmendedLines(unmended: HostPlan['unmended']): string[] {
  return LEVELS.flatMap((level) => {
    const checks = unmended.filter((one) => one.level === level).map(({ check }) => check)
    return checks.length === 0 ? [] : [`  ${level.toUpperCase()}: ${checks.join(', ')}`]
  })
}

function valueLine({ check, kind, name, form, now, wanted }: RuntimeSetting): string {
  const what = { file: name, cpus: `CPUs of ${name}`, policy: `policy of ${name}` }[kind]
  return `  ${what}: ${writable(form, now ?? '')} → ${wanted} (${check})`
}

function parameterLines({ remove, bootloader, advice }: HostPlan['commandLine']): string[] {
  const heading = bootloader === null ? '' : `, by ${bootloader}`
  return [
    `The kernel's command line, which you change yourself as root${heading}, and then reboot:`,
    ...advice.map((line) => `  ${line}`),
    ...(remove.length === 0 ? [] : [`  and take out what is there now: ${remove.join(' ')}`]),
  ]
}

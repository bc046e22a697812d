import { formatCpuSet } from '../../units/cpu-set.js'
import type { IsolationPlan } from './plan.js'
import { RESERVE_PATH } from './reserve-step.js'

/** Says what isolation does, for people. */
export function isolationText(
  { realtime, others, runtime, files: planned }: IsolationPlan,
  files: readonly { readonly path: string; readonly isThere: boolean }[],
): string {
  const lines = [
    'Isolated:',
    `  CPU ${formatCpuSet(realtime)}, as a partition: ${RESERVE_PATH}; a VM's vCPUs get their CPUs from there while it runs`,
    '',
    `Kept on CPU ${formatCpuSet(others)}:`,
    ...runtime.map(({ target }) => `  ${target}`),
    ...(planned.length === 0
      ? []
      : [
          '',
          'Files that make it last:',
          ...files.map(({ path, isThere }) => `  ${path}: ${isThere ? 'as it is' : 'written'}`),
        ]),
  ]
  return `${lines.join('\n')}\n`
}

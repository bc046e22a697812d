import { formatCpuSet } from '../../units/cpu-set.js'
import { CGROUPS } from './controller.js'
import { RESERVE_PATH, SWITCH_SLICE } from './group-steps.js'
import type { IsolationPlan } from './plan.js'

/** Says what isolation does, or would do, for people. */
export function isolationText(
  { realtime, switches, others, runtime, files: planned }: IsolationPlan,
  files: readonly { readonly path: string; readonly isThere: boolean }[],
  isDryRun: boolean,
): string {
  const lines = [
    ...(isDryRun ? ['A dry run: nothing was changed. host isolate would do this:', ''] : []),
    isDryRun ? 'To be isolated:' : 'Isolated:',
    `  CPU ${formatCpuSet(realtime)}, as a partition: ${RESERVE_PATH}; a VM's vCPUs get their CPUs from there while it runs`,
    ...(switches.length === 0
      ? []
      : [
          `  CPU ${formatCpuSet(switches)}, as a partition: ${CGROUPS}/${SWITCH_SLICE}; for the switch's service`,
        ]),
    '',
    `${isDryRun ? 'To be kept' : 'Kept'} on CPU ${formatCpuSet(others)}:`,
    ...runtime.map(({ target }) => `  ${target}`),
    ...(planned.length === 0
      ? []
      : [
          '',
          'Files that make it last:',
          ...files.map(
            ({ path, isThere }) =>
              `  ${path}: ${isThere ? 'as it is' : isDryRun ? 'to be written' : 'written'}`,
          ),
        ]),
  ]
  return `${lines.join('\n')}\n`
}

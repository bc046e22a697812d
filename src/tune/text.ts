import { quoteIfNeeded } from '../argv/shell.js'
import { COMMANDS } from '../change/threads.js'
import { isRealtime, type ThreadSetting } from '../plan/threads/thread-plan.js'
import { formatTable } from '../report/table.js'
import { formatCpuSet } from '../units/cpu-set.js'
import { printable } from '../units/printable.js'
import { deviationsFrom } from './deviations.js'
import { describeRole } from './roles.js'
import { describeTarget, type RunningQemu } from './targets.js'
import type { Tuned } from './tune.js'
import type { Wanted } from './wanted.js'

type Target = Pick<RunningQemu, 'guest' | 'pid'>

/** The commands that would set what differs, for a shell. */
export function commandsText(target: Target, wanted: readonly Wanted[]): string {
  const lines = deviationsFrom(wanted).flatMap((deviation) =>
    deviation.differs.map((aspect) => {
      const command = COMMANDS[aspect](deviation).map(quoteIfNeeded).join(' ')
      return `${command}  # ${printable(describeRole(deviation.role))}`
    }),
  )
  const nothing = ['# every thread is as wanted']
  return `# ${printable(describeTarget(target))}\n${(lines.length === 0 ? nothing : lines).join('\n')}\n`
}

/** What became of the threads that are to have something. */
export function tunedText(target: Target, { before, refusals, missing }: Tuned): string {
  // How many threads there are is QEMU's to say.
  const refusedTids = new Set(refusals.map(({ deviation: { thread } }) => thread.tid))
  const changedTids = new Set(deviationsFrom(before).map(({ thread }) => thread.tid))
  const rows = before.flatMap(({ thread, role, setting }) => {
    if (setting === null) return []
    const differed = changedTids.has(thread.tid) ? 'set' : 'was so'
    const outcome = refusedTids.has(thread.tid) ? 'refused' : differed
    return [[describeRole(role), String(thread.tid), ...describe(setting), outcome]]
  })
  const absent = missing.map((role) => [describeRole(role), '-', '-', '-', 'not found'])
  const table = formatTable([['THREAD', 'TID', 'CPUS', 'POLICY', ''], ...rows, ...absent])
  return `${printable(describeTarget(target))}\n${table}`
}

function describe({ cpus, policy, priority }: ThreadSetting): [string, string] {
  const scheduling = policy === null ? '-' : `${policy}${isRealtime({ policy }) ? ` ${priority}` : ''}`
  return [cpus === null ? '-' : formatCpuSet(cpus), scheduling]
}

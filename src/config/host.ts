import * as v from 'valibot'
import { type CpuSet, formatCpuSet, intersectCpuSets } from '../units/cpu-set.js'
import { cpuList } from './cpus.js'
import type { HostPolicy } from './policy.js'
import { names, parsed, table } from './values.js'

type SetName = keyof HostPolicy

/** [emulators]: QEMU's name of an architecture → path of the real QEMU. */
export const emulators = names(
  parsed(
    (path) => (path.startsWith('/') ? path : null),
    '$setting is not an absolute path; write where the real QEMU is, from / on',
  ),
  {
    isName: (name) => /^[a-z0-9_]+(-microvm)?$/.test(name),
    notName: "'$key' is not an architecture of QEMU; write it as in qemu-system-x86_64",
  },
)

/** [host]: the host's CPU sets; each CPU is in one of them at most. */
export const host = v.pipe(
  table({
    // Emulator, worker and I/O threads.
    housekeeping: v.optional(cpuList),
    // Isolated CPUs: what cpus = "auto" hands out.
    realtime: v.optional(cpuList),
    // The poll-mode switch's; never handed to a VM.
    switch: v.optional(cpuList),
  }),
  disjoint('realtime', 'housekeeping'),
  disjoint('switch', 'housekeeping'),
  disjoint('switch', 'realtime'),
  v.transform(
    (sets): HostPolicy => ({
      housekeeping: sets.housekeeping ?? null,
      realtime: sets.realtime ?? null,
      switch: sets.switch ?? null,
    }),
  ),
)

function overlap(other: SetName, cpus: CpuSet): string {
  return `$setting and ${other} share ${cpus.length === 1 ? 'CPU' : 'CPUs'} ${formatCpuSet(cpus)}; give each CPU to one set`
}

function disjoint(set: SetName, other: SetName) {
  type Sets = Partial<Record<SetName, CpuSet | undefined>>
  const shared = (sets: Sets) => intersectCpuSets(sets[set] ?? [], sets[other] ?? [])
  return v.forward(
    v.check(
      (sets: Sets) => shared(sets).length === 0,
      ({ input }) => overlap(other, shared(input)),
    ),
    [set],
  )
}

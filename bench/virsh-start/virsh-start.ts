import { existsSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { max, median } from 'simple-statistics'
import { inTurn } from '../common/in-turn.js'
import { isRoot, PATH, withScratch } from '../common/project.js'
import type { Measured, Section, Table } from '../common/section.js'
import { tunersEnded } from '../common/tuners.js'
import { define, FILES, FORMS, type Form, makeIdleHook, showHook } from './forms.js'
import { canMakeNamespaces, type Libvirt, startLibvirt } from './libvirt.js'

const PROGRAMS = ['qemu-system-x86_64', 'libvirtd', 'virtlogd', 'virsh', 'nsenter', 'setpriv', 'unshare']

export const virshStartSection: Section = {
  name: 'virsh-start',
  title: 'virsh start, with and without the wrapper',
  obstacle: () => {
    const missing = PROGRAMS.filter((program) => !isInPath(program))
    if (missing.length > 0)
      return `not found: ${missing.join(', ')}; apt install qemu-system-x86 libvirt-daemon-system util-linux`
    if (!isRoot()) return 'libvirtd is started in namespaces of its own: run it as root'
    if (cpus().length < 2) return 'a vCPU gets a CPU of its own: run it where there are two or more'
    return canMakeNamespaces() ? null : 'no namespaces can be made: run it outside of a container'
  },
  measure: ({ quick }) => withScratch((scratch) => measure(scratch, quick ? 1 : 10)),
}

function isInPath(program: string): boolean {
  return PATH.split(':').some((directory) => existsSync(join(directory, program)))
}

interface Row extends Pick<Form, 'form'> {
  readonly medianMs: number
  readonly worstMs: number
  /** Its median by that of a start without the wrapper. */
  readonly toDirect: number
}

async function measure(scratch: string, starts: number): Promise<Measured> {
  const libvirt = await startLibvirt(scratch, FILES)
  try {
    await makeIdleHook(libvirt)
    for (const form of FORMS) await define(libvirt, form)
    const samples = await inTurn(FORMS, starts, (form) => measureStart(libvirt, form))
    const directMs = median(samples[0] ?? [])
    const rows = FORMS.map(({ form }, index): Row => {
      const times = samples[index] ?? []
      return { form, medianMs: median(times), worstMs: max(times), toDirect: median(times) / directMs }
    })
    return { figures: { starts, rows }, tables: [table(rows, starts)], aims: [] }
  } finally {
    await libvirt.stop()
  }
}

/** Milliseconds until `virsh start` has ended, which is when libvirt lets the guest run. */
async function measureStart(libvirt: Libvirt, form: Form): Promise<number> {
  await showHook(libvirt, form)
  const began = performance.now()
  await libvirt.virsh('start', form.domain)
  const took = performance.now() - began
  await libvirt.virsh('destroy', form.domain)
  await tunersEnded()
  return took
}

function table(rows: readonly Row[], starts: number): Table {
  return [
    [`emulator (${starts} starts)`, 'median ms', 'worst', 'to no wrapper'],
    ...rows.map(({ form, medianMs, worstMs, toDirect }) => [
      FORMS.find((one) => one.form === form)?.title ?? form,
      medianMs.toFixed(0),
      worstMs.toFixed(0),
      toDirect.toFixed(2),
    ]),
  ]
}

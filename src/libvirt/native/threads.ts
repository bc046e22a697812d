import type { CommandLine } from '../../argv/command-line.js'
import type { Profile } from '../../config/policy.js'
import type { Plan } from '../../plan/plan.js'
import { iothreadIds } from '../../plan/threads/plan-threads.js'
import type { ThreadPlan, ThreadSetting } from '../../plan/threads/thread-plan.js'
import { type CpuSet, formatCpuSet } from '../../units/cpu-set.js'
import type { Domain } from '../domain.js'
import { childOf, childrenOf } from '../xml.js'
import { ensureChild, remove, type TextEdit, type WantedElement } from './splice.js'

/** What is changed, and what libvirt cannot be told, a line each. */
export interface Translation {
  readonly edits: readonly TextEdit[]
  readonly remains: readonly string[]
}

/**
 * Says to libvirt where a domain's threads run and how they are scheduled (libvirt docs/formatdomain.rst, "CPU Tuning").
 * CPUs that are chosen at launch it cannot be told, and then not the policy of these threads either: a real-time thread
 * must have its CPU first.
 */
export function threadEdits(
  source: string,
  { root }: Domain,
  { threads, line }: Pick<Plan, 'threads' | 'line'>,
  profile: Profile | null,
): Translation {
  if (threads === null || profile === null) return { edits: [], remains: [] }
  const cputune = childOf(root, 'cputune')
  const isAuto = (choice: { readonly cpus: unknown } | null) => choice?.cpus === 'auto'
  const vcpus = isAuto(profile.vcpus) ? [] : threads.vcpus
  const emulator = isAuto(profile.emulator) ? null : threads.emulator
  const { numbered, others } = iothreads(line, threads, profile)
  const schedules = schedulesOf(vcpus)
  const old = childrenOf(cputune, 'vcpusched')
  const isSame =
    old.length === schedules.length && schedules.every((one) => old.some((two) => says(two.attributes, one)))
  const wanted: WantedElement[] = [
    ...vcpus.flatMap(({ vcpu, cpus }) => pin('vcpupin', { vcpu: String(vcpu) }, cpus)),
    ...pin('emulatorpin', {}, emulator?.cpus ?? null),
    ...numbered.flatMap(({ id, setting }) => pin('iothreadpin', { iothread: id }, setting.cpus)),
    ...(isSame
      ? []
      : schedules.map((attributes) => ({ name: 'vcpusched', attributes, key: Object.keys(attributes) }))),
    ...(!emulator || !isSaid(emulator) ? [] : [{ name: 'emulatorsched', attributes: schedule(emulator) }]),
    ...numbered.flatMap(({ id, setting }) =>
      !isSaid(setting)
        ? []
        : [
            {
              name: 'iothreadsched',
              attributes: { iothreads: id, ...schedule(setting) },
              key: ['iothreads'],
            },
          ],
    ),
  ]
  return {
    // libvirt refuses a vCPU that has two of them.
    edits: [
      ...ensureChild(source, root, 'cputune', wanted),
      ...(isSame ? [] : old.filter(({ attributes }) => !schedules.some((one) => says(attributes, one)))).map(
        (element) => remove(source, element),
      ),
    ],
    remains: [
      ...(isAuto(profile.vcpus)
        ? ['vCPUs: their CPUs are chosen at launch (auto), so their policy is set then, too']
        : []),
      ...(isAuto(profile.emulator) ? ['emulator threads: their CPUs are chosen at launch (auto)'] : []),
      ...others.map(
        (id) =>
          `I/O thread '${id}': ${isChosen(profile) ? 'its CPU is chosen at launch (auto)' : 'libvirt does not know it'}`,
      ),
      ...(profile.workers === null ? [] : ['worker threads: libvirt cannot tell them from emulator threads']),
      ...(profile.vhost === null ? [] : ['vhost threads: libvirt cannot tell them from emulator threads']),
    ],
  }
}

/** libvirt's I/O threads are numbered; their objects are called `iothreadN` (src/qemu/qemu_alias.c). */
function iothreads(line: CommandLine, threads: ThreadPlan, profile: Profile) {
  const others = { cpus: threads.emulator?.cpus ?? null, policy: null, priority: null }
  const known = iothreadIds(line).map((name) => ({
    name,
    id: isChosen(profile) ? undefined : /^iothread(\d+)$/.exec(name)?.[1],
    // One without a setting of its own goes where emulator threads go, which libvirt does not do by itself.
    setting: threads.iothreads.find(({ id }) => id === name) ?? others,
  }))
  return {
    numbered: known.flatMap(({ id, setting }) => (id === undefined ? [] : [{ id, setting }])),
    others: known.filter(({ id }) => id === undefined).map(({ name }) => name),
  }
}

function isChosen({ iothreads: choice }: Profile): boolean {
  return choice !== null && 'cpus' in choice && choice.cpus === 'auto'
}

function pin(name: string, which: Readonly<Record<string, string>>, cpus: CpuSet | null): WantedElement[] {
  if (cpus === null) return []
  return [{ name, attributes: { ...which, cpuset: formatCpuSet(cpus) }, key: Object.keys(which) }]
}

type Attributes = Readonly<Record<string, string>>

/** vCPUs that are scheduled alike, together. */
function schedulesOf(vcpus: ThreadPlan['vcpus']): Attributes[] {
  const groups = new Map<string, { readonly setting: ThreadSetting; readonly vcpus: number[] }>()
  for (const { vcpu, ...setting } of vcpus) {
    if (!isSaid(setting)) continue
    const key = `${setting.policy} ${setting.priority}`
    const group = groups.get(key) ?? { setting, vcpus: [] }
    group.vcpus.push(vcpu)
    groups.set(key, group)
  }
  return [...groups.values()].map((group) => ({
    vcpus: formatCpuSet(group.vcpus),
    ...schedule(group.setting),
  }))
}

/** libvirt sets a policy where one is said, and knows no word for the usual one. */
function isSaid({ policy }: ThreadSetting): boolean {
  return policy !== null && policy !== 'other'
}

function schedule({ policy, priority }: ThreadSetting): Attributes {
  return { scheduler: policy ?? 'other', ...(priority === null ? {} : { priority: String(priority) }) }
}

function says(attributes: Attributes, wanted: Attributes): boolean {
  return Object.entries(wanted).every(([name, value]) => attributes[name] === value)
}

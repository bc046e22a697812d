import type { CommandLine } from '../../argv/command-line.js'
import type { Profile } from '../../config/policy.js'
import type { Plan } from '../../plan/plan.js'
import { iothreadIds } from '../../plan/threads/plan-threads.js'
import type { ThreadPlan, ThreadSetting } from '../../plan/threads/thread-plan.js'
import { type CpuSet, formatCpuSet, parseCpuSet, unionCpuSets } from '../../units/cpu-set.js'
import { emulatorKinds, iothreadNumber } from '../contradictions.js'
import { type Cputune, readCputune } from '../cputune.js'
import type { Domain } from '../domain.js'
import { childOf, childrenOf, type XmlElement } from '../xml.js'
import { ensureChild, remove, removeAttribute, type TextEdit, type WantedElement } from './splice.js'

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
  const said = readCputune(root)
  const vcpus = isAuto(profile.vcpus) ? [] : threads.vcpus
  const { numbered, others } = iothreads(line, threads, profile)
  const emulator = emulatorGroup(threads, profile, said)
  // What the wrapper chooses must not be limited by what libvirt does to every thread without a pin.
  const isFreed =
    said.otherPin !== null &&
    (isAuto(profile.vcpus) || isChosen(profile) || emulator.isHanded || emulator.isKeptByNumad)
  const free = isFreed ? (said.otherPin?.cpus ?? null) : null
  const vcpu = childOf(root, 'vcpu')
  const wanted: WantedElement[] = [
    ...pinnedVcpus(vcpus, isAuto(profile.vcpus) ? null : free, said, vcpu),
    ...(emulator.isHanded ? [] : pin('emulatorpin', {}, emulator.cpus ?? (said.emulatorPin ? null : free))),
    ...numbered.flatMap(({ id, setting, isHanded }) =>
      isHanded
        ? []
        : pin(
            'iothreadpin',
            { iothread: id },
            setting.cpus ?? (said.iothreadPins.has(Number(id)) ? null : free),
          ),
    ),
  ]
  const handed = [
    ...(isAuto(profile.vcpus) ? childrenOf(cputune, 'vcpupin') : []),
    ...(emulator.isHanded ? childrenOf(cputune, 'emulatorpin') : []),
    ...childrenOf(cputune, 'iothreadpin').filter(
      ({ attributes }) =>
        isChosen(profile) ||
        numbered.some(({ id, isHanded }) => isHanded && Number(id) === Number(attributes.iothread)),
    ),
  ]
  const scheduled = scheduleEdits(cputune, threads, vcpus, emulator.isHanded, numbered, isChosen(profile))
  return {
    edits: [
      ...ensureChild(source, root, 'cputune', [...wanted, ...scheduled.wanted]),
      ...[...handed, ...scheduled.gone].map((element) => remove(source, element)),
      ...(isFreed && vcpu !== null
        ? [
            ...removeAttribute(source, vcpu, 'cpuset'),
            ...(vcpu.attributes.placement === 'auto' ? removeAttribute(source, vcpu, 'placement') : []),
          ]
        : []),
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

function isAuto(choice: { readonly cpus: unknown } | null): boolean {
  return choice?.cpus === 'auto'
}

/** The threads of libvirt's emulator group, which it cannot tell apart: their CPUs, or that the wrapper chooses some. */
function emulatorGroup(threads: ThreadPlan, profile: Profile, { emulatorPin, otherPin }: Cputune) {
  const all = emulatorKinds(threads).flatMap(([, { cpus }]) => cpus ?? [])
  const isHanded = [profile.emulator, profile.workers, profile.vhost].some(isAuto) || isChosen(profile)
  const now = threads.emulator?.cpus ?? emulatorPin?.cpus ?? otherPin?.cpus ?? null
  const isOutside = all.some((cpu) => now?.includes(cpu) !== true)
  const isSaidByProfile = threads.emulator?.cpus != null
  const cpus = now !== null && (isSaidByProfile || isOutside) ? unionCpuSets(now, all) : null
  return { isHanded, cpus, isKeptByNumad: all.length > 0 && otherPin?.cpus === null && now === null }
}

/** Pins of vCPUs that the profile places, and of those that have had their CPUs from an attribute that goes. */
function pinnedVcpus(
  vcpus: ThreadPlan['vcpus'],
  free: CpuSet | null,
  { vcpuPins }: Cputune,
  element: XmlElement | null,
): WantedElement[] {
  const count = free === null ? 0 : Math.min(Number(/^\d+$/.exec(element?.text ?? '')?.[0] ?? 1), MOST_VCPUS)
  const placed = new Map(vcpus.map(({ vcpu, cpus }) => [vcpu, cpus]))
  const all = Array.from({ length: Math.max(count, vcpus.length) }, (_, vcpu) => vcpu)
  return all.flatMap((vcpu) =>
    pin('vcpupin', { vcpu: String(vcpu) }, placed.get(vcpu) ?? (vcpuPins.has(vcpu) ? null : free)),
  )
}

/** More than any machine type has. */
const MOST_VCPUS = 8192

/** libvirt refuses a thread with two schedules: those that the profile says give way, and others stay. */
function scheduleEdits(
  cputune: XmlElement | null,
  threads: ThreadPlan,
  vcpus: ThreadPlan['vcpus'],
  isEmulatorHanded: boolean,
  numbered: readonly { readonly id: string; readonly setting: ThreadSetting; readonly isHanded: boolean }[],
  areIothreadsHanded: boolean,
) {
  const areVcpusSaid = threads.vcpus.some(({ policy }) => policy !== null)
  const iothreadsSaid = new Set(
    areIothreadsHanded
      ? threads.iothreads.flatMap(({ id, policy }) => (policy === null ? [] : [iothreadNumber(id) ?? -1]))
      : numbered.flatMap(({ id, setting }) => (setting.policy === null ? [] : [Number(id)])),
  )
  const emulatorSaid = threads.emulator?.policy != null
  const kinds = [
    {
      name: 'vcpusched',
      key: 'vcpus',
      isSaid: () => areVcpusSaid,
      wanted: areVcpusSaid ? schedulesOf(vcpus) : [],
    },
    {
      name: 'iothreadsched',
      key: 'iothreads',
      isSaid: (id: number) => iothreadsSaid.has(id),
      wanted: numbered.flatMap(({ id, setting, isHanded }) =>
        isSaid(setting) && !isHanded ? [{ iothreads: id, ...schedule(setting) }] : [],
      ),
    },
  ].map(({ name, key, isSaid, wanted }) => {
    const old = childrenOf(cputune, name)
    const rest = old.flatMap(({ attributes }) => {
      const ids = parseCpuSet(attributes[key] ?? '') ?? []
      const kept = ids.filter((id) => !isSaid(id))
      return kept.length === 0 || kept.length === ids.length
        ? []
        : [{ ...attributes, [key]: formatCpuSet(kept) }]
    })
    const all: Attributes[] = [...wanted, ...rest]
    const gone = old.filter(({ attributes }) => {
      const ids = parseCpuSet(attributes[key] ?? '') ?? []
      return ids.some(isSaid) && !all.some((one) => says(attributes, one) && says(one, attributes))
    })
    const missing = all.filter((one) => !old.some(({ attributes }) => says(attributes, one)))
    // Elements are told apart by all that they say, so that one of the same vCPUs is not taken for it.
    return { gone, wanted: missing.map((attributes) => ({ name, attributes, key: Object.keys(attributes) })) }
  })
  const emulator = threads.emulator
  const isEmulatorWanted = emulator !== null && isSaid(emulator) && !isEmulatorHanded
  return {
    wanted: [
      ...kinds.flatMap(({ wanted }) => wanted),
      ...(isEmulatorWanted ? [{ name: 'emulatorsched', attributes: schedule(emulator) }] : []),
    ] satisfies WantedElement[],
    gone: [
      ...kinds.flatMap(({ gone }) => gone),
      ...(emulatorSaid && !isEmulatorWanted ? childrenOf(cputune, 'emulatorsched') : []),
    ],
  }
}

/** libvirt's I/O threads are numbered; their objects are called `iothreadN` (src/qemu/qemu_alias.c). */
function iothreads(line: CommandLine, threads: ThreadPlan, profile: Profile) {
  const known = iothreadIds(line).map((name) => {
    const own = threads.iothreads.find(({ id }) => id === name)
    // One without a setting of its own goes where emulator threads go, which libvirt does not do by itself.
    const setting: ThreadSetting = own ?? threads.emulator ?? { cpus: null, policy: null, priority: null }
    const isHanded = isChosen(profile) || (own === undefined && isAuto(profile.emulator))
    return { name, id: isChosen(profile) ? undefined : /^iothread(\d+)$/.exec(name)?.[1], setting, isHanded }
  })
  return {
    numbered: known.flatMap(({ id, setting, isHanded }) =>
      id === undefined ? [] : [{ id, setting, isHanded }],
    ),
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

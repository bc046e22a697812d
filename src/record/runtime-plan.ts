import type { SchedPolicy } from '../config/policy.js'
import type { ThreadPlan, ThreadSetting } from '../plan/threads/thread-plan.js'
import { type CpuSet, formatCpuSet, parseCpuSet } from '../units/cpu-set.js'
import { type PciAddress, parsePciAddress } from '../units/pci-address.js'
import { asList, asNumber, asObject, asText, parseObject } from './untrusted-json.js'

/** Variable of QEMU's environment that carries the plan, so that `status` and `tune` need no state of their own. */
export const PLAN_VARIABLE = 'QEMU_RT_PLAN'

/** Variable that tells the tuner its plan: not QEMU's, by which a QEMU with a plan is recognised. */
export const TUNE_VARIABLE = 'QEMU_RT_TUNE'

/** What was planned for a VM that runs. */
export interface RuntimePlan {
  /** Tells this launch from every other: by it QEMU is found again after `-daemonize`. */
  readonly id: string
  readonly guest: { readonly name: string | null; readonly uuid: string | null }
  readonly profile: string | null
  /** Whether the VM is stopped when its threads cannot be set. */
  readonly strict: boolean
  readonly nics: readonly { readonly name: string; readonly address: PciAddress }[]
  /** What no other VM may have while this one runs. */
  readonly lease: Lease | null
  readonly threads: ThreadPlan | null
  /** How many vCPU threads there are from the start. */
  readonly vcpusAtStart: number
  /** Whether somebody starts the guest later (`-S`), as libvirt does when it has placed the threads itself. */
  readonly startsPaused: boolean
  /** Whether QEMU goes on as a child of the process that was started (`-daemonize`). */
  readonly daemonizes: boolean
}

export interface Lease {
  readonly nics: readonly PciAddress[]
  readonly cpus: CpuSet
}

/** Writes a thread plan as the plan's JSON has it: CPUs as lists, keys that say nothing left out. */
export function threadsToJson({ vcpus, emulator, iothreads, workers, vhost }: ThreadPlan): object {
  return {
    vcpus: vcpus.map(({ vcpu, ...setting }) => ({ vcpu, ...settingToJson(setting) })),
    emulator: emulator === null ? undefined : settingToJson(emulator),
    iothreads: iothreads.map(({ id, ...setting }) => ({ id, ...settingToJson(setting) })),
    workers: workers === null ? undefined : settingToJson(workers),
    vhost: vhost === null ? undefined : settingToJson(vhost),
  }
}

function settingToJson({ cpus, policy, priority }: ThreadSetting): object {
  return {
    cpus: cpus === null ? undefined : formatCpuSet(cpus),
    policy: policy ?? undefined,
    priority: priority ?? undefined,
  }
}

/** Writes a lease as the plan's JSON has it. */
export function leaseToJson({ nics, cpus }: Lease): object {
  return { nics, cpus: formatCpuSet(cpus) }
}

/** The text of `QEMU_RT_PLAN`. */
export function formatRuntimePlan(plan: RuntimePlan): string {
  return JSON.stringify({
    version: 1,
    ...plan,
    lease: plan.lease === null ? null : leaseToJson(plan.lease),
    threads: plan.threads === null ? null : threadsToJson(plan.threads),
  })
}

/**
 * Reads what `formatRuntimePlan` wrote. Any user may write such a variable, so nothing in it is taken for granted.
 * @returns null when it is not such a plan
 */
export function parseRuntimePlan(text: string): RuntimePlan | null {
  const json = parseObject(text)
  if (json?.version !== 1 || typeof json.id !== 'string' || !/^[\w-]{8,64}$/.test(json.id)) return null
  const guest = asObject(json.guest)
  return {
    id: json.id,
    guest: { name: asText(guest.name), uuid: asText(guest.uuid) },
    profile: asText(json.profile),
    strict: json.strict === true,
    nics: asList(json.nics).flatMap((nic) => {
      const address = parsePciAddress(asText(nic.address) ?? '')
      return address === null ? [] : [{ name: asText(nic.name) ?? '', address }]
    }),
    lease: parseLease(json.lease),
    threads: parseThreads(json.threads),
    vcpusAtStart: asNumber(json.vcpusAtStart) ?? 1,
    startsPaused: json.startsPaused === true,
    daemonizes: json.daemonizes === true,
  }
}

/** Reads a lease as `leaseToJson` writes it; null for null, or when it is none. */
export function parseLease(json: unknown): Lease | null {
  if (typeof json !== 'object' || json === null) return null
  const { nics, cpus } = asObject(json)
  const addresses = Array.isArray(nics) ? nics.map((nic) => parsePciAddress(asText(nic) ?? '')) : []
  return {
    nics: addresses.filter((address) => address !== null),
    cpus: parseCpuSet(asText(cpus) ?? '') ?? [],
  }
}

function parseThreads(json: unknown): ThreadPlan | null {
  if (typeof json !== 'object' || json === null) return null
  const { vcpus, emulator, iothreads, workers, vhost } = asObject(json)
  return {
    vcpus: asList(vcpus).flatMap((one) => {
      const vcpu = asNumber(one.vcpu)
      return vcpu === null ? [] : [{ vcpu, ...parseSetting(one) }]
    }),
    emulator: emulator === undefined ? null : parseSetting(asObject(emulator)),
    iothreads: asList(iothreads).map((one) => ({ id: asText(one.id) ?? '', ...parseSetting(one) })),
    workers: workers === undefined ? null : parseSetting(asObject(workers)),
    vhost: vhost === undefined ? null : parseSetting(asObject(vhost)),
  }
}

const POLICIES: readonly SchedPolicy[] = ['other', 'batch', 'idle', 'fifo', 'rr']

function parseSetting({ cpus, policy, priority }: Record<string, unknown>): ThreadSetting {
  const set = parseCpuSet(asText(cpus) ?? '') ?? []
  const rank = asNumber(priority)
  return {
    cpus: set.length === 0 ? null : set,
    policy: POLICIES.find((known) => known === policy) ?? null,
    priority: rank !== null && rank >= 1 && rank <= 99 ? rank : null,
  }
}

import { type CommandLine, findOptions, mergedValue, placeOf, propertiesAt } from '../../argv/command-line.js'
import type { Properties } from '../../argv/properties.js'
import { badMemorySize } from '../../errors/command-line.js'
import { type Bytes, parseBytes } from '../../units/bytes.js'
import { parseCpuSet } from '../../units/cpu-set.js'
import { defaultMachine, defaultRam } from './machines.js'
import { ENCLAVE, MEMORY_DEVICES } from './memory-devices.js'
import { virtioMemDevices } from './virtio-mem.js'

/** A `memory-backend-*` object of the command line. */
export interface Backend {
  readonly index: number
  readonly id: string
  /** `memory-backend-ram`, `memory-backend-file`, … */
  readonly type: string
  readonly properties: Properties
}

/** Something that names a memory backend, and whether what it maps is guest RAM. */
export interface BackendUse {
  readonly id: string
  /** For reasons and warnings: `-machine memory-backend=`, `-numa node,memdev=`, `pc-dimm 'dimm0'`. */
  readonly user: string
  readonly guestRam: boolean
  /** For what is not guest RAM: why it is left alone, where that deserves a warning. */
  readonly because: string | null
}

/** Every memory backend object on the command line. */
export function memoryBackends(line: CommandLine): Backend[] {
  return findOptions(line, 'object').flatMap(({ index }) => {
    const properties = propertiesAt(line, index)
    const type = properties.get('qom-type') ?? ''
    const id = properties.get('id') ?? ''
    return type.startsWith('memory-backend-') ? [{ index, id, type, properties }] : []
  })
}

/** The machine type as given, or the one that QEMU takes when none is; null when there is no such. */
export function machineType(line: CommandLine, arch: string): string | null {
  return mergedValue(line, 'machine', 'type') ?? defaultMachine(arch)
}

/** Every use of a memory backend on the command line, base RAM first. */
export function backendUses(line: CommandLine): BackendUse[] {
  return [...baseRamUses(line), ...enclaveUses(line), ...deviceUses(line)]
}

/** `-machine sgx-epc.0.memdev=ID` (QEMU 6.2, hw/i386/sgx.c). */
function enclaveUses(line: CommandLine): BackendUse[] {
  return findOptions(line, 'machine').flatMap(({ index }) => {
    const machine = propertiesAt(line, index)
    const keys = machine.keys.filter((key) => /^sgx[-_]epc\.\d+\.memdev$/.test(key))
    return keys.map((key) => ({
      id: machine.get(key) ?? '',
      user: `-machine ${key}=`,
      guestRam: false,
      because: ENCLAVE,
    }))
  })
}

const RAM = { guestRam: true, because: null }

/** Backends that hold the base RAM: the machine's one, or one for each NUMA node. */
export function baseRamUses(line: CommandLine): BackendUse[] {
  const machine = mergedValue(line, 'machine', 'memory-backend')
  const nodes = findOptions(line, 'numa')
    .map(({ index }) => propertiesAt(line, index))
    .filter((numa) => numa.get('type') === 'node')
    .flatMap((numa) => numa.get('memdev') ?? [])
  return [
    ...(machine === undefined ? [] : [{ id: machine, user: '-machine memory-backend=', ...RAM }]),
    ...nodes.map((id) => ({ id, user: '-numa node,memdev=', ...RAM })),
  ]
}

function deviceUses(line: CommandLine): (BackendUse & { readonly isMapped: boolean })[] {
  return findOptions(line, 'device').flatMap(({ index }) => {
    const device = propertiesAt(line, index)
    const name = device.get('id')
    return MEMORY_DEVICES.filter(({ driver }) => driver === device.get('driver')).flatMap(
      ({ driver, keys, guestRam, mapped: isMapped = false, because = null }) => {
        const user = name === undefined ? driver : `${driver} '${name}'`
        const ids = keys.flatMap((key) => device.get(key) ?? [])
        return ids.map((id) => ({ id, user, guestRam, isMapped, because }))
      },
    )
  })
}

/**
 * The size that `-m` gives the base RAM: QEMU counts a bare number in MiB and rounds up to 8 KiB
 * (QEMU 7.2 softmmu/vl.c, parse_memory_options and qemu_resolve_machine_memdev).
 * @returns null when no `-m` gives a size
 * @throws {UserError} exit 65 when the size does not parse
 */
export function baseRamBytes(line: CommandLine): Bytes | null {
  const sized = findOptions(line, 'm').findLast(
    ({ index, option }) =>
      // `-m ''` says nothing, and `-m size=` is an error.
      option.argument?.text !== '' && propertiesAt(line, index).get('size') !== undefined,
  )
  if (sized === undefined) return machineRamBytes(line)
  const size = propertiesAt(line, sized.index).get('size') ?? ''
  const bytes = parseBytes(size, 'm')
  if (bytes === null) throw badMemorySize({ ...placeOf(line, sized.index), size })
  // A size of 0 means the machine's default.
  if (bytes === 0n) return null
  return ((bytes + 8191n) / 8192n) * 8192n
}

/** `-machine memory.size=`, which -m is short for (QEMU 7.1, hw/core/machine.c, machine_set_mem): in bytes, not MiB. */
function machineRamBytes(line: CommandLine): Bytes | null {
  const size = mergedValue(line, 'machine', 'memory.size')
  if (size === undefined) return null
  const bytes = parseBytes(size)
  const index = findOptions(line, 'machine').at(-1)?.index ?? 0
  if (bytes === null) throw badMemorySize({ ...placeOf(line, index), size })
  return bytes
}

/**
 * The size of a memory backend.
 * @throws {UserError} exit 65 when it does not parse
 */
export function backendBytes(line: CommandLine, { index, properties }: Backend): Bytes {
  const size = properties.get('size') ?? '0'
  const bytes = parseBytes(size)
  if (bytes === null) throw badMemorySize({ ...placeOf(line, index), size })
  return bytes
}

/**
 * The size of the backend that `-machine memory-backend=` names, which is the base RAM's where no -m says another (QEMU 7.2
 * softmmu/vl.c, qemu_resolve_machine_memdev); null without.
 */
function machineBackendBytes(line: CommandLine): Bytes | null {
  const id = mergedValue(line, 'machine', 'memory-backend')
  const backend = memoryBackends(line).find((one) => one.id === id)
  return backend === undefined ? null : backendBytes(line, backend)
}

/**
 * All RAM of the guest: the base RAM, and what memory devices map from the start. A base RAM of a size that is not known
 * counts as none.
 */
export function guestRamBytes(line: CommandLine, arch: string): Bytes {
  const base =
    baseRamBytes(line) ?? machineBackendBytes(line) ?? defaultRam(arch, machineType(line, arch))?.bytes ?? 0n
  const used = new Set(deviceUses(line).flatMap(({ id, guestRam }) => (guestRam ? [id] : [])))
  const backends = memoryBackends(line).filter(({ id }) => used.has(id))
  const requested = new Map(virtioMemDevices(line).map((device) => [device.memdev, device.requested]))
  const bytes = (backend: Backend) => requested.get(backend.id) ?? backendBytes(line, backend)
  return backends.reduce((sum, backend) => sum + bytes(backend), base)
}

/** What is in the guest's address space besides its RAM: NVDIMMs and other memory of devices. */
export function otherMappedBytes(line: CommandLine): Bytes {
  const used = new Set(deviceUses(line).flatMap(({ id, isMapped }) => (isMapped ? [id] : [])))
  const backends = memoryBackends(line).filter(({ id }) => used.has(id))
  return backends.reduce((sum, backend) => sum + backendBytes(line, backend), 0n)
}

/**
 * NUMA nodes that a backend can take its pages from alone. The other policies are wishes: where a preferred node or the
 * next in turn has no huge page, the kernel takes one elsewhere (Linux mm/mempolicy.c, policy_nodemask).
 * @returns none when it may take them anywhere
 */
export function boundNodes(backend: Backend): readonly number[] {
  return backend.properties.get('policy') === 'bind' ? hostNodes(backend) : []
}

/**
 * QEMU starts no guest with more NUMA nodes, and knows no node of the host of this number or above (include/system/numa.h,
 * MAX_NODES; backends/hostmem.c, host_memory_backend_set_host_nodes). What is written of others need not be read.
 */
export const MOST_NODES = 128

/**
 * NUMA nodes of the host that a backend takes its pages from: `host-nodes=0-1`, `host-nodes.0=0`, or a JSON list.
 * @returns none when it may take them anywhere
 */
export function hostNodes({ properties }: Backend): readonly number[] {
  const nodes = new Set<number>()
  for (const key of properties.keys) {
    if (nodes.size >= MOST_NODES) break
    if (!/^host-nodes(\.\d+)?$/.test(key)) continue
    const list = parseCpuSet((properties.get(key) ?? '').replace(/[[\]\s]/g, '')) ?? []
    for (const node of list.slice(0, MOST_NODES)) nodes.add(node)
  }
  return [...nodes]
}

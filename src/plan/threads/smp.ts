import { type CommandLine, findOptions, mergedValue, propertiesAt } from '../../argv/command-line.js'
import { badVcpuCount, tooManyVcpus } from '../../errors/threads.js'
import { parseInteger } from '../../units/integer.js'
import type { ThreadPlan } from './thread-plan.js'

/** How many vCPUs a guest has. */
export interface VcpuCount {
  /** From the start, so that QEMU makes a thread for each. */
  readonly present: number
  /** Which these are, ascending: the command line can plug any of those that are possible. */
  readonly numbers: readonly number[]
  /** With those that can be plugged later. */
  readonly possible: number
  /** Of a core of the guest's: vCPUs 0 and 1 are siblings when it is 2. */
  readonly threads: number
}

/** Keys of -smp whose product is the number of possible vCPUs (QEMU 10.0 hw/core/machine-smp.c). */
const LEVELS = ['drawers', 'books', 'sockets', 'dies', 'clusters', 'modules', 'cores', 'threads'] as const

type Key = (typeof LEVELS)[number] | 'cpus' | 'maxcpus'

/**
 * What the largest machines have: q35 (QEMU 11.1, hw/i386/pc_q35.c, max_cpus) and pseries (hw/ppc/spapr.c,
 * SPAPR_IRQ_NR_IPIS). -smp -1 is 4294967295, which QEMU refuses for that.
 */
const MOST_VCPUS = 4096

/**
 * Counts vCPUs as QEMU does (hw/core/machine-smp.c, machine_parse_smp_config): `-smp 4`, `-smp 2,maxcpus=4`,
 * `-smp sockets=1,cores=2,threads=2`, in several -smp and in `-machine smp.cpus=` too; and vCPUs that the command line
 * plugs itself (`-device host-x86_64-cpu,…`). Whether cores or sockets are computed first, which machine types before 6.2
 * do the other way round, makes no difference to these counts. A topology that does not fit together is left to QEMU to refuse.
 * @throws {UserError} exit 65 when a number does not parse, or no machine has so many
 */
export function countVcpus(line: CommandLine): VcpuCount {
  const read = (key: Key) => smpNumber(line, key)
  const [cpus, maxcpus, given] = [read('cpus'), read('maxcpus'), read('threads')]
  const product = LEVELS.reduce((total, level) => total * (read(level) || 1), 1)
  const possible = maxcpus || cpus || product
  if (possible > MOST_VCPUS) throw tooManyVcpus({ count: possible, most: MOST_VCPUS })
  // Threads that are not given are what is left of the product where all else is.
  const isRest = given === 0 && read('sockets') > 0 && read('cores') > 0
  const threads = isRest ? Math.max(1, Math.floor(possible / product)) : given || 1
  const first = Math.min(possible, cpus || possible)
  const numbers = withPlugged(line, first, { possible, threads })
  return { present: numbers.length, numbers, possible, threads }
}

/**
 * What a record says of a VM's vCPUs.
 * @param threads with fewer vCPUs than there may be, the others take their CPUs when they are plugged
 */
export function recordedVcpus(line: CommandLine, threads: Pick<ThreadPlan, 'vcpus'> | null) {
  const { present, possible } = countVcpus(line)
  const planned = threads?.vcpus.length ?? 0
  return { vcpusAtStart: present, maxcpus: planned > 0 && planned < possible ? possible : null }
}

/**
 * The last value that the command line gives: -smp is short for keys of -machine (system/vl.c, machine_parse_property_opt).
 * QEMU reads 64 bits and keeps 32 of them.
 * @returns 0 when there is none: QEMU before 9.0 takes both alike
 */
function smpNumber(line: CommandLine, key: Key): number {
  const value = SPELLED.flatMap(({ option, prefix }) =>
    findOptions(line, option).flatMap(({ index, option: { argument } }) => {
      // `-smp ''` says nothing, and `-smp cpus=` is an error.
      const value = argument?.text === '' ? undefined : propertiesAt(line, index).get(`${prefix}${key}`)
      return value === undefined ? [] : [{ index, value }]
    }),
  ).reduce((last, one) => (one.index > last.index ? one : last), { index: -1, value: '0' }).value
  const number = parseInteger(value)
  if (number === null) throw badVcpuCount({ key, value })
  return Number(BigInt.asUintN(32, number))
}

const SPELLED = [
  { option: 'smp', prefix: '' },
  { option: 'machine', prefix: 'smp.' },
] as const

/**
 * The first vCPUs, and those that the command line plugs, by their places: QEMU calls a vCPU by its number among all that are
 * possible (hw/i386/x86-common.c, x86_cpu_pre_plug). A core of pseries is called by its first vCPU, and has as many as the machine
 * has threads (hw/ppc/spapr_cpu_core.c). One without a place, or with one that there is not, counts as the next.
 */
function withPlugged(
  line: CommandLine,
  first: number,
  count: Pick<VcpuCount, 'possible' | 'threads'>,
): number[] {
  const there = new Set(Array.from({ length: first }, (_, vcpu) => vcpu))
  let free = first
  const next = () => {
    while (there.has(free)) free++
    return free
  }
  let strides: readonly number[] | null = null
  for (const { index } of findOptions(line, 'device')) {
    const device = propertiesAt(line, index)
    const driver = device.get('driver') ?? ''
    const isCore = driver.endsWith('-cpu-core')
    if (!isCore && !driver.endsWith('-cpu')) continue
    const ids = PLACES.map((place) => device.get(`${place}-id`))
    strides ??= stridesOf(levelCounts(line, count))
    const placed = isCore
      ? Number(ids[PLACES.indexOf('core')])
      : ids.reduce((sum, id, level) => sum + Number(id ?? 0) * (strides?.[level] ?? 1), 0)
    const isPlace =
      ids.some((id) => id !== undefined) && Number.isInteger(placed) && placed >= 0 && !there.has(placed)
    // A domain can say any number of threads.
    for (let thread = 0; thread < (isCore ? count.threads : 1) && there.size < count.possible; thread++) {
      there.add(isPlace && placed + thread < count.possible ? placed + thread : next())
    }
  }
  return [...there].filter((vcpu) => vcpu < count.possible).sort((a, b) => a - b)
}

/** A vCPU has a number in each (QEMU 10.0 qapi/machine.json, CpuInstanceProperties). */
export const PLACES = ['socket', 'die', 'cluster', 'module', 'core', 'thread'] as const

function product(counts: readonly number[]): number {
  return counts.reduce((total, count) => total * count, 1)
}

/**
 * How many sockets there are, dies in each, and so on. Cores are what is not said, or else sockets; machine types before 6.2 do
 * the other way round (QEMU hw/core/machine-smp.c, machine_parse_smp_config).
 */
export function levelCounts(
  line: CommandLine,
  { possible, threads }: Pick<VcpuCount, 'possible' | 'threads'>,
): number[] {
  const [sockets, cores] = [smpNumber(line, 'sockets'), smpNumber(line, 'cores')]
  const inner = (['dies', 'clusters', 'modules'] as const).map((key) => smpNumber(line, key) || 1)
  const rest = (given: number) => Math.max(1, Math.floor(possible / (product(inner) * threads * given)))
  const prefersSockets = cores > 0 || isBefore62(mergedValue(line, 'machine', 'type') ?? '')
  return sockets === 0 && prefersSockets
    ? [rest(cores || 1), ...inner, cores || 1, threads]
    : [sockets || 1, ...inner, cores || rest(sockets || 1), threads]
}

/** Whether it is a versioned machine type of QEMU before 6.2: `pc-q35-6.1`, `pc-i440fx-2.11`. */
function isBefore62(type: string): boolean {
  const [, major, minor] = /-(\d+)\.(\d+)/.exec(type) ?? []
  return major !== undefined && (Number(major) < 6 || (Number(major) === 6 && Number(minor) < 2))
}

/** By how much the numbers of two vCPUs differ that are neighbours in a level. */
function stridesOf(counts: readonly number[]): number[] {
  return counts.map((_, level) => product(counts.slice(level + 1)))
}

/** A vCPU's number in each level. */
export function levelsOf(vcpu: number, counts: readonly number[]): number[] {
  const strides = stridesOf(counts)
  return counts.map((count, level) => Math.floor(vcpu / (strides[level] ?? 1)) % count)
}

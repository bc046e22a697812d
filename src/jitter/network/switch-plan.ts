import type { HostPolicy } from '../../config/policy.js'
import type { HugePages } from '../../host/facts.js'
import { type Bytes, parseBytes } from '../../units/bytes.js'
import { type CpuSet, subtractCpuSets, unionCpuSets } from '../../units/cpu-set.js'

/** How testpmd is started. */
export interface SwitchPlan {
  /** The CPU that it keeps busy. */
  readonly pollCpu: number
  /** The CPU of the rest of it, which sleeps. */
  readonly mainCpu: number
  /** Its own memory; guests' is theirs. */
  readonly memory: 'huge pages' | '4 KiB pages'
}

const MEBIBYTE = 1n << 20n

/** Two ports and 2048 buffers; tried with DPDK 22.11. */
const MEMORY_MEBIBYTES = 64

/**
 * Chooses CPUs and memory for testpmd.
 * @param online CPUs that there are
 * @param free the host's huge pages
 * @param guests huge pages that the guests will take; null for none
 */
export function planSwitch(
  online: CpuSet,
  host: HostPolicy,
  free: readonly HugePages[],
  guests: { readonly size: string; readonly memory: Bytes } | null,
): SwitchPlan {
  const realtime = host.realtime ?? []
  const others = subtractCpuSets(online, unionCpuSets(realtime, host.housekeeping ?? []))
  const pollCpu = host.switch?.[0] ?? others.at(-1) ?? online.at(-1) ?? 0
  const rest = subtractCpuSets(online, [pollCpu])
  const mainCpu = host.housekeeping?.[0] ?? subtractCpuSets(rest, realtime)[0] ?? rest[0] ?? pollCpu
  const page = guests === null ? null : parseBytes(guests.size)
  const isEnough = ({ size, free: count }: HugePages) => {
    const taken = guests !== null && size === page ? guests.memory : 0n
    return size * BigInt(count) - taken >= BigInt(MEMORY_MEBIBYTES) * MEBIBYTE
  }
  return { pollCpu, mainCpu, memory: free.some(isEnough) ? 'huge pages' : '4 KiB pages' }
}

/**
 * testpmd's arguments (DPDK, "Testpmd Application User Guide", "Running the Application"): what comes in at one port goes
 * out at the other.
 * @param sockets of its ports, which it makes
 */
export function testpmdArguments(
  { pollCpu, mainCpu, memory }: SwitchPlan,
  sockets: readonly [string, string],
): string[] {
  return [
    // In-memory leaves no file behind, and goes with huge pages alone.
    ...[memory === 'huge pages' ? '--in-memory' : '--no-huge', '-m', String(MEMORY_MEBIBYTES)],
    ...['--no-pci', '--no-telemetry', '--file-prefix=qemu-rt-jitter'],
    ...['--lcores', `0@${mainCpu},1@${pollCpu}`],
    ...sockets.flatMap((path, port) => ['--vdev', `net_vhost${port},iface=${path},queues=1`]),
    ...['--', '--forward-mode=io', '--total-num-mbufs=2048'],
  ]
}

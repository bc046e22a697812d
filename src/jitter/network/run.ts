import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { guestNotPlaced, guestSilent, guestStopped, loadEnded } from '../../errors/jitter.js'
import { guestFailed, nothingCameBack, switchNotConnected } from '../../errors/jitter-network.js'
import type { UserError } from '../../errors/user-error.js'
import type { CpuSet } from '../../units/cpu-set.js'
import { type Children, hasEnded, how, startLoad, withChildren } from '../children.js'
import { explainJitter } from '../explain.js'
import { readExplainedHost } from '../explained-host.js'
import type { GuestMachine } from '../guest.js'
import {
  BOOT_MS,
  isPlaced,
  type Launched,
  LOOK_MS,
  launch,
  PLACE_MS,
  placeOf,
  SILENCE_MS,
  standstill,
  until,
  vcpuThreads,
} from '../launched.js'
import { type Frames, networkImage, networkMachine, type Role } from './guest.js'
import { makeNetworkReader } from './record.js'
import type { NetworkResult } from './result.js'
import type { SwitchPlan } from './switch-plan.js'
import { addRecord, beginTally, roundTrips, type Tally, talliedMs } from './tally.js'
import { type BusyThread, whyMeaningless } from './verdict.js'

export interface NetworkRun {
  /** Path of the launcher. */
  readonly launcher: string
  readonly emulator: string
  readonly accelerator: 'kvm' | 'tcg'
  /** Profile of each guest; null for best effort. */
  readonly profiles: Readonly<Record<Role, string | null>>
  readonly machines: Readonly<Record<Role, Pick<GuestMachine, 'vcpus' | 'memory'>>>
  /** Path of the configuration that has the profiles; null for the default. */
  readonly config: string | null
  readonly frames: Frames
  readonly seconds: number
  /** A shell command that runs beside the guests; null for none. */
  readonly load: string | null
  /** CPUs that there are. */
  readonly online: CpuSet
  readonly wire: Wire
}

/** What is between the guests. */
export interface Wire {
  /** Makes it ready for guests. */
  readonly start: (place: WirePlace) => Promise<StartedWire>
}

/** Where a wire has its files and programs. */
interface WirePlace {
  /** Is removed at the end. */
  readonly directory: string
  readonly children: Children
  /** Keeps in mind what else is to be done at the end, when all children have ended. */
  readonly atEnd: (work: () => void) => void
}

interface StartedWire {
  /** QEMU's arguments that make the network back end `n`. */
  readonly netdevs: Readonly<Record<Role, readonly string[]>>
  /** testpmd, if it was started. */
  readonly switch: SwitchPlan | null
  /** Threads that poll. */
  readonly busy: readonly BusyThread[]
  /** @throws {UserError} when it has ended */
  readonly checkRuns: () => void
}

/** How long until a frame must have come back. */
const CONNECT_MS = 15_000

/**
 * Runs the two guests once, through the launcher, with a wire between them, and says how long frames took.
 * @throws {UserError} exit 69 when a guest or the switch does not run, threads are not placed, or no frame comes back; 64
 *   when the load ends by itself; and the launcher's own when it refuses
 */
export async function runNetwork(run: NetworkRun): Promise<NetworkResult> {
  const directory = mkdtempSync(join(tmpdir(), 'qemu-rt-jitter-'))
  const atEnd: (() => void)[] = [() => rmSync(directory, { recursive: true, force: true })]
  return withChildren(
    async (children) => {
      const wire = await run.wire.start({ directory, children, atEnd: (work) => atEnd.push(work) })
      // Both at once: a switch that connects to QEMU's sockets may begin with either.
      const guests = {
        echo: startGuest(run, 'echo', wire, directory, children),
        sender: startGuest(run, 'sender', wire, directory, children),
      }
      const look = () => {
        wire.checkRuns()
        for (const guest of [guests.echo, guests.sender]) guest.checkRuns()
      }
      for (const guest of [guests.echo, guests.sender]) await ready(run, guest, look)
      await connected(guests.sender, look)
      // Only now: firmware that shares a CPU with a load takes minutes.
      const load = run.load === null ? null : children.add(startLoad(run.load))
      const tally = await measure(run, guests.sender, () => {
        look()
        if (load !== null && hasEnded(load)) throw loadEnded({ command: run.load ?? '', how: how(load) })
      })
      return conclude(run, wire, guests, tally)
    },
    () => {
      for (const work of atEnd) work()
    },
  )
}

interface Guest extends Omit<Launched, 'checkRuns'> {
  readonly role: Role
  /** What was counted; null before the first record came. */
  readonly tally: () => Tally | null
  /** Counts from the next record on. */
  readonly beginAnew: () => void
  readonly checkRuns: () => void
}

function startGuest(
  run: NetworkRun,
  role: Role,
  { netdevs }: StartedWire,
  directory: string,
  { add }: Children,
): Guest {
  const own = join(directory, role)
  mkdirSync(own)
  const image = join(own, 'guest')
  const machine = run.machines[role]
  writeFileSync(image, networkImage(role, machine.vcpus - 1, run.frames))
  const { launcher, emulator, config, accelerator, profiles } = run
  const args = [...networkMachine(machine, netdevs[role], image), '-accel', accelerator]
  const launched = launch({ launcher, emulator, profile: profiles[role], config, args }, own)
  add(launched.child)

  const read = makeNetworkReader()
  let tally: Tally | null = null
  let isAnew = true
  let hasReported = false
  let problem: UserError | null = null
  launched.child.stdout?.on('data', (chunk: Buffer) => {
    const atMs = performance.now()
    for (const record of read(chunk)) {
      hasReported = true
      if ('failure' in record) problem = guestFailed({ role, failure: record.failure })
      else {
        tally = tally === null || isAnew ? beginTally(record, atMs) : addRecord(tally, record, atMs)
        isAnew = false
      }
    }
  })
  return {
    ...launched,
    role,
    tally: () => (isAnew ? null : tally),
    beginAnew: () => {
      isAnew = true
    },
    checkRuns: () => {
      if (problem !== null) throw problem
      launched.checkRuns(hasReported)
    },
  }
}

/** Waits until a guest runs, which a switch of the user's may still have to connect to, and its vCPUs are as planned. */
async function ready({ profiles }: NetworkRun, guest: Guest, look: () => void): Promise<void> {
  const { role, said } = guest
  await until(
    look,
    BOOT_MS,
    () => guest.tally() !== null,
    () => whySilent(role, said()),
  )
  await until(
    look,
    PLACE_MS,
    () => isPlaced(guest),
    () => guestNotPlaced({ profile: profiles[role] ?? '', said: said() }),
  )
}

/** QEMU says that it waits (chardev/char-socket.c, tcp_chr_accept_server_sync). */
function whySilent(role: Role, said: string): UserError {
  return said.includes('QEMU waiting for connection')
    ? switchNotConnected({ role, seconds: BOOT_MS / 1000 })
    : guestSilent({ reason: `the ${role}, for ${BOOT_MS / 1000} s`, said })
}

/** Waits until frames come back. */
async function connected(sender: Guest, look: () => void): Promise<void> {
  const frames = () => sender.tally()?.frames
  await until(
    look,
    CONNECT_MS,
    () => (frames()?.received ?? 0) > 0,
    () =>
      nothingCameBack({ sent: (frames()?.sent ?? 0) + (frames()?.unsent ?? 0), seconds: CONNECT_MS / 1000 }),
  )
}

async function measure({ seconds }: NetworkRun, sender: Guest, look: () => void): Promise<Tally> {
  // The record that is being made has seen the time before.
  sender.beginAnew()
  const goesOn = standstill(SILENCE_MS, (s) => guestStopped({ seconds: s, said: sender.said() }))
  for (; ; await sleep(LOOK_MS)) {
    look()
    const tally = sender.tally()
    if (tally !== null && talliedMs(tally) >= seconds * 1000) return tally
    goesOn(tally === null ? 0 : talliedMs(tally))
  }
}

function conclude(
  run: NetworkRun,
  wire: StartedWire,
  guests: Readonly<Record<Role, Guest>>,
  tally: Tally,
): NetworkResult {
  const { profiles, accelerator, frames, machines, online } = run
  const polling = (['sender', 'echo'] as const).map((role) => {
    const number = machines[role].vcpus - 1
    return { role, number, thread: vcpuThreads(guests[role], [number]).get(number) ?? null }
  })
  const trips = roundTrips(tally)
  const explanations = polling.flatMap(({ thread }) =>
    explainJitter({
      accelerator,
      worstMicroseconds: trips.worstMicroseconds,
      vcpu: thread,
      ...readExplainedHost('/', thread),
    }),
  )
  const busy = [
    ...polling.map(({ role, thread }) => ({ what: `the ${role}'s vCPU`, cpus: thread?.cpus ?? null })),
    ...wire.busy,
  ]
  return {
    profile: profiles.sender,
    accelerator,
    frameBytes: frames.bytes,
    intervalMicroseconds: frames.intervalMicroseconds,
    switch: wire.switch,
    vcpus: polling.map(({ role, number, thread }) => ({ role, ...placeOf(number, thread) })),
    ...trips,
    meaningless: whyMeaningless(online, busy),
    explanations: [...new Set(explanations)],
  }
}

import { lstatSync } from 'node:fs'
import type { Socket } from 'node:net'
import { listDirectory } from '../host/sysfs.js'
import type { Root } from '../host/sysroot.js'

/** Where irqbalance 1.5 and later has its socket, by its PID (irqbalance.c, init_socket). */
const DIRECTORY = '/run/irqbalance'

const SOCKET = /^irqbalance\d+\.sock$/

/** It answers between two looks at the host, which take it milliseconds; a hook has 15 seconds for all that it does. */
const PATIENCE_MS = 1500

/** More than were ever left behind. */
const MOST_SOCKETS = 8

/** More than all interrupts of a host take. */
const MAX_ANSWER = 1 << 20

/** As much as it takes at once (irqbalance.c, sock_handle). */
const MAX_REQUEST = 16_000

/** What is to be told to irqbalance. */
export interface BanChange {
  /** Interrupts to be left alone. */
  readonly add: readonly number[]
  /** Interrupts to be balanced again. */
  readonly remove: readonly number[]
}

/**
 * Changes which interrupts irqbalance leaves alone, by its socket (irqbalance(1), "API"): what is sent there takes the place
 * of all that it was told before, so it is asked first. Nothing is done where it does not run, and nothing is changed where
 * its answer is not whole. Two at a time would lose one another's: see `withBansLock`.
 * @param choose given what it leaves alone now
 * @returns what went wrong, a line each
 */
export async function changeBans(
  root: Root,
  choose: (banned: ReadonlySet<number>) => BanChange,
): Promise<string[]> {
  const problems: string[] = []
  for (const socket of socketsOf(root)) {
    const problem = await changeBansBy(socket, choose)
    if (problem !== null) problems.push(problem)
  }
  return problems
}

/** Whether irqbalance may run here. */
export function hasIrqbalance(root: Root): boolean {
  return socketsOf(root).length > 0
}

/** It has one, and others that were killed have left theirs. */
function socketsOf(root: Root): string[] {
  const directory = root + DIRECTORY
  if (!isRootsAlone(directory)) return []
  const names = (listDirectory(directory) ?? []).filter((name) => SOCKET.test(name))
  return names.slice(0, MOST_SOCKETS).map((name) => `${directory}/${name}`)
}

/** Whether nobody but root can put a socket there. */
function isRootsAlone(directory: string): boolean {
  const stat = lstatSync(directory, { throwIfNoEntry: false })
  return stat?.isDirectory() === true && stat.uid === 0 && (stat.mode & 0o022) === 0
}

async function changeBansBy(
  socket: string,
  choose: (banned: ReadonlySet<number>) => BanChange,
): Promise<string | null> {
  const setup = await ask(socket, 'setup')
  if (setup.kind === 'nobody') return null
  if (setup.kind === 'failed') return `irqbalance does not answer (${setup.why})`
  const banned = bannedIn(setup.text)
  if (banned === null) {
    return 'irqbalance did not say to the end which interrupts it leaves alone: it was told nothing'
  }
  const { add, remove } = choose(banned)
  const gone = new Set(remove)
  const wanted = [...new Set([...[...banned].filter((irq) => !gone.has(irq)), ...add])].sort((a, b) => a - b)
  if (wanted.length === banned.size && wanted.every((irq) => banned.has(irq))) return null
  const request = `settings ban irqs ${wanted.length === 0 ? 'NONE' : wanted.join(' ')}`
  if (request.length > MAX_REQUEST) return 'irqbalance cannot be told of so many interrupts at once'
  const told = await ask(socket, request)
  return told.kind === 'answered' ? null : 'irqbalance did not take which interrupts to leave alone'
}

/**
 * Reads `SLEEP 10 IRQ 24 LOAD 0 DIFF 0 CLASS 0 BANNED c` (irqbalance.c, sock_handle, get_irq_data).
 * @returns null for an answer that is no whole one: what it leaves alone is not known then
 */
function bannedIn(setup: string): ReadonlySet<number> | null {
  const [, list] =
    /^SLEEP \d+ ((?:IRQ \d+ LOAD \d+ DIFF \d+ CLASS -?\d+ )*)BANNED [0-9a-f,]+\s*$/.exec(setup) ?? []
  return list === undefined ? null : new Set([...list.matchAll(/IRQ (\d+)/g)].map(([, irq]) => Number(irq)))
}

type Answer =
  | { readonly kind: 'answered'; readonly text: string }
  | { readonly kind: 'nobody' }
  | { readonly kind: 'failed'; readonly why: string }

/** Sends one request; irqbalance closes the connection after each. The kernel says to it that root asks (unix(7), SO_PASSCRED). */
async function ask(path: string, request: string): Promise<Answer> {
  const { connect } = await import('node:net')
  return new Promise((resolve) => {
    let text = ''
    const socket: Socket = connect({ path }, () => socket.write(request))
    const end = (answer: Answer) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(answer)
    }
    const timer = setTimeout(() => end({ kind: 'failed', why: 'it took too long' }), PATIENCE_MS)
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      text += chunk
      if (text.length > MAX_ANSWER) end({ kind: 'failed', why: 'it says too much' })
    })
    socket.on('close', () => end({ kind: 'answered', text }))
    socket.on('error', (error: NodeJS.ErrnoException) =>
      end(
        error.code === 'ECONNREFUSED' || error.code === 'ENOENT'
          ? { kind: 'nobody' }
          : { kind: 'failed', why: error.code ?? error.message },
      ),
    )
  })
}

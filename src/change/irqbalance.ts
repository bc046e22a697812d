import { lstatSync } from 'node:fs'
import type { Socket } from 'node:net'
import { listDirectory } from '../host/sysfs.js'
import type { Root } from '../host/sysroot.js'

/** Where irqbalance 1.5 and later has its socket, by its PID (irqbalance.c, init_socket). */
const DIRECTORY = '/run/irqbalance'

const SOCKET = /^irqbalance\d+\.sock$/

/** It answers between two looks at the host. */
const PATIENCE_MS = 3000

/** More than all interrupts of a host take. */
const MAX_ANSWER = 1 << 20

/** As much as it takes at once (irqbalance.c, sock_handle). */
const MAX_REQUEST = 16_000

/**
 * Tells irqbalance which interrupts to leave alone, beside those that it leaves alone already, by its socket
 * (irqbalance(1), "API"): what is sent there takes the place of all that it was told before, so it is asked first. Nothing
 * is done where it does not run.
 * @param add to be left alone
 * @param remove to be balanced again
 * @returns what went wrong, a line each
 */
export async function banInterrupts(
  root: Root,
  add: readonly number[],
  remove: readonly number[],
): Promise<string[]> {
  if (add.length === 0 && remove.length === 0) return []
  const directory = root + DIRECTORY
  if (!isRootsAlone(directory)) return []
  const sockets = (listDirectory(directory) ?? []).filter((name) => SOCKET.test(name))
  const problems = await Promise.all(sockets.map((name) => banBy(`${directory}/${name}`, add, remove)))
  return problems.flatMap((problem) => problem ?? [])
}

/** Whether nobody but root can put a socket there. */
function isRootsAlone(directory: string): boolean {
  const stat = lstatSync(directory, { throwIfNoEntry: false })
  return stat?.isDirectory() === true && stat.uid === 0 && (stat.mode & 0o022) === 0
}

async function banBy(
  socket: string,
  add: readonly number[],
  remove: readonly number[],
): Promise<string | null> {
  const setup = await ask(socket, 'setup')
  // An earlier one that was killed has left it.
  if (setup.kind === 'nobody') return null
  if (setup.kind === 'failed') return `irqbalance does not answer (${setup.why})`
  const banned = bannedIn(setup.text)
  const wanted = [...new Set([...banned.filter((irq) => !remove.includes(irq)), ...add])]
  if (wanted.length === banned.length && wanted.every((irq) => banned.includes(irq))) return null
  const request = `settings ban irqs ${wanted.length === 0 ? 'NONE' : wanted.join(' ')}`
  if (request.length > MAX_REQUEST) return 'irqbalance cannot be told of so many interrupts at once'
  const told = await ask(socket, request)
  return told.kind === 'answered' ? null : 'irqbalance did not take which interrupts to leave alone'
}

/** `SLEEP 10 IRQ 24 LOAD 0 DIFF 0 CLASS 0 BANNED c` (irqbalance.c, get_irq_data). */
function bannedIn(setup: string): number[] {
  return [...setup.matchAll(/\bIRQ (\d+) /g)].map(([, irq]) => Number(irq))
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

import { connect } from 'node:net'
import { createInterface } from 'node:readline'

/** A conversation with QEMU's monitor (docs/interop/qmp-spec: one JSON object a line). */
export interface Qmp {
  /** Runs a command and gives what it returns. @throws {Error} with QEMU's own words */
  execute(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>
  close(): void
}

interface Reply {
  readonly return?: unknown
  readonly error?: { readonly desc: string }
  readonly event?: string
  readonly QMP?: unknown
}

/** Connects to a QMP socket and leaves its negotiation mode. */
export async function connectQmp(path: string): Promise<Qmp> {
  const socket = connect(path)
  const waiting: { resolve: (reply: Reply) => void; reject: (error: Error) => void }[] = []
  const failAll = (error: Error) => {
    for (const { reject } of waiting.splice(0)) reject(error)
  }
  socket.on('error', failAll)
  socket.on('close', () => failAll(new Error('QEMU has closed its monitor')))
  const lines = createInterface({ input: socket })
  // It repeats the socket's errors, which would end the test run.
  lines.on('error', failAll)
  lines.on('line', (line) => {
    const reply: Reply = JSON.parse(line)
    if (reply.event === undefined) waiting.shift()?.resolve(reply)
  })
  const reply = () => new Promise<Reply>((resolve, reject) => waiting.push({ resolve, reject }))
  const execute: Qmp['execute'] = async (command, args = {}) => {
    const answer = reply()
    socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`)
    const { error, return: result } = await answer
    if (error !== undefined) throw new Error(`${command}: ${error.desc}`)
    return result
  }
  await reply()
  await execute('qmp_capabilities')
  return { execute, close: () => socket.destroy() }
}

import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Wire } from '../../../src/jitter/network/run.js'

/** A frame on its way. */
export interface Passing {
  readonly from: 'sender' | 'echo'
  /** As the sender has numbered it. */
  readonly number: number
  /** Sends it on to the other guest. */
  readonly pass: () => void
}

// "QRTF" after the Ethernet header, then the number (guest/network.S).
const ETHER_HEADER = 14
const NUMBER_AT = ETHER_HEADER + 4

/**
 * A wire that a test is: each frame goes through a function, which may pass it on, later, twice or not at all. A guest does
 * not care what its device's back end is; this is QEMU's `stream`, which puts the length before each frame (net/stream.c).
 */
export function testWire(through: (frame: Passing) => void): Wire {
  return {
    start: async ({ directory, atEnd }) => {
      const sockets: Partial<Record<'sender' | 'echo', Socket>> = {}
      const listen = async (from: 'sender' | 'echo') => {
        const path = join(directory, `wire-${from}`)
        const server = createServer((socket) => {
          sockets[from] = socket
          socket.on('error', () => {})
          let waiting = Buffer.alloc(0)
          socket.on('data', (chunk) => {
            waiting = Buffer.concat([waiting, chunk])
            while (waiting.length >= 4 && waiting.length >= 4 + waiting.readUInt32BE(0)) {
              const message = waiting.subarray(0, 4 + waiting.readUInt32BE(0))
              waiting = waiting.subarray(message.length)
              const number = message.readUInt32LE(4 + NUMBER_AT)
              const to = from === 'sender' ? 'echo' : 'sender'
              through({ from, number, pass: () => sockets[to]?.write(message) })
            }
          })
        })
        await new Promise<void>((resolve) => server.listen(path, resolve))
        atEnd(() => {
          sockets[from]?.destroy()
          server.close()
        })
        return ['-netdev', `stream,id=n,server=off,addr.type=unix,addr.path=${path}`]
      }
      return {
        netdevs: { sender: await listen('sender'), echo: await listen('echo') },
        switch: null,
        busy: [],
        checkRuns: () => {},
      }
    },
  }
}

import { createServer, type Socket } from 'node:net'
import type { Test } from 'tap'

// docs/interop/vhost-user.rst: a header of request, flags and payload size (u32 each, little endian here), payload.
const HEADER = 12
const REPLY = 0x5
/**
 * Answers by request. GET_FEATURES: VIRTIO_F_VERSION_1 and VHOST_USER_F_PROTOCOL_FEATURES, without which QEMU lets no
 * memory device be there (hw/virtio/vhost-user.c, memory_slots). GET_PROTOCOL_FEATURES: none, so nothing else is asked.
 */
const ANSWERS: Readonly<Record<number, bigint>> = { 1: (1n << 32n) | (1n << 30n), 15: 0n }

/**
 * A vhost-user back end that answers just enough for QEMU to start its device, and moves no packet: QEMU waits for one
 * before it goes on, also with `server=on,wait=off`.
 */
export async function startBackEnd(t: Test, path: string): Promise<void> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    let pending = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      pending = Buffer.concat([pending, chunk])
      while (pending.length >= HEADER && pending.length >= HEADER + pending.readUInt32LE(8)) {
        const request = pending.readUInt32LE(0)
        const answer = ANSWERS[request]
        if (answer !== undefined) socket.write(message(request, answer))
        pending = pending.subarray(HEADER + pending.readUInt32LE(8))
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
}

function message(request: number, payload: bigint): Buffer {
  const bytes = Buffer.alloc(HEADER + 8)
  bytes.writeUInt32LE(request, 0)
  bytes.writeUInt32LE(REPLY, 4)
  bytes.writeUInt32LE(8, 8)
  bytes.writeBigUInt64LE(payload, HEADER)
  return bytes
}

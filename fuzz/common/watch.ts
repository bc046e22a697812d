import { Worker } from 'node:worker_threads'

/** Longer than any input may take by much: it is a hang. */
const HANG_MS = 20_000

/** Watches from another thread, since one that hangs cannot say so. */
export interface Watch {
  /** Says which input is taken now. */
  readonly at: (index: number) => void
  readonly end: () => void
}

const WORKER = `
const { workerData: { shared, message, limit } } = require('node:worker_threads')
const { writeSync } = require('node:fs')
const place = new Int32Array(shared)
let last = -1
let since = Date.now()
setInterval(() => {
  const now = Atomics.load(place, 0)
  if (now !== last) { last = now; since = Date.now() }
  else if (Date.now() - since > limit) {
    writeSync(1, message.replace('INDEX', String(now)))
    process.kill(process.pid, 'SIGKILL')
  }
}, 500)
`

/** Starts to watch. @param message printed for an input that hangs, with INDEX for its number */
export function startWatch(message: string): Watch {
  const shared = new SharedArrayBuffer(4)
  const place = new Int32Array(shared)
  const worker = new Worker(WORKER, { eval: true, workerData: { shared, message, limit: HANG_MS } })
  worker.unref()
  return {
    at: (index) => Atomics.store(place, 0, index),
    end: () => {
      worker.terminate()
    },
  }
}

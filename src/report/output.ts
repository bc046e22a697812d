import { writeSync } from 'node:fs'
import { encodeBytes } from '../argv/bytes.js'
import { ownLine } from '../units/printable.js'

const STREAMS: Readonly<Record<number, string>> = { 1: 'stdout', 2: 'stderr' }

/**
 * Writes text to a descriptor, whole. Not through process.stdout: that would set O_NONBLOCK on a pipe which QEMU
 * inherits and shares.
 */
export function writeAll(fd: number, text: string): void {
  const bytes = encodeBytes(text)
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at)
    } catch (error) {
      // The other end set its pipe non-blocking; it is there and reads, so trying again ends.
      const failure = error as NodeJS.ErrnoException
      if (failure.code !== 'EAGAIN') throw Object.assign(failure, { path: STREAMS[fd] })
    }
  }
}

/** Prints one line on stderr with the program's name. */
export function report(message: string): void {
  tell(ownLine(message))
}

/** Writes text to stderr. One that is closed or full is no reason to fail. */
export function tell(text: string): void {
  try {
    writeAll(2, text)
  } catch {
    // Nobody is there to be told.
  }
}

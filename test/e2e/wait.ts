import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Asks every 50 ms until the answer is neither false nor null.
 * @param what what is waited for, for the message
 * @throws {Error} after `seconds`
 */
export async function waitFor<T>(what: string, seconds: number, ask: () => T | Promise<T>) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(50)) {
    const answer = await ask()
    if (answer !== null && answer !== false) return answer as Exclude<T, null | false>
  }
  throw new Error(`waited ${seconds} s for ${what}`)
}

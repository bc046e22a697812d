import { EXIT, type UserError, userError } from './user-error.js'

export function tunerNotStarted(facts: { readonly reason: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `the tuner, which places QEMU's threads, cannot be started (${facts.reason})`,
    todo: 'install util-linux (taskset) and see that it is in PATH',
  })
}

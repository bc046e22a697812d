import { EXIT, type UserError, userError } from './user-error.js'

/** What the hook leaves for the wrapper cannot be written. */
export function hookRequestNotWritable(facts: { readonly path: string; readonly reason: string }): UserError {
  return userError({
    exitCode: EXIT.permission,
    what: 'the request for the wrapper cannot be written',
    where: `${facts.path} (${facts.reason})`,
    todo: 'run the hook as root, as libvirt does',
  })
}

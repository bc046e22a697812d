import { EXIT, type UserError, userError } from './user-error.js'

/** The command was not started by the launcher that libvirt knows. */
export function noLauncher(facts: { readonly path: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: 'there is no launcher to refresh',
    where: facts.path === '' ? 'QEMU_RT_LAUNCHER is not set' : facts.path,
    todo: 'run the installed one by its path: /usr/local/bin/qemu-rt refresh',
  })
}

export function launcherNotWritable(facts: { readonly path: string; readonly reason: string }): UserError {
  return userError({
    exitCode: EXIT.permission,
    what: 'the launcher cannot be touched',
    where: `${facts.path} (${facts.reason})`,
    todo: 'run it as root',
  })
}

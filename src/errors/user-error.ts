import { printableMessage } from '../units/printable.js'
import { type Finding, findingText } from './finding.js'

/** Exit codes of sysexits(3), as far as the wrapper uses them. */
export const EXIT = {
  usage: 64,
  input: 65,
  unavailable: 69,
  software: 70,
  permission: 77,
  config: 78,
  /** Not of sysexits(3), which ends at 78: what was measured is above the limit that was given. */
  exceeded: 79,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** Something the person at the other end can mend. Its message is one line, without the `qemu-rt: ` prefix. */
export class UserError extends Error {
  override readonly name = 'UserError'
  readonly exitCode: ExitCode
  /** Whether it is so only as long as other VMs run: `--wait` tries again. */
  readonly mayPass: boolean

  constructor(exitCode: ExitCode, message: string, mayPass = false) {
    super(message)
    this.exitCode = exitCode
    this.mayPass = mayPass
  }
}

/** What a user needs to mend a mistake. `where` is a file and key, a device or an option number. */
export interface Complaint extends Pick<Finding, 'what' | 'where' | 'todo'> {
  readonly exitCode: ExitCode
  readonly mayPass?: boolean
}

/** Makes the one line `what: where; todo`: libvirt and journald show a message up to its first newline. */
export function userError({ exitCode, mayPass, ...told }: Complaint): UserError {
  return new UserError(exitCode, printableMessage(findingText(told)), mayPass)
}

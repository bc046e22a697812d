import { EXIT, type ExitCode, UserError, userError } from './user-error.js'

/** What is kept of a VM cannot be written. */
export function recordNotWritable(facts: { readonly path: string; readonly reason: string }): UserError {
  return userError({
    exitCode: EXIT.permission,
    what: "a VM's record cannot be written",
    where: `${facts.path} (${facts.reason})`,
    todo: TODO[facts.reason] ?? 'run as root, as libvirt runs its hook',
  })
}

const TODO: Readonly<Record<string, string>> = {
  ENOSPC: 'make room in /run (df -h /run)',
  EDQUOT: 'make room in /run (df -h /run)',
  EROFS: 'mount /run so that it can be written',
  EMFILE: 'raise the limit of open files (LimitNOFILE= of libvirtd or virtqemud)',
  ENFILE: "raise the host's limit of open files (sysctl fs.file-max)",
  EFBIG: 'raise the limit of file sizes (ulimit -f)',
}

/** What root has refused before, in its own words. */
export function refused({
  exitCode,
  text,
}: {
  readonly exitCode: ExitCode
  readonly text: string
}): UserError {
  return new UserError(exitCode, text)
}

/** A record that is there is not to be passed over. */
export function recordNotReadable(facts: { readonly path: string; readonly reason: string }): UserError {
  return userError({
    exitCode: EXIT.permission,
    what: "a VM's record is there and cannot be read",
    where: `${facts.path} (${facts.reason})`,
    todo: 'see as root what it is; the next start of its domain writes it anew',
  })
}

/** Somebody else could change what root keeps there. */
export function recordDirectoryUnsafe(facts: {
  readonly directory: string
  readonly reason: string
}): UserError {
  return userError({
    exitCode: EXIT.permission,
    what: `the directory for root's records is not safe: it ${facts.reason}`,
    where: facts.directory,
    todo: 'see as root what it is, move it away, and start again',
  })
}

/** Another process of root's has kept the records for itself. */
export function recordsBusy(facts: { readonly path: string; readonly seconds: number }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `root's records were locked for ${facts.seconds} seconds`,
    where: facts.path,
    todo: `see who has them: fuser -v ${facts.path}`,
  })
}

/** The command line asks for a NIC that root has not chosen for this domain. */
export function nicNotRecorded(facts: {
  readonly name: string
  readonly address: string
  readonly record: string
}): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `NIC '${facts.name}' is ${facts.address}, which libvirt's hook has not got ready for this domain`,
    where: `root's record ${facts.record}`,
    todo: 'start the domain again; if it is so each time, please report it',
  })
}

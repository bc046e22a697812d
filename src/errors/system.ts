import { directoryOf } from '../units/path.js'
import { EXIT, type ExitCode, type UserError, userError } from './user-error.js'

/** Another user's link could have led root to a directory. */
export const LED_ELSEWHERE = "a link that is not root's leads there"

interface Refusal {
  readonly exitCode: ExitCode
  readonly what: string
  readonly todo: string
}

/** errno(3) names that say something of the machine or its user rather than of this program. */
const REFUSALS: Readonly<Record<string, Refusal>> = {
  ENOSPC: { exitCode: EXIT.unavailable, what: 'no space is left', todo: 'free some there' },
  EDQUOT: { exitCode: EXIT.unavailable, what: "this user's quota is used up", todo: 'free space there' },
  EFBIG: {
    exitCode: EXIT.unavailable,
    what: 'the file would be larger than this process may write',
    todo: 'raise the limit (ulimit -f; LimitFSIZE= of a service)',
  },
  EIO: { exitCode: EXIT.unavailable, what: 'the device failed', todo: 'see dmesg' },
  EMFILE: {
    exitCode: EXIT.unavailable,
    what: 'this process may open no more files',
    todo: 'raise the limit (ulimit -n; LimitNOFILE= of libvirtd or virtqemud)',
  },
  ENFILE: {
    exitCode: EXIT.unavailable,
    what: 'this host may open no more files',
    todo: 'raise it as root: sysctl fs.file-max',
  },
  ENOMEM: { exitCode: EXIT.unavailable, what: 'this host has no memory left', todo: 'see dmesg' },
  EROFS: {
    exitCode: EXIT.permission,
    what: 'the file system is read-only',
    todo: 'mount it writable, or name a place elsewhere',
  },
  EACCES: { exitCode: EXIT.permission, what: 'this user may not do that', todo: 'run as another user' },
  EPERM: { exitCode: EXIT.permission, what: 'this user may not do that', todo: 'run as another user' },
}

/** errno(3) names that say that a path is not what it should be: whoever gave it can mend it. */
const MISTAKES: Readonly<Record<string, Refusal>> = {
  ENAMETOOLONG: { exitCode: EXIT.input, what: 'the name is too long', todo: 'give a shorter one' },
  EISDIR: {
    exitCode: EXIT.input,
    what: 'there is a directory in the place of a file',
    todo: 'move it away, or name a file',
  },
  ENOTDIR: {
    exitCode: EXIT.input,
    what: 'there is a file in the place of a directory',
    todo: 'move it away, or name a directory',
  },
}

/**
 * The exit code for a file that cannot be read or written, so that the same cause has the same everywhere: what this user may
 * not, and what the machine cannot.
 * @param reason the errno name
 * @param otherwise for what says neither, such as ENOENT
 */
export function exitCodeFor(reason: string, otherwise: ExitCode): ExitCode {
  return Object.hasOwn(REFUSALS, reason) ? (REFUSALS[reason]?.exitCode ?? otherwise) : otherwise
}

/**
 * The line for a system call that failed where no other error is made of it.
 * @returns null when it is no failed system call
 */
export function systemRefused(error: unknown): UserError | null {
  if (!(error instanceof Error)) return null
  const { code, syscall, path } = error as NodeJS.ErrnoException
  if (code === undefined) return null
  if (syscall === 'mkdtemp' && path !== undefined) return noTemporaries(code, directoryOf(path))
  const known = { ...REFUSALS, ...MISTAKES }
  const refusal = Object.hasOwn(known, code) ? known[code] : undefined
  // Bun names no system call for a path that it does not hand to one.
  if (refusal === undefined && syscall === undefined) return null
  const call = syscall === undefined ? code : `${syscall}, ${code}`
  return userError({
    exitCode: refusal?.exitCode ?? EXIT.software,
    what: refusal?.what ?? 'the system refused what this program did not expect it to',
    where: path === undefined ? call : `${path} (${call})`,
    todo: refusal?.todo ?? 'please report it, with what QEMU_RT_DEBUG=1 adds',
  })
}

function noTemporaries(code: string, directory: string): UserError {
  return userError({
    exitCode: exitCodeFor(code, EXIT.unavailable),
    what: 'the directory for temporary files cannot be used',
    where: `${directory} (mkdtemp, ${code})`,
    todo: 'set TMPDIR to a directory in which this user can write',
  })
}

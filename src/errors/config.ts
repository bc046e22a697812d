import { quoteIfNeeded } from '../argv/shell.js'
import { EXIT, type UserError, userError } from './user-error.js'

/** `options`: those that name a configuration where this one was named. */
export function configMissing(facts: { readonly file: string; readonly options: string }): UserError {
  return userError({
    exitCode: EXIT.config,
    what: 'the configuration does not exist',
    where: facts.file,
    todo: `create it, or name another with ${facts.options} or QEMU_RT_CONFIG`,
  })
}

/** `isRegular`: whether it is known to be a regular file, the only kind whose mode may be changed on our word. */
export function configNotReadable(facts: {
  readonly file: string
  readonly user: number | null
  readonly isRegular: boolean
}): UserError {
  return userError({
    exitCode: EXIT.permission,
    what: `${facts.user === null ? 'this user' : `the user with uid ${facts.user}`} may not read the configuration`,
    where: facts.file,
    todo: facts.isRegular
      ? `run as root: chmod a+r ${quoteIfNeeded(facts.file)}, and chmod a+x on each directory above it`
      : 'run as root: chmod a+x on each directory above it',
  })
}

/** Neither missing nor forbidden: a directory, an input/output error. */
export function configUnusable(facts: { readonly file: string; readonly reason: string }): UserError {
  return userError({
    exitCode: EXIT.config,
    what: `the configuration cannot be read (${facts.reason})`,
    where: facts.file,
    todo: 'put a TOML file there',
  })
}

export function configNotText(facts: { readonly file: string }): UserError {
  return userError({
    exitCode: EXIT.config,
    what: 'the configuration is not UTF-8 text',
    where: facts.file,
    todo: "save it as UTF-8, for example with 'iconv -f latin1 -t utf8'",
  })
}

/**
 * Somebody else than root could change what the wrapper does. `effect` is what they could do to the configuration;
 * `path` is the file, the link or the directory that lets them.
 */
export function configWritableByOthers(facts: {
  readonly effect: 'write' | 'replace'
  readonly path: string
  readonly owner: number
  /** The twelve permission bits. */
  readonly mode: number
  /** chown and chmod arguments without the path, such as `chmod go-w`. */
  readonly mend: readonly string[]
}): UserError {
  return userError({
    exitCode: EXIT.config,
    what: `others than root can ${facts.effect} the configuration`,
    where: `${facts.path} has owner ${facts.owner} and mode ${facts.mode.toString(8).padStart(4, '0')}`,
    todo: `run as root: ${facts.mend.map((command) => `${command} ${quoteIfNeeded(facts.path)}`).join(' && ')}`,
  })
}

/** The file is not TOML. `reason` is the parser's, a sentence without its full stop. */
export function configSyntax(facts: {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly reason: string
}): UserError {
  return userError({
    exitCode: EXIT.config,
    what: `the configuration is not valid TOML, ${facts.reason}`,
    where: `${facts.file}:${facts.line}:${facts.column}`,
    todo: 'correct this line or the one before it (text stands in quotes)',
  })
}

/**
 * A setting that TOML allows and the wrapper does not.
 * @param facts.table the table that has the setting, as a TOML header: `[profile.rt]`; null at the top of the file
 */
export function configInvalid(facts: {
  readonly problem: string
  readonly place: string
  readonly table: string | null
  readonly todo: string
}): UserError {
  return userError({
    exitCode: EXIT.config,
    what: facts.problem,
    where: facts.table === null ? facts.place : `${facts.place}, ${facts.table}`,
    todo: facts.todo,
  })
}

/** Larger than any configuration: somebody has put another file there, or a program that makes it has gone wrong. */
export function configBeyondBounds(facts: {
  readonly file: string
  readonly line?: number
  readonly column?: number
  readonly problem: string
}): UserError {
  const { file, line, column } = facts
  return userError({
    exitCode: EXIT.config,
    what: `the configuration ${facts.problem}`,
    where: line === undefined ? file : `${file}:${line}:${column}`,
    todo: 'see qemu-rt.toml(5) for what one has',
  })
}

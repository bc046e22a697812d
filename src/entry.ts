import { losslessArguments } from './argv/bytes.js'
import { systemRefused } from './errors/system.js'
import { EXIT, UserError } from './errors/user-error.js'
import { report } from './report/output.js'

/** What the launcher asks for with its first word: `launch`, `hook`, `cli`, …, given the words after it. */
export type Modes = Readonly<Record<string, (args: readonly string[]) => void | Promise<void>>>

/** Runs the mode that the command line names, and turns what goes wrong into one line and an exit code. */
export function start(modes: Modes): void {
  run(modes).catch((error: unknown) => {
    if (error instanceof UserError) {
      report(error.message)
      process.exitCode = error.exitCode
      return
    }
    // Whoever read the output has seen enough (`… | head -n 1`); the code is a shell's for SIGPIPE.
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') {
      process.exitCode = 141
      return
    }
    const refused = systemRefused(error)
    const detail = error instanceof Error ? error.message : String(error)
    report(refused?.message ?? `internal error: ${detail}; please report it, with what QEMU_RT_DEBUG=1 adds`)
    if (process.env.QEMU_RT_DEBUG && error instanceof Error) {
      for (const line of (error.stack ?? '').split('\n')) report(line)
    }
    process.exitCode = refused?.exitCode ?? EXIT.software
  })
}

async function run(modes: Modes): Promise<void> {
  const [name = '', ...args] = losslessArguments(process.argv.slice(2))
  const mode = Object.hasOwn(modes, name) ? modes[name] : undefined
  if (mode !== undefined) return mode(args)
  report(`'${name}' is not how the launcher calls this program; use bin/qemu-rt`)
  process.exitCode = EXIT.usage
}

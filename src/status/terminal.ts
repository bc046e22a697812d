import { isatty } from 'node:tty'

/** What is known of where the output goes. */
export interface Terminal {
  readonly isTerminal: boolean
  /** Whether it can be drawn on in place. */
  readonly isAddressable: boolean
  readonly hasColour: boolean
  /** Columns and rows; infinite where nothing is to be cut. Asked anew each time, for windows are resized. */
  readonly size: () => { readonly columns: number; readonly rows: number }
}

/** Looks at stdout. process.stdout is touched on a terminal only: see `writeAll`. */
export function openTerminal(env: NodeJS.ProcessEnv): Terminal {
  const isTerminal = isatty(1)
  const isDumb = (env.TERM ?? 'dumb') === 'dumb'
  return {
    isTerminal,
    isAddressable: isTerminal && !isDumb,
    // https://no-color.org: whatever its value, unless it is empty.
    hasColour: isTerminal && !isDumb && !env.NO_COLOR,
    size: () => (isTerminal ? terminalSize() : { columns: columnsOf(env), rows: Number.POSITIVE_INFINITY }),
  }
}

/** A terminal that does not know its size (a serial line) says 0. */
function terminalSize() {
  return { columns: process.stdout.columns || 80, rows: process.stdout.rows || 24 }
}

/** A pipe has no width, unless somebody says so (POSIX, "Environment Variables"). */
function columnsOf({ COLUMNS }: NodeJS.ProcessEnv): number {
  return /^[1-9]\d{0,4}$/.test(COLUMNS ?? '') ? Number(COLUMNS) : Number.POSITIVE_INFINITY
}

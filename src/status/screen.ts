import { writeAll } from '../report/output.js'

/** A terminal that is drawn on in place, until it is closed. */
export interface Screen {
  /** Puts lines from the top; there must not be more of them than rows. */
  readonly draw: (lines: readonly string[], rows: number) => void
  /** Gives the terminal back as it was. May be called twice. */
  readonly close: () => void
}

/**
 * Control sequences of xterm and its likes (ctlseqs, "DECSET"): alternate screen, cursor, wrapping of long lines. The
 * screen is cleared before it is left, since tmux keeps pieces of one that was resized.
 */
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l'
const LEAVE = '\x1b[H\x1b[2J\x1b[?7h\x1b[?25h\x1b[?1049l'

const QUIT_KEYS = ['q', 'Q', '\x03']
const CTRL_Z = '\x1a'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Takes the terminal over. A signal that would end the program gives it back first.
 * @param onQuit called when the user presses q or Ctrl-C
 * @param onResize called when the window's size has changed, or the program goes on after a stop
 */
export function openScreen(onQuit: () => void, onResize: () => void): Screen {
  let isOpen = false
  const enter = () => {
    isOpen = true
    setRaw(true)
    writeAll(1, ENTER)
  }
  const leave = () => {
    if (!isOpen) return
    isOpen = false
    setRaw(false)
    writeAll(1, LEAVE)
  }
  const onSignal = (signal: NodeJS.Signals) => {
    try {
      close()
    } finally {
      // Whoever waits for this program is to see that a signal ended it.
      process.kill(process.pid, signal)
    }
  }
  const onContinue = () => {
    enter()
    onResize()
  }
  const onKey = (keys: Buffer) => {
    const text = keys.toString('latin1')
    if (QUIT_KEYS.some((key) => text.includes(key))) onQuit()
    else if (text.includes(CTRL_Z)) suspend(leave)
  }
  const close = () => {
    leave()
    for (const signal of SIGNALS) process.off(signal, onSignal)
    process.off('SIGCONT', onContinue)
    process.stdout.off('resize', onResize)
    if (!process.stdin.isTTY) return
    process.stdin.off('data', onKey)
    process.stdin.pause()
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  process.on('SIGCONT', onContinue)
  process.stdout.on('resize', onResize)
  if (process.stdin.isTTY) process.stdin.on('data', onKey)
  enter()
  return { draw, close }
}

/** Each line is erased before it is written: erasing after one that fills its row would take its last character. */
function draw(lines: readonly string[], rows: number): void {
  const padded = Array.from({ length: rows }, (_, row) => `\x1b[2K${lines[row] ?? ''}`)
  writeAll(1, `\x1b[H${padded.join('\r\n')}`)
}

/** Without raw mode a key would be seen at the end of a line only. Then Ctrl-C and Ctrl-Z come as characters. */
function setRaw(isRaw: boolean): void {
  if (process.stdin.isTTY) process.stdin.setRawMode(isRaw)
}

function suspend(leave: () => void): void {
  leave()
  process.kill(0, 'SIGTSTP')
}

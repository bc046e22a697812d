import { setTimeout as sleep } from 'node:timers/promises'
import { type Line, paint } from './line.js'
import { openScreen } from './screen.js'
import type { Snapshot } from './snapshot.js'
import { type Status, statusOf } from './status.js'
import type { Terminal } from './terminal.js'

/** How long the first picture may take: it needs two snapshots to tell rates. */
const FIRST_MS = 500

/** Looks twice, so that rates can be told, unless there is no VM. */
export async function lookOnce(read: () => Promise<Snapshot>, intervalMs: number): Promise<Status> {
  const before = await read()
  if (before.vms.length === 0) return statusOf(before, null)
  await sleep(intervalMs)
  return statusOf(await read(), before)
}

/**
 * Takes snapshots for ever and shows what each is, compared with the one before.
 * @param show called for each
 * @param signal ends it
 */
export async function follow(
  read: () => Promise<Snapshot>,
  show: (status: Status) => void,
  intervalMs: number,
  signal?: AbortSignal,
): Promise<void> {
  let before = await read()
  await pause(Math.min(FIRST_MS, intervalMs), signal)
  while (signal?.aborted !== true) {
    const now = await read()
    show(statusOf(now, before))
    before = now
    await pause(intervalMs, signal)
  }
}

async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal })
  } catch {
    // It ends early when nobody looks any more.
  }
}

/**
 * Draws on a terminal in place until the user has seen enough.
 * @param text the lines of a status, for the width that the terminal has now
 */
export async function watchOnScreen(
  read: () => Promise<Snapshot>,
  text: (status: Status) => Line[],
  terminal: Terminal,
  intervalMs: number,
): Promise<void> {
  const quit = new AbortController()
  let latest: Status | null = null
  const redraw = () => {
    const { rows } = terminal.size()
    const lines = latest === null ? [] : fitRows(text(latest), rows)
    screen.draw(
      lines.map((line) => paint(line, terminal.hasColour)),
      rows,
    )
  }
  const screen = openScreen(() => quit.abort(), redraw)
  const show = (status: Status) => {
    latest = status
    if (!quit.signal.aborted) redraw()
  }
  try {
    await follow(read, show, intervalMs, quit.signal)
  } finally {
    screen.close()
  }
}

/** Leaves out what is below the window, and says how much that is. */
export function fitRows(lines: readonly Line[], rows: number): Line[] {
  if (lines.length <= rows) return [...lines]
  const shown = lines.slice(0, Math.max(0, rows - 1))
  const hidden = lines.slice(shown.length)
  const alarms = hidden.filter(({ style }) => style === 'alarm').length
  const what = alarms === 0 ? '' : `, ${alarms} of them with !`
  const text = `… ${hidden.length} more lines${what}`
  return [...shown, { text, style: alarms === 0 ? 'title' : 'alarm' }]
}

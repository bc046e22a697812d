/** What the guest measures: how long it is kept from spinning, or how late its timer wakes it. */
export const MODES = ['spin', 'timer'] as const

export type Mode = (typeof MODES)[number]

/**
 * From one wake-up, or frame, to the next. The sender of frames keeps the latest 65,536 in mind and gives one up after about a
 * second; ticks of a tenth of that are to fit into 32 bits, see guest/network.S.
 */
export const INTERVAL_MICROSECONDS = { least: 20, most: 100_000 } as const

/** The timer that wakes the guest. */
export type Timer = 'tsc-deadline' | 'local-apic'

/** What the lengths of a mode are called. */
export const WORDS: Readonly<
  Record<Mode, { readonly worst: string; readonly many: string; readonly from: string }>
> = {
  spin: { worst: 'worst gap', many: 'gaps', from: 'gaps from' },
  timer: { worst: 'latest wake-up', many: 'late', from: 'late from' },
}

/** Names of timers for people. */
export const TIMERS: Readonly<Record<Timer, string>> = {
  'tsc-deadline': 'TSC deadline',
  'local-apic': "local APIC's",
}

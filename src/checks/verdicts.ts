import type { Check, Verdict } from './check.js'

/** As wanted. */
export function met(found: string): Verdict {
  return { level: 'pass', found }
}

/** Not as wanted: as bad as the check's severity says. @param fix in place of the check's own */
export function missed({ severity }: Pick<Check, 'severity'>, found: string, fix?: string): Verdict {
  return fix === undefined ? { level: severity, found } : { level: severity, found, fix }
}

/** Neither good nor bad: for a person to decide. */
export function noted(found: string, fix?: string): Verdict {
  return fix === undefined ? { level: 'note', found } : { level: 'note', found, fix }
}

/** It could not be read. */
export function unknown(why: string): Verdict {
  return { level: 'unknown', found: why }
}

/** It does not apply to this host, which is as good as wanted: the reason is printed, so that nobody takes it for a value. */
export function notHere(why: string): Verdict {
  return { level: 'pass', found: why, applies: false }
}

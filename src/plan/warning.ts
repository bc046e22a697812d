import type { Finding } from '../errors/finding.js'
import type { WarningKind } from './warnings.js'

/** Something that a person should know of a plan, and that does not keep it from being made. */
export interface Warning extends Finding {
  /** Whom it reaches, see `WARNINGS`. */
  readonly kind: WarningKind
}

/** Makes a warning of what only a plan judges. */
export function warning(kind: WarningKind, what: string): Warning {
  return { id: `plan.${kind}`, level: 'warn', kind, what }
}

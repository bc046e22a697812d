import { formatMicroseconds } from '../microseconds.js'
import { type CauseReport, causeName, type Verdict } from './causes.js'

const HEADS: Readonly<Record<Exclude<Verdict, 'cannot'>, string>> = { can: 'can:   ', may: 'may:   ' }

/**
 * Says of what was counted what can explain the worst gap, a line for each; what cannot, in one line, and what was not read,
 * with the reason.
 */
export function formatCauses(report: CauseReport): string[] {
  const { vcpu, cpus, seconds, worstMicroseconds, causes, notRead } = report
  const explained = causes.flatMap(({ verdict, text }) =>
    verdict === 'cannot' ? [] : [`${HEADS[verdict]}${text}`],
  )
  const cannot = causes.filter(({ verdict }) => verdict === 'cannot')
  const none = [
    ...new Set(cannot.filter(({ count, microseconds }) => !count && !microseconds).map(({ id }) => id)),
  ]
  const short = cannot.filter(({ count, microseconds }) => count || microseconds)
  return [
    `what can explain the worst of vCPU ${vcpu}, ${formatMicroseconds(worstMicroseconds)} (${seconds.toFixed(0)} s, CPU ${cpus}):`,
    ...(explained.length === 0 ? ['can:   nothing that was counted'] : explained),
    ...short.map(({ text }) => `cannot: ${text}`),
    ...(none.length === 0 ? [] : [`cannot, as there were none: ${none.map(causeName).join(', ')}`]),
    ...notRead.map(({ id, why }) => `not read: ${causeName(id)}: ${why}`),
  ]
}

import { notComparable } from '../../errors/jitter.js'
import { type Percentiles, percentilesOf } from '../percentiles.js'
import type { ReadResult, ReadRun } from './read.js'

/** A fact that differs. */
export interface Difference {
  readonly before: string | null
  readonly after: string | null
}

/** How two results differ. */
export interface JitterDiff {
  /** False where one is of a version that says nothing of its host. */
  readonly isHostKnown: boolean
  /** Those facts alone that differ; none where the host is not known. */
  readonly host: Readonly<Record<string, Difference>>
  /** Words of the kernel's command line. */
  readonly commandLine: { readonly added: readonly string[]; readonly removed: readonly string[] }
  /** By id; `pass` for one that is not among those that do not pass. */
  readonly checks: readonly ({ readonly id: string } & Difference)[]
  /** Of the run: those facts alone that differ. */
  readonly run: Readonly<Record<string, Difference>>
  readonly before: Figures
  readonly after: Figures
  /** The worst before by the worst after: below 1 when it has become worse; null without any length to compare. */
  readonly worstRatio: number | null
}

interface Figures {
  readonly worstMicroseconds: number
  readonly seconds: number
  readonly missed: number
  readonly percentiles: Percentiles
}

/**
 * Compares two results by the last run of each: best effort that was measured beside a profile is not what a host is
 * judged by.
 * @throws {UserError} exit 65 for runs that measure different things
 */
export function compareResults(before: ReadResult, after: ReadResult): JitterDiff {
  const [a, b] = [lastRun(before), lastRun(after)]
  for (const [what, of] of MUST_AGREE) {
    const [one, other] = [of(a), of(b)]
    if (one !== other) throw notComparable({ what, before: one ?? 'none', after: other ?? 'none' })
  }
  const isHostKnown = before.host !== null && after.host !== null
  return {
    isHostKnown,
    host: isHostKnown ? differences(HOST_FACTS, before, after) : {},
    commandLine: wordsChanged(before.host?.commandLine ?? null, after.host?.commandLine ?? null),
    checks: checksChanged(before, after),
    run: differences(RUN_FACTS, a, b),
    before: figures(a),
    after: figures(b),
    worstRatio: b.worstMicroseconds > 0 ? a.worstMicroseconds / b.worstMicroseconds : null,
  }
}

type Facts<Of> = readonly (readonly [name: string, of: (of: Of) => string | null])[]

/** What makes two results ones of different things. */
const MUST_AGREE: Facts<ReadRun> = [
  ['mode', ({ mode }) => mode],
  ['accelerator', ({ accelerator }) => accelerator],
  ['interval', ({ intervalMicroseconds: us }) => (us === null ? null : `${us} us`)],
  ['frame size', ({ frameBytes }) => (frameBytes === undefined ? null : `${frameBytes} bytes`)],
]

const HOST_FACTS: Facts<ReadResult> = [
  ['kernel', ({ host }) => host?.kernel ?? null],
  ['cpuModel', ({ host }) => host?.cpuModel ?? null],
  ['microcode', ({ host }) => host?.microcode ?? null],
  ['configuration', ({ configuration }) => configuration?.sha256 ?? null],
]

const RUN_FACTS: Facts<ReadRun> = [
  ['profile', ({ profile }) => profile],
  ['timer', ({ timer }) => timer],
  ['vcpus', ({ vcpus }) => String(vcpus?.length ?? 1)],
]

function differences<Of>(facts: Facts<Of>, before: Of, after: Of): Record<string, Difference> {
  const pairs = facts.map(([name, of]) => [name, { before: of(before), after: of(after) }] as const)
  return Object.fromEntries(pairs.filter(([, pair]) => pair.before !== pair.after))
}

/** Nothing, where one of the two is not known. */
function wordsChanged(before: string | null, after: string | null): JitterDiff['commandLine'] {
  if (before === null || after === null) return { added: [], removed: [] }
  const [old, now] = [wordsOf(before), wordsOf(after)]
  return {
    added: [...now].filter((word) => !old.has(word)),
    removed: [...old].filter((word) => !now.has(word)),
  }
}

function wordsOf(line: string): Set<string> {
  return new Set(line.split(/\s+/).filter(Boolean))
}

function checksChanged(before: ReadResult, after: ReadResult): JitterDiff['checks'] {
  const [a, b] = [before.host?.checks, after.host?.checks]
  if (!a || !b) return []
  const [old, now] = [a, b].map(({ notPassed }) => new Map(notPassed.map(({ id, result }) => [id, result])))
  const of = (results: ReadonlyMap<string, string> | undefined, id: string) => results?.get(id) ?? 'pass'
  return [...new Set([...(old?.keys() ?? []), ...(now?.keys() ?? [])])]
    .sort()
    .map((id) => ({ id, before: of(old, id), after: of(now, id) }))
    .filter((pair) => pair.before !== pair.after)
}

function figures({ worstMicroseconds, seconds, missed, histogram }: ReadRun): Figures {
  return { worstMicroseconds, seconds, missed, percentiles: percentilesOf(histogram) }
}

/** The run by which a host is judged. */
export function lastRun({ runs }: ReadResult): ReadRun {
  const run = runs.at(-1)
  if (run === undefined) throw new RangeError('a result has one run at least')
  return run
}

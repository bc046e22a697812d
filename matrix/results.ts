/** What a run in a release's root has shown. */
export interface Result {
  readonly facts: Readonly<Record<string, string>>
  readonly suite: Counts | null
  readonly lab: Counts | null
}

interface Counts {
  /** Exit code of npm. */
  readonly status: number
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/**
 * Reads the lines that inside.sh leaves.
 * @param text KEY=VALUE lines; the last of a key counts
 */
export function readResult(text: string): Result {
  const facts = Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const at = line.indexOf('=')
      return at === -1 ? [] : [[line.slice(0, at), line.slice(at + 1)] as const]
    }),
  )
  return { facts, suite: countsOf(facts, 'suite'), lab: countsOf(facts, 'lab') }
}

/** A part that has failed without a failed test counts as one failure. */
function countsOf(facts: Readonly<Record<string, string>>, part: string): Counts | null {
  const status = facts[`${part}-status`]
  if (status === undefined) return null
  const number = (name: string) => Number(facts[`${part}-${name}`] ?? 0)
  const failed = number('failed') || (status === '0' ? 0 : 1)
  return { status: Number(status), passed: number('passed'), failed, skipped: number('skipped') }
}

/**
 * @param tap the suite's log
 * @returns why tests were skipped, each reason once, in the order of the log
 */
export function skipReasons(tap: string): string[] {
  const reasons = [...tap.matchAll(/^\s*ok \d+.* # SKIP (.*)$/gm)].map(([, reason = '']) => reason.trim())
  return [...new Set(reasons)]
}

/**
 * @param tap the suite's log; a file's tests are indented by four, what they assert by more and in lines before them
 * @returns `FILE: TEST` for each failed test, with what failed in it: `FILE: TEST: ASSERTION; ASSERTION`
 */
export function failures(tap: string): string[] {
  const found: string[] = []
  let file = ''
  let asserted: string[] = []
  for (const line of tap.split('\n')) {
    file = /^# Subtest: (.*)$/.exec(line)?.[1] ?? file
    const [, indent, title] = /^( {4,})not ok \d+ - (.*?)(?: # time=.*)?$/.exec(line) ?? []
    if (indent === undefined || title === undefined) continue
    if (indent.length > 4) {
      asserted.push(title)
      continue
    }
    found.push(asserted.length > 0 ? `${file}: ${title}: ${asserted.join('; ')}` : `${file}: ${title}`)
    asserted = []
  }
  return found
}

/**
 * @param log the lab's log
 * @returns the titles of its failed tests
 */
export function labFailures(log: string): string[] {
  return [...log.matchAll(/^not ok \d+ - (.*)$/gm)].map(([, title = '']) => title.trim())
}

import { judge } from './judge.js'
import { randomFrom } from './random.js'
import { shrink } from './shrink.js'
import type { Target } from './target.js'
import { startWatch, type Watch } from './watch.js'

/** How much is tried, of each target. */
export interface Effort {
  readonly seed: number
  /** Number of the first input. */
  readonly from: number
  readonly runs: number
  readonly seconds: number
}

/** An input that the program does not take as it must. */
export interface Finding {
  readonly target: string
  readonly index: number
  readonly problem: string
  /** As small as it could be made. */
  readonly input: readonly string[]
}

export interface Outcome {
  readonly target: string
  readonly runs: number
  readonly seconds: number
  readonly finding: Finding | null
}

/** Gives a target one input after the other, up to the first that is at fault. */
export function runTarget(target: Target, { seed, from, runs, seconds }: Effort): Outcome {
  const watch = startWatch(
    `${target.name}: FAULT: an input hangs\n  again: npm run fuzz -- --seed ${seed} --only ${target.name} --from INDEX --runs 1\n`,
  )
  try {
    return runWatched(target, { seed, from, runs, seconds }, watch)
  } finally {
    watch.end()
  }
}

function runWatched(target: Target, { seed, from, runs, seconds }: Effort, watch: Watch): Outcome {
  const start = performance.now()
  const passed = () => (performance.now() - start) / 1000
  let index = from
  for (; index < from + runs && passed() < seconds; index++) {
    watch.at(index)
    const input = target.make(randomFrom(seed, target.name, index))
    const problem = judge(target, input)
    if (problem === null) continue
    // Numbers of a message differ when the input does.
    const kind = (text: string | null) => text?.replace(/\d+/g, '0').slice(0, 60)
    let tries = index
    const smallest = shrink(input, (smaller) => {
      // Each is an input of its own to the watch.
      watch.at(--tries)
      return kind(judge(target, smaller)) === kind(problem)
    })
    const finding = { target: target.name, index, problem, input: smallest }
    return { target: target.name, runs: index - from + 1, seconds: passed(), finding }
  }
  return { target: target.name, runs: index - from, seconds: passed(), finding: null }
}

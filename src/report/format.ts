import { createTwoFilesPatch } from 'diff'
import { planToJson } from '../plan/json.js'
import type { Plan } from '../plan/plan.js'
import type { Format } from '../plan/request.js'
import { printableJson } from '../units/printable.js'
import { formatArgs } from './args.js'
import { formatText } from './text.js'

/**
 * Writes a plan in one of the formats of `--format`.
 * @param env environment of the command as `NAME=value`, for `args`: what a golden case's input had
 */
export function formatPlan(plan: Plan, format: Format, env: readonly string[] = []): string {
  return FORMATTERS[format](plan, env)
}

const FORMATTERS: Readonly<Record<Format, (plan: Plan, env: readonly string[]) => string>> = {
  text: formatText,
  args: (plan, env) => formatArgs({ env, emulator: plan.emulator, line: plan.line }),
  json: (plan) => `${printableJson(planToJson(plan), 2)}\n`,
  diff: (plan, env) => {
    const before = formatArgs({ env, emulator: plan.emulator, line: plan.before })
    const after = formatArgs({ env, emulator: plan.emulator, line: plan.line })
    return before === after ? '' : createTwoFilesPatch('as given', 'as launched', before, after)
  },
}

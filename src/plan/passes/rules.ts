import { type CommandLine, findOptions, propertiesAt } from '../../argv/command-line.js'
import { findOption, OPTIONS } from '../../argv/options.js'
import {
  type Properties,
  type PropertyValue,
  parseProperties,
  parseSwitch,
  propertyText,
} from '../../argv/properties.js'
import type { Policy, Rule, RuleValue } from '../../config/policy.js'
import { ruleNeedsKeyval, unknownRuleOption } from '../../errors/rules.js'
import { matchesGlob } from '../../units/glob.js'
import { applyEdits, type Change, type Edit } from '../edit.js'
import type { PassInput } from '../pass.js'

const RULES = 'rules'

/** Applies the `[[rule]]` entries one after the other, so that a rule sees what the ones before it have written. */
export function applyRules({ line, policy, profile }: Pick<PassInput, 'line' | 'policy' | 'profile'>): {
  readonly line: CommandLine
  readonly changes: readonly Change[]
} {
  let current = line
  const changes: Change[] = []
  for (const [index, rule] of policy.rules.entries()) {
    const option = ruleOption(rule, index, policy)
    if (rule.profile !== null && rule.profile !== profile?.name) continue
    const applied = applyEdits(
      current,
      RULES,
      ruleEdits(current, { ...rule, option }, `rule ${index + 1} of ${policy.place([])}`),
    )
    current = applied.line
    changes.push(...applied.changes)
  }
  return { line: current, changes }
}

/** The option's one name, checked: a rule that can never apply is a mistake. */
function ruleOption(rule: Rule, index: number, policy: Policy): string {
  const spec = findOption(`-${rule.option}`)
  const where = () => policy.place(['rule', index, 'option'])
  if (spec === null) {
    throw unknownRuleOption({ option: rule.option, where: where(), known: OPTIONS.map(({ name }) => name) })
  }
  if (spec.syntax !== 'keyval') throw ruleNeedsKeyval({ option: rule.option, where: where() })
  return spec.aliasOf ?? spec.name
}

function ruleEdits(line: CommandLine, rule: Rule, reason: string): Edit[] {
  const places = findOptions(line, rule.option).map(({ index }) => ({
    index,
    properties: propertiesAt(line, index),
  }))
  // What merges when it is repeated (-machine q35 -machine accel=kvm) is one thing.
  const things =
    findOption(`-${rule.option}`)?.repeats === 'merge' ? [places] : places.map((place) => [place])
  const edits = things
    .filter((thing) => thing.length > 0 && matches(rule.match, (key) => valueIn(thing, key)))
    .flatMap((thing) => changed(thing, rule))
    .map(({ index, properties }): Edit => ({ kind: 'replace', index, argument: properties.text, reason }))
  if (edits.length > 0 || !rule.add || isThere(line, rule)) return edits
  return [{ kind: 'append', option: rule.option, argument: added(rule), reason }]
}

/** An option's place in the command line, and what it says. */
interface Place {
  readonly index: number
  readonly properties: Properties
}

/** The value that counts of several places: the last one. */
function valueIn(places: readonly Place[], key: string): string | undefined {
  return places.findLast(({ properties }) => properties.get(key) !== undefined)?.properties.get(key)
}

/** Deletes keys wherever they are; sets each where it counts, a new one at the end. */
function changed(places: readonly Place[], rule: Rule): Place[] {
  const kept = places.map(({ index, properties }) => ({
    index,
    properties: rule.delete.reduce((rest, key) => rest.delete(key), properties),
  }))
  return Object.entries(rule.set).reduce((now, [key, value]) => {
    const has = now.findLastIndex(({ properties }) => properties.get(key) !== undefined)
    const at = has < 0 ? now.length - 1 : has
    return now.map((place, index) =>
      index === at ? { ...place, properties: place.properties.set(key, typed(value)) } : place,
    )
  }, kept)
}

/** Whether an option is as the rule would leave it already, although it does not match (any longer). */
function isThere(line: CommandLine, rule: Rule): boolean {
  return findOptions(line, rule.option).some(({ index }) => {
    const properties = propertiesAt(line, index)
    return matches({ ...rule.match, ...rule.set }, (key) => properties.get(key))
  })
}

function matches(wanted: Rule['match'], get: (key: string) => string | undefined): boolean {
  return Object.entries(wanted).every(([key, value]) => {
    const actual = get(key)
    if (actual === undefined) return false
    if (typeof value === 'boolean') return parseSwitch(actual) === value
    return matchesGlob(actual, propertyText(typed(value)))
  })
}

/** A new option has what the rule matches and what it sets, the implied key first. */
function added(rule: Rule): string {
  const spec = findOption(`-${rule.option}`)
  const wanted = Object.entries({ ...rule.match, ...rule.set })
  const first = wanted.filter(([key]) => key === spec?.impliedKey)
  const rest = wanted.filter(([key]) => key !== spec?.impliedKey)
  return [...first, ...rest].reduce(
    (properties, [key, value]) => properties.set(key, typed(value)),
    parseProperties('', spec ?? {}),
  ).text
}

function typed(value: RuleValue): PropertyValue {
  if (typeof value !== 'number') return value
  return Number.isInteger(value) ? BigInt(value) : String(value)
}

import * as v from 'valibot'
import type { Rule } from './policy.js'
import { flag, names, table, text, withoutPrototype } from './values.js'

const NOT_A_VALUE =
  '$setting is not text, a number, true or false; quote a key that has dots, such as "a.b" = 1'

const value = v.union(
  [
    v.string(),
    v.pipe(v.number(), v.finite('$setting is not a finite number; write one that QEMU takes')),
    v.boolean(),
  ],
  NOT_A_VALUE,
)

const keys = names(value, {
  isName: (name) => /^[^=,\s]+$/.test(name),
  notName: "'$key' is not a key of QEMU; write one without = , and blanks",
})

/** What makes a pattern of a text. */
function isGlob(match: unknown): boolean {
  return typeof match === 'string' && /[*?[\]{}]|^!|[@+!]\(/.test(match)
}

/** One [[rule]]: general rewriting of an option's argument. */
const rule = v.pipe(
  table({
    option: v.pipe(
      text,
      v.check(
        (name) => !name.startsWith('-'),
        '$setting begins with a dash; write the option without dashes',
      ),
    ),
    // Only for VMs with this profile.
    profile: v.optional(text),
    // Every key must have this value; globs.
    match: v.optional(keys),
    set: v.optional(keys),
    delete: v.optional(v.array(text, '$setting is not a list; write ["key"]')),
    // Add the option when there is none that matches.
    add: v.optional(flag),
  }),
  v.check(
    (given) => Object.keys(given.set ?? {}).length > 0 || (given.delete ?? []).length > 0,
    'a rule changes nothing; add set = { key = value } or delete = ["key"]',
  ),
  v.check(
    (given) => given.add !== true || !Object.values(given.match ?? {}).some(isGlob),
    'a rule with add = true matches by a glob, which is nothing to add; match by a value',
  ),
  v.check(
    (given) => given.add !== true || !(given.delete ?? []).some((key) => key in (given.match ?? {})),
    'a rule with add = true deletes a key that it matches, so that it would add without end; delete another',
  ),
  v.transform(
    (given): Rule => ({
      option: given.option,
      profile: given.profile ?? null,
      match: given.match ?? withoutPrototype({}),
      set: given.set ?? withoutPrototype({}),
      delete: given.delete ?? [],
      add: given.add ?? false,
    }),
  ),
)

export const rules = v.array(rule, '$setting is not a list of tables; write [[rule]]')

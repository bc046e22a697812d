import * as v from 'valibot'
import { domains } from './domain.js'
import { emulators, host } from './host.js'
import { nics } from './nic.js'
import type { Policy } from './policy.js'
import { profiles } from './profile.js'
import { rules } from './rule.js'
import { table, withoutPrototype } from './values.js'

/** What a configuration says, without the text it came from. */
export type Settings = Omit<Policy, 'place'>

/** The whole file: one key a section. */
export const configuration = v.pipe(
  table({
    emulators: v.optional(emulators),
    host: v.optional(host),
    nic: v.optional(nics),
    profile: v.optional(profiles),
    domain: v.optional(domains),
    rule: v.optional(rules),
  }),
  v.transform(
    (given): Settings => ({
      emulators: given.emulators ?? withoutPrototype({}),
      host: given.host ?? { housekeeping: null, realtime: null, switch: null },
      nics: given.nic ?? withoutPrototype({}),
      profiles: given.profile ?? withoutPrototype({}),
      domains: given.domain ?? [],
      rules: given.rule ?? [],
    }),
  ),
)

import * as v from 'valibot'
import type { GivenTo } from './policy.js'
import { text } from './values.js'

const globs = v.lazy((input) => (Array.isArray(input) ? list : one))

const one = v.pipe(
  text,
  v.transform((glob): readonly string[] => [glob]),
)

const list = v.pipe(
  v.array(text),
  v.minLength(1, '$setting lets no domain have it; name one, or leave it out'),
  v.transform((given): readonly string[] => given),
)

/** Keys of an entry that say which domains may ask for it: globs of their names and of their flavors. */
export const GIVEN_TO = { domains: v.optional(globs), flavor: v.optional(globs) }

/** @returns null when an entry says nothing of it */
export function givenTo({
  domains,
  flavor,
}: {
  readonly domains?: readonly string[] | undefined
  readonly flavor?: readonly string[] | undefined
}): GivenTo | null {
  if (domains === undefined && flavor === undefined) return null
  return { domains: domains ?? null, flavors: flavor ?? null }
}

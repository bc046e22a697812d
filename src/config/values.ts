import * as v from 'valibot'
import { didYouMean } from '../errors/nearest.js'

/*
 * The kinds of value that the sections are made of. A message is `what is wrong; what to do`, in which $setting stands
 * for the setting as written (`mac = "x"`) and $key for its key; see problem.ts.
 */

/** Whether TOML has a table here: not a list, not a date. */
export function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}

const NOT_A_TABLE = '$setting is not a table; write { key = value, … }'

/** A table with these keys and no other. */
export function table<const E extends v.ObjectEntries>(entries: E, notTable = NOT_A_TABLE) {
  const known = Object.keys(entries)
  const schema = v.strictObject(entries, ({ expected, input }) => {
    if (expected !== 'never') return `'$key' is missing; write ${expected?.replaceAll('"', '')} = …`
    return `unknown key '$key'; ${didYouMean(String(input), known) ?? `known keys are ${known.join(', ')}`}`
  })
  return v.pipe(v.custom<v.InferInput<typeof schema>>(isTable, notTable), schema)
}

/** valibot passes over these without a word, since they could reach an object's prototype. */
const RESERVED = ['__proto__', 'prototype', 'constructor']

interface NameOptions {
  readonly notTable?: string
  readonly isName?: (name: string) => boolean
  /** The message for a key that is none. */
  readonly notName?: string
}

/** A table whose keys are names that the user chooses. */
export function names<S extends v.GenericSchema>(
  value: S,
  { notTable = NOT_A_TABLE, isName = () => true, notName = '' }: NameOptions = {},
) {
  const schema = v.record(v.pipe(v.string(), v.check(isName, notName)), value)
  return v.pipe(
    v.custom<v.InferInput<typeof schema>>(isTable, notTable),
    v.check(
      (entries) => reservedName(entries) === undefined,
      ({ input }) => `'${reservedName(input)}' is a reserved name; choose another`,
    ),
    schema,
    v.transform((entries) => withoutPrototype<v.InferOutput<S>>(entries)),
  )
}

function reservedName(entries: object): string | undefined {
  return RESERVED.find((name) => Object.hasOwn(entries, name))
}

/** Without this, looking up a name such as `toString` would find what every object inherits. */
export function withoutPrototype<T>(entries: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  return Object.assign(Object.create(null), entries)
}

/** Text that is not empty. */
export const text = v.pipe(
  v.string('$setting is not text; put it in quotes'),
  v.check((value) => value.trim() !== '', '$setting is empty; write something or leave it out'),
)

export const flag = v.boolean('$setting is neither true nor false; write one of these, without quotes')

/** Text that a parser must accept; what the parser returns is the value. */
export function parsed<T>(
  parse: (value: string) => T | null,
  message: string | ((value: unknown) => string),
) {
  return v.pipe(
    v.unknown(),
    v.rawTransform<unknown, T>(({ dataset: { value }, addIssue, NEVER }) => {
      const result = typeof value === 'string' ? parse(value) : null
      if (result !== null) return result
      addIssue({ message: typeof message === 'string' ? message : message(value) })
      return NEVER
    }),
  )
}

/** A whole number within limits, both included. */
export function wholeNumber(from: number, to: number) {
  const message = `$setting is not a whole number from ${from} to ${to}; write one, without quotes`
  return v.pipe(v.number(message), v.integer(message), v.minValue(from, message), v.maxValue(to, message))
}

/** One of a few words. */
export function oneOf<const W extends readonly string[]>(words: W) {
  return v.picklist(words, ({ input }) => {
    const near = typeof input === 'string' ? didYouMean(input, words) : null
    return `$setting is not one of ${words.join(', ')}; ${near ?? 'write one of them in quotes'}`
  })
}

import { type CommandLine, type Item, newOption } from '../argv/command-line.js'

/** What a pass wants changed, by index into the command line it was given, with the reason for a person. */
export type Edit =
  | { readonly kind: 'replace'; readonly index: number; readonly argument: string; readonly reason: string }
  | {
      readonly kind: 'append'
      readonly option: string
      readonly argument: string | null
      readonly reason: string
    }
  | { readonly kind: 'remove'; readonly index: number; readonly reason: string }

/** One change as the plan's JSON shows it. */
export interface Change {
  readonly pass: string
  readonly option: string
  readonly before: string | null
  readonly after: string | null
  readonly reason: string
}

/**
 * Applies a pass's edits at once. An index may be edited once: a pass that has two things to say of one argument says
 * them in one edit. A replacement that writes what is there already is no change.
 */
export function applyEdits(
  line: CommandLine,
  pass: string,
  edits: readonly Edit[],
): { readonly line: CommandLine; readonly changes: readonly Change[] } {
  if (edits.length === 0) return { line, changes: [] }
  const items: (Item | null)[] = [...line]
  const changes: Change[] = []
  for (const edit of edits) {
    const { reason } = edit
    if (edit.kind === 'append') {
      items.push(newOption(edit.option, edit.argument))
      changes.push({ pass, option: `-${edit.option}`, before: null, after: edit.argument ?? '', reason })
      continue
    }
    const item = line[edit.index]
    if (item?.kind !== 'option') throw new RangeError(`pass ${pass}: no option at ${edit.index}`)
    const before = item.argument?.text ?? ''
    if (edit.kind === 'remove') {
      items[edit.index] = null
      changes.push({ pass, option: item.word.text, before, after: null, reason })
    } else if (edit.argument !== before) {
      items[edit.index] = { ...item, argument: { text: edit.argument, position: null } }
      changes.push({ pass, option: item.word.text, before, after: edit.argument, reason })
    }
  }
  return { line: items.filter((item) => item !== null), changes }
}

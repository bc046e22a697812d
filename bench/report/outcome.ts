import type { Measured, Section, Settings } from '../common/section.js'

/** What became of a section. */
export type Outcome =
  | { readonly kind: 'measured'; readonly section: Section; readonly measured: Measured }
  | { readonly kind: 'skipped' | 'failed'; readonly section: Section; readonly reason: string }

/** Measures a section. One that fails must not keep the others from being measured. */
export async function measureSection(section: Section, settings: Settings): Promise<Outcome> {
  try {
    const obstacle = section.obstacle()
    if (obstacle !== null) return { kind: 'skipped', section, reason: obstacle }
    return { kind: 'measured', section, measured: await section.measure(settings) }
  } catch (error) {
    return { kind: 'failed', section, reason: oneLine(error) }
  }
}

function oneLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.trim().replace(/\s*\n\s*/g, '; ')
}

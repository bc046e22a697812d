import { accessSync, constants, lstatSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { inDirectoryOf } from '../../config/in-directory.js'
import { reportUnwritable } from '../../errors/jitter.js'
import { errorCode } from '../../host/sysfs.js'
import type { JitterHost } from '../host.js'
import type { JitterResult } from '../result.js'
import { modelOf } from './from-results.js'

/**
 * Looks whether a page can be written, before anything is measured for it.
 * @throws {UserError} exit 64 when it cannot
 */
export function checkReport(file: string): void {
  inReports(file, (name) => {
    accessSync('.', constants.W_OK)
    const there = lstatSync(name, { throwIfNoEntry: false })
    if (there !== undefined && !there.isFile()) throw new Error('it is not a regular file')
  })
}

/**
 * Writes the page, whole or not at all. Nothing is written through a link that somebody may have put there meanwhile.
 * @throws {UserError} exit 64 when it cannot be written
 */
export async function writeReport(
  file: string,
  results: readonly JitterResult[],
  host: JitterHost,
): Promise<void> {
  // The library that draws is loaded when all has been measured.
  const { formatPage } = await import('./page.js')
  const page = formatPage(modelOf(results, host, new Date()))
  inReports(file, (name) => {
    const fresh = `.${name}.${process.pid}`
    try {
      writeFileSync(fresh, page, { flag: 'wx' })
      renameSync(fresh, name)
    } catch (error) {
      rmSync(fresh, { force: true })
      throw error
    }
  })
}

function inReports(file: string, run: (name: string) => void): void {
  try {
    inDirectoryOf(file, run)
  } catch (error) {
    const reason = errorCode(error) ?? (error instanceof Error ? error.message : String(error))
    throw reportUnwritable({ file, reason })
  }
}

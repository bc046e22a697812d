import { resolve } from 'node:path'
import { quoteIfNeeded } from '../argv/shell.js'
import { captureHost } from '../capture/capture.js'
import { openSysroot } from '../host/sysroot.js'
import { writeAll } from '../report/output.js'
import { printable } from '../units/printable.js'

/**
 * Copies what a plan reads of this host into a directory for `--sysroot`.
 * @throws {UserError} see `captureHost`
 */
export function capture(
  out: string,
  { anonymize, sysroot }: { readonly anonymize: boolean; readonly sysroot: string },
): void {
  const { files } = captureHost(openSysroot(resolve(sysroot)), resolve(out), anonymize)
  const isRoot = process.geteuid?.() === 0
  const note = isRoot || anonymize ? '' : "; serial numbers of NICs are only root's to read"
  writeAll(
    1,
    `${files} files of this host are in ${printable(out)}: qemu-rt run --dry-run --sysroot ${quoteIfNeeded(out)} -- …${note}\n`,
  )
}

import { readdirSync, statSync, utimesSync } from 'node:fs'
import { dirname } from 'node:path'
import { findConfig } from '../config/find.js'
import { loadPolicy } from '../config/load.js'
import { emulatorOfArch, entryArch } from '../emulator/names.js'
import { launcherNotWritable, noLauncher } from '../errors/refresh.js'
import { UserError } from '../errors/user-error.js'
import { errorCode } from '../host/sysfs.js'
import { report } from '../report/output.js'

/**
 * Has libvirt ask an upgraded QEMU for its capabilities. libvirt keeps what it was told until the ctime of the emulator's
 * file changes (src/qemu/qemu_capabilities.c, virQEMUCapsIsValid), which stat(2) finds through the link to be the
 * launcher's: so that is touched when a QEMU has changed since. Says nothing when there is nothing to do.
 * @throws {UserError} exit 69 when it is not the installed launcher that runs this, 77 without root's rights
 */
export async function refresh({ config }: { readonly config?: string }): Promise<void> {
  const launcher = process.env.QEMU_RT_LAUNCHER ?? ''
  const since = changed(launcher)
  if (since === null) throw noLauncher({ path: launcher })
  const emulators = await readEmulators(config)
  const upgraded = readdirSync(dirname(launcher)).flatMap((name) => {
    const arch = entryArch(name)
    const emulator = arch === null ? null : emulatorOfArch(arch, emulators)
    return emulator !== null && (changed(emulator) ?? 0) > since ? [emulator] : []
  })
  if (upgraded.length === 0) return
  try {
    const now = new Date()
    utimesSync(launcher, now, now)
  } catch (error) {
    throw launcherNotWritable({ path: launcher, reason: errorCode(error) ?? String(error) })
  }
  report(`changed since libvirt was told of it: ${upgraded.join(', ')}; libvirt will ask again`)
}

/** When a file's content, name or mode last changed, in milliseconds; null when it is not there. */
function changed(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.ctimeMs ?? null
}

/** A configuration that is broken must not keep libvirt from asking. */
async function readEmulators(config: string | undefined): Promise<Readonly<Record<string, string>>> {
  try {
    return (await loadPolicy({ ...findConfig(config, process.env), emulatorMode: false })).emulators
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    return {}
  }
}

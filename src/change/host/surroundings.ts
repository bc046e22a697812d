import { lstatSync, realpathSync } from 'node:fs'
import { UserError } from '../../errors/user-error.js'
import { runCommand } from '../../host/command.js'
import type { Root } from '../../host/sysroot.js'
import { directoryOf } from '../../units/path.js'
import { BOOTLOADER_SIGNS } from './bootloader.js'
import { missingDirectories, strangerTo } from './places.js'

/** Which of the files that tell bootloaders apart are there. */
export function bootloaderSigns(root: Root): ReadonlySet<string> {
  return new Set(BOOTLOADER_SIGNS.filter((path) => isThere(root + path)))
}

function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined
  } catch {
    return false
  }
}

/** What a unit may name without quotes, and without a `%` or `$` that systemd would replace. */
const PLAIN_PATH = /^\/[\w./+-]+$/

/**
 * Where this program is started, links followed, for a unit that root's systemd runs at each boot.
 * @param launcher as it was started
 * @returns null when others than root could change it
 */
export function launcherForUnit(root: Root, launcher: string | undefined): string | null {
  try {
    const path = realpathSync(launcher ?? '')
    if (!PLAIN_PATH.test(path)) return null
    // Beneath a sysroot it is that host's own program that counts, which is not looked at.
    if (root !== '') return path
    const isOwn = strangerTo(lstatSync(path)) === null
    return isOwn && missingDirectories(root, directoryOf(path)).length === 0 ? path : null
  } catch (error) {
    if (error instanceof UserError || (error as NodeJS.ErrnoException).code !== undefined) return null
    throw error
  }
}

/** The path of a configuration for the unit; null when it has no such name. */
export function configForUnit(path: string): string | null {
  try {
    const real = realpathSync(path)
    return PLAIN_PATH.test(real) ? real : null
  } catch {
    return null
  }
}

/** Signs of systemd: it runs (sd_booted(3)), or it is installed in what is going to be booted. */
const SYSTEMD = ['/run/systemd/system', '/usr/lib/systemd/systemd', '/lib/systemd/systemd']

/** Whether systemd starts this host. Of a copy, whose programs are not looked at, it is assumed. */
export function hasSystemd(root: Root): boolean {
  return root !== '' || SYSTEMD.some(isThere)
}

/**
 * Has systemd forget a unit that was removed: it is ended first, since one that has run counts as active.
 * @returns as `reloadUnits`
 */
export async function forgetUnit(root: Root, unit: string): Promise<string | null> {
  // One that has not run at this boot needs no end.
  if (root === '' && isThere('/run/systemd/system')) await runCommand(['systemctl', 'stop', unit])
  return reloadUnits(root)
}

/** Has systemd read its units anew. @returns what it says when it cannot; null where it does not run */
export async function reloadUnits(root: Root): Promise<string | null> {
  if (root !== '' || !isThere('/run/systemd/system')) return null
  return (await runCommand(['systemctl', 'daemon-reload'])).failure
}

import { findOptions, propertiesAt } from '../argv/command-line.js'
import type { Policy } from '../config/policy.js'
import { DEFAULT_CONFIG_PATH } from '../config/policy.js'
import { notADomainsWord, twoIdentities } from '../errors/own-settings.js'
import { directoryOf } from '../units/path.js'
import type { Request } from './request.js'

const DEFAULT_DIRECTORY = directoryOf(DEFAULT_CONFIG_PATH)

/**
 * Checks that a domain is who libvirt says. libvirt writes `-name` and `-uuid` first, and of several QEMU takes the last
 * (system/vl.c, QEMU_OPTION_uuid; the options of -name are merged), so that one in `<qemu:arg>` would take another
 * domain's profile and NICs. So would the `[name]` of a `-readconfig` file, which stands in the command line here; a UUID
 * is in no group of such a file, and `-set` changes neither, since both have no id.
 * @throws {UserError} exit 77 for a second `-uuid` or guest name that is not the first
 */
export function checkIdentity({ line }: Pick<Request, 'line'>): void {
  const uuids = findOptions(line, 'uuid').map(({ option }) => option.argument?.text.toLowerCase() ?? '')
  const names = findOptions(line, 'name').flatMap(({ index }) => propertiesAt(line, index).get('guest') ?? [])
  const [otherUuid, otherName] = [uuids, names].map((values) => values.some((value) => value !== values[0]))
  if (otherUuid) throw twoIdentities({ option: '-uuid', values: [...new Set(uuids)] })
  if (otherName) throw twoIdentities({ option: '-name', values: [...new Set(names)] })
}

/**
 * Whether libvirt has made a command line, so that what is in it and in the environment may be a domain's word: it always
 * has the socket of libvirt's monitor, which no `<qemu:arg>` can take away (src/qemu/qemu_command.c,
 * qemuBuildMonitorCommandLine). What uses the socket is no sign: `-mon` with libvirt 9.0 and 11.3, `-object` with a
 * `monitor-qmp` with 12.8 and QEMU 11.1.
 */
export function isMadeByLibvirt({ line }: Pick<Request, 'line'>): boolean {
  return findOptions(line, 'chardev').some(
    ({ index }) => propertiesAt(line, index).get('id') === 'charmonitor',
  )
}

/**
 * Checks what a domain's XML says to the wrapper of files: in flags, and in the environment.
 * @param configDirectory where root keeps the configurations that a domain may name
 * @throws {UserError} exit 77 for a configuration elsewhere, or a sysroot; see `checkIdentity`
 */
export function checkOwnSettings(
  request: Pick<Request, 'line' | 'config' | 'sysroot'>,
  configDirectory: string = DEFAULT_DIRECTORY,
): void {
  checkIdentity(request)
  const { config, sysroot } = request
  if (config.explicit && !isBelow(config.path, configDirectory)) {
    throw notADomainsWord({
      what: 'a configuration elsewhere (QEMU_RT_CONFIG, --rt-config)',
      value: config.path,
      todo: `name one below ${configDirectory}/, or none`,
    })
  }
  if (sysroot !== '/') {
    throw notADomainsWord({
      what: 'a sysroot (QEMU_RT_SYSROOT, --rt-sysroot)',
      value: sysroot,
      todo: 'take it out; it is for dry runs',
    })
  }
}

/**
 * Checks the emulator that a domain's XML names to the wrapper.
 * @param isRootsFile whether nobody but root can write the file or exchange it
 * @throws {UserError} exit 77 unless root has it in `[emulators]` or has put it there
 */
export function checkOwnEmulator(
  emulator: string | null,
  policy: Policy,
  isRootsFile: (path: string) => boolean,
): void {
  if (emulator === null || Object.values(policy.emulators).includes(emulator)) return
  const isQemu = /\/qemu-(system-[a-z0-9_-]+|kvm)$/.test(emulator)
  if ((isQemu || isBelow(emulator, DEFAULT_DIRECTORY)) && isRootsFile(emulator)) return
  throw notADomainsWord({
    what: 'another emulator (QEMU_RT_EMULATOR, --rt-emulator)',
    value: emulator,
    todo: `name one that root has in [emulators] of ${policy.place([])}, or none`,
  })
}

function isBelow(path: string, directory: string): boolean {
  return path.startsWith(`${directory}/`) && !path.split('/').includes('..')
}

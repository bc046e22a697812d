import type { Subject } from '../../checks/check.js'
import { isReadAfter, sysctlAtBoot } from '../../checks/sysctl-files.js'
import type { RuntimeSetting, Settings } from './settings.js'

/** The file that makes sysctls last. Not the name that the checks advise for what a person writes. */
export const SYSCTL_FILE = '/etc/sysctl.d/91-qemu-rt.conf'

/** Of the packages of a distribution: what it has there is no one's choice on this host. */
const PACKAGED = /^(\/usr)?\/lib\//

/**
 * Plans a sysctl so that what is set now is what the next boot sets, too: a line of an administrator's that is as good is
 * left, and so is one that is read after the file of qemu-rt, which could not override it.
 * @param setting the value that a check wants
 * @param isGood whether the check is content with a value
 */
export function sysctlSettings(
  { facts }: Subject,
  name: string,
  setting: RuntimeSetting,
  isGood: (value: string) => boolean,
): Settings {
  const { check, now, wanted } = setting
  const other = sysctlAtBoot(facts, name, (file) => file !== SYSCTL_FILE)
  const line = { check, place: 'sysctl' as const, line: `${name} = ${wanted}`, value: setting }
  if (other === null) return { runtime: [setting], lasting: [line] }
  const { file, value } = other
  const sets = `${file} sets ${name} = ${value} at each boot`
  if (isGood(value)) {
    const left =
      now === null || isGood(now) ? [] : [`${sets}, which is as good: it is set now, and stays yours`]
    return { runtime: [{ ...setting, wanted: value, endsWithBoot: true }], lasting: [], left }
  }
  if (isReadAfter(file, SYSCTL_FILE))
    return {
      runtime: [],
      lasting: [],
      left: [`${sets} and is read after the file of qemu-rt; take that line out, then run this again`],
    }
  return { runtime: [setting], lasting: [line], overridden: PACKAGED.test(file) ? [] : [sets] }
}

import { type CommandLine, findOptions, propertiesAt } from '../../argv/command-line.js'
import { parseSwitch } from '../../argv/properties.js'
import { findVhostUser, VHOST_USER } from './vhost-user.js'

/** Options that can name a vhost-user device: `device`, `netdev`, `nic`, `net`, `object`. */
const OPTIONS = [...new Set(VHOST_USER.map(({ option }) => option))]

/** What the command line has that speaks vhost-user, each as `-netdev vhost-user 'hostnet0'`. */
export function vhostUserDevices(line: CommandLine): string[] {
  return OPTIONS.flatMap((name) =>
    findOptions(line, name).flatMap(({ index, option }) => {
      const properties = propertiesAt(line, index)
      const driver = properties.get(option.spec?.impliedKey ?? '') ?? ''
      const found = findVhostUser(name, driver)
      if (found === null) return []
      if (found.only !== undefined && parseSwitch(properties.get(found.only)) !== true) return []
      const id = properties.get('id')
      return [`-${name} ${driver}${id === undefined ? '' : ` '${id}'`}`]
    }),
  )
}

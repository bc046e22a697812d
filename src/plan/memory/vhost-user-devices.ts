import { type CommandLine, findOptions, propertiesAt } from '../../argv/command-line.js'
import { parseSwitch } from '../../argv/properties.js'
import { findVhostUser, SHARING_BLOCK_DRIVERS, VHOST_USER } from './vhost-user.js'

/** Options that can name a vhost-user device: `device`, `netdev`, `nic`, `net`, `object`. */
const OPTIONS = [...new Set(VHOST_USER.map(({ option }) => option))]

/** What the command line has whose back end maps guest RAM, each as `-netdev vhost-user 'hostnet0'`. */
export function vhostUserDevices(line: CommandLine): string[] {
  return [...devices(line), ...blockNodes(line)]
}

function devices(line: CommandLine): string[] {
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

/**
 * A block driver is named at any depth: `-blockdev virtio-blk-vhost-user,…`, `file.driver=…`, in JSON, and in the `json:` of
 * a file name, whose commas are doubled in an option's argument.
 */
const BLOCK_DRIVER = new RegExp(
  `(?:^|\\b(?:driver|format)["']?\\s*[=:]\\s*["']?)(${SHARING_BLOCK_DRIVERS.join('|')})(?![\\w-])`,
)

const BLOCK_OPTIONS: readonly string[] = ['blockdev', 'drive', 'hda', 'hdb', 'hdc', 'hdd', 'cdrom', 'pflash']

function blockNodes(line: CommandLine): string[] {
  return BLOCK_OPTIONS.flatMap((name) =>
    findOptions(line, name).flatMap(({ option }) => {
      const driver = BLOCK_DRIVER.exec(option.argument?.text ?? '')?.[1]
      return driver === undefined ? [] : [`-${name} ${driver}`]
    }),
  )
}

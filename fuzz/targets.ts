import type { Target } from './common/target.js'
import { commandLines } from './targets/command-lines.js'
import { configurations } from './targets/configurations.js'
import { cpuLists } from './targets/cpu-lists.js'
import { domains } from './targets/domains.js'
import { globs } from './targets/globs.js'
import { planted } from './targets/planted.js'
import { properties } from './targets/properties.js'
import { qemuConf } from './targets/qemu-conf.js'
import { readConfigs } from './targets/read-configs.js'
import { records } from './targets/records.js'
import { screens } from './targets/screens.js'
import { selectors } from './targets/selectors.js'

/** Everything that is fuzzed. With QEMU_RT_FUZZ_PLANTED there is a fault to find, as a proof that one is found. */
export const TARGETS: readonly Target[] = [
  commandLines,
  properties,
  configurations,
  readConfigs,
  domains,
  records,
  cpuLists,
  selectors,
  globs,
  qemuConf,
  screens,
  ...(process.env.QEMU_RT_FUZZ_PLANTED === undefined ? [] : planted),
]

import { afterLaunchSection } from './after-launch/after-launch.js'
import type { Section } from './common/section.js'
import { launchSection } from './launch/launch.js'
import { scaleSection } from './scale/scale.js'
import { stallsSection } from './stalls/stalls.js'
import { timeToTunedSection } from './time-to-tuned/time-to-tuned.js'
import { virshStartSection } from './virsh-start/virsh-start.js'

/** Everything that is measured, in its order. */
export const SECTIONS: readonly Section[] = [
  launchSection,
  afterLaunchSection,
  timeToTunedSection,
  stallsSection,
  scaleSection,
  virshStartSection,
]

import { directoryOf } from '../../units/path.js'
import type { WriteSysfs } from '../driver.js'
import { type Applied, applyHost } from '../host/apply.js'
import { missingDirectories } from '../host/places.js'
import { type Change, ISOLATE_RECORD_FILE } from '../host/record.js'
import { directoryStep, type Host, linkStep } from '../host/steps.js'
import type { Step } from '../step.js'
import { controllerStep } from './controller.js'
import { groupSteps } from './group-steps.js'
import { ISOLATE_UNIT_FILE, ISOLATE_UNIT_LINK, ISOLATE_UNIT_TARGET, type IsolationPlan } from './plan.js'

/**
 * Carries isolation out: all of it, or nothing, with what was before in root's record first, as `applyHost`.
 * @param prepare a test has a step fail here
 * @throws {UserError} exit 69 or 77; all is as before then
 */
export function isolateHost(
  host: Host,
  plan: IsolationPlan,
  write: WriteSysfs,
  prepare: (steps: readonly Step<Change>[]) => readonly Step<Change>[] = (steps) => steps,
): Promise<Applied> {
  const { root } = host
  const hasUnit = plan.files.some(({ path }) => path === ISOLATE_UNIT_FILE)
  return applyHost(
    host,
    plan,
    (steps) =>
      prepare([
        // Slices have their CPUs by it.
        controllerStep(root, write),
        ...steps,
        ...(hasUnit ? missingDirectories(root, directoryOf(ISOLATE_UNIT_LINK)) : []).map((path) =>
          directoryStep(root, path),
        ),
        ...(hasUnit ? [linkStep(root, ISOLATE_UNIT_LINK, ISOLATE_UNIT_TARGET)] : []),
        ...groupSteps(root, plan, write),
      ]),
    ISOLATE_RECORD_FILE,
  )
}

import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import t, { type Test } from 'tap'
import { accessTo } from '../../src/change/host/access.js'
import { type Change, ISOLATE_RECORD_FILE, readApplyRecord } from '../../src/change/host/record.js'
import { undoHost } from '../../src/change/host/undo.js'
import { reserveAt } from '../../src/change/isolate/group-steps.js'
import { isolateHost } from '../../src/change/isolate/isolate.js'
import { ISOLATE_UNIT_LINK, planIsolation } from '../../src/change/isolate/plan.js'
import { isolationText } from '../../src/change/isolate/text.js'
import { reserveOf } from '../../src/change/reserve.js'
import type { Step } from '../../src/change/step.js'
import { openSysroot } from '../../src/host/sysroot.js'
import { writeFiles } from '../host/made-host.js'
import { hostWithCgroups, MOUNT } from './cgroup-kernel.js'

const PLAN = planIsolation({
  realtime: [4, 5, 6, 7],
  switches: [3],
  online: [0, 1, 2, 3, 4, 5, 6, 7],
  launcher: '/usr/bin/qemu-rt',
  config: null,
})

function made(t: Test, groups: readonly string[] = ['/system.slice', '/user.slice', '/init.scope']) {
  const directory = t.testdir({})
  const kernel = hostWithCgroups(directory, '0-7', groups)
  writeFiles(directory, { '/etc/systemd/system/multi-user.target.wants/a.service': '' })
  const root = openSysroot(directory)
  const host = { root, access: accessTo(root) }
  const isolate = (prepare?: (steps: readonly Step<Change>[]) => readonly Step<Change>[]) =>
    isolateHost(host, PLAN, kernel.write, prepare)
  const undo = async () => {
    const record = readApplyRecord(root, ISOLATE_RECORD_FILE)
    const done = record === null ? null : await undoHost(host, record, ISOLATE_RECORD_FILE)
    kernel.settle()
    return done
  }
  return { directory, root, kernel, isolate, undo, at: { root: directory, mountPoint: MOUNT } }
}

/** All files of a host, with what is in them. */
function tree(path: string): Record<string, string> {
  const files: Record<string, string> = {}
  for (const name of readdirSync(path)) {
    const one = `${path}/${name}`
    const stats = lstatSync(one)
    if (stats.isSymbolicLink()) files[name] = `→ ${readlinkSync(one)}`
    else if (stats.isDirectory()) {
      files[name] = 'directory'
      for (const [below, text] of Object.entries(tree(one))) files[`${name}/${below}`] = text
    } else files[name] = readFileSync(one, 'utf8').trim()
  }
  return files
}

t.test('real-time CPUs are isolated, the system has the others, and all of it is put back', async (t) => {
  const { directory, root, kernel, isolate, undo, at } = made(t)
  const before = tree(directory)
  const { changed, hasNewUnit, refused } = await isolate()
  t.ok(changed > 0)
  t.ok(hasNewUnit)
  t.same(refused, [])
  t.same(kernel.cpus('', 'cpuset.cpus.isolated'), [3, 4, 5, 6, 7])
  t.equal(kernel.partition('/qemu_rt_switch.slice'), 'isolated')
  t.match(
    readFileSync(`${directory}/etc/systemd/system/qemu_rt_switch.slice`, 'utf8'),
    /\[Slice\]\nAllowedCPUs=3\n/,
  )
  t.match(
    readFileSync(`${directory}/etc/systemd/system/qemu-rt-isolate.service`, 'utf8'),
    /^Wants=qemu_rt_switch.slice\nAfter=local-fs.target qemu_rt_switch.slice$/m,
  )
  for (const group of ['qemu-rt', 'qemu-rt-vms'])
    t.equal(readFileSync(`${directory}${MOUNT}/${group}/cgroup.type`, 'utf8'), 'threaded\n')
  t.same(kernel.cpus('/qemu-rt-vms', 'cpuset.cpus'), [0, 1, 2])
  t.equal(readFileSync(`${directory}${MOUNT}/system.slice/cpuset.cpus`, 'utf8').trim(), '0-2')
  t.match(
    readFileSync(`${directory}/etc/systemd/system/user.slice.d/50-qemu-rt.conf`, 'utf8'),
    /\[Slice\]\nAllowedCPUs=0-2\n/,
  )
  t.equal(readlinkSync(directory + ISOLATE_UNIT_LINK), '../qemu-rt-isolate.service')
  t.same(reserveAt(root)?.cpus, [4, 5, 6, 7])
  t.equal((await isolate()).changed, 0, 'again, nothing is changed')
  kernel.write(`${directory}${MOUNT}/qemu-rt/cpuset.cpus`, '5-7')
  t.equal((await isolate()).changed, 1, 'a CPU that got lost comes back')
  t.same(reserveOf(at), [4, 5, 6, 7])
  t.same(
    (await undo())?.filter(({ outcome }) => outcome !== 'undone'),
    [],
  )
  t.same(tree(directory), before)
  t.equal(await undo(), null)
})

t.test('CPUs that a VM has stay its own, when all is isolated again and when it is undone', async (t) => {
  const { directory, kernel, isolate, undo, at } = made(t, ['/system.slice', '/vm'])
  await isolate()
  kernel.write(`${directory}${MOUNT}/qemu-rt/cpuset.cpus`, '5-7')
  kernel.write(`${directory}${MOUNT}/vm/cpuset.cpus`, '4')
  kernel.write(`${directory}${MOUNT}/vm/cpuset.cpus.partition`, 'isolated')
  t.equal((await isolate()).changed, 0)
  t.same(reserveOf(at), [5, 6, 7])
  await undo()
  t.same(kernel.cpus('', 'cpuset.cpus.isolated'), [4])
})

t.test('without a switch there is no group and no slice for it', (t) => {
  const { files } = planIsolation({
    realtime: [2],
    switches: [],
    online: [0, 1, 2],
    launcher: '/l',
    config: null,
  })
  t.notMatch(files.map(({ path, text }) => path + text).join(''), /switch/)
  t.end()
})

t.test('isolation that fails at any step leaves all as before', async (t) => {
  const count = { steps: 0 }
  await made(t).isolate((steps) => {
    count.steps = steps.length
    return steps
  })
  for (let at = 0; at < count.steps; at++) {
    const { directory, isolate, kernel } = made(t)
    const before = tree(directory)
    const failing = (steps: readonly Step<Change>[]) =>
      steps.map(
        (step, index): Step<Change> =>
          index === at
            ? {
                ...step,
                make: () => {
                  throw new Error('cut off')
                },
              }
            : step,
      )
    const isMade = await isolate(failing).then(
      () => true,
      () => false,
    )
    // What is as wanted already is not made.
    t.equal(isMade, at === 0)
    if (isMade) continue
    kernel.settle()
    t.same(tree(directory), before, `step ${at}`)
  }
})

t.test('what a kill has left half-done is undone from the record', async (t) => {
  const { directory, isolate, undo } = made(t)
  const before = tree(directory)
  const killed = (steps: readonly Step<Change>[]) =>
    steps.map(
      (step, index): Step<Change> => ({
        ...step,
        make: async () => {
          if (index === steps.length - 1) throw new Error('killed')
          await step.make()
        },
        // A process that was killed undoes nothing.
        undo: () => {
          throw new Error('killed')
        },
      }),
    )
  await t.rejects(isolate(killed))
  t.not(existsSync(directory + ISOLATE_RECORD_FILE), false)
  t.strictNotSame(tree(directory), before)
  await undo()
  t.same(tree(directory), before)
})

t.test('a partition that the kernel refuses is told in its words, and nothing is left', async (t) => {
  const { directory, kernel, isolate } = made(t, ['/system.slice', '/other'])
  kernel.write(`${directory}${MOUNT}/other/cpuset.cpus`, '5')
  kernel.write(`${directory}${MOUNT}/other/cpuset.cpus.partition`, 'isolated')
  // Not in the root group's list, as on a kernel without it.
  const before = tree(directory)
  writeFileSync(`${directory}${MOUNT}/cpuset.cpus.isolated`, '\n')
  const steps = (all: readonly Step<Change>[]) => all.slice(-3, -2)
  await t.rejects(isolate(steps), {
    exitCode: 69,
    message:
      /the kernel does not isolate CPU 4-7: isolated invalid \(Cpu list in cpuset.cpus not exclusive\)/,
  })
  kernel.settle()
  t.same(tree(directory), before)
})

t.test('a host without the directory of enabled units gets it, and loses it again', async (t) => {
  const { directory, isolate, undo } = made(t)
  const wants = `${directory}/etc/systemd/system/multi-user.target.wants`
  rmSync(wants, { recursive: true })
  await isolate()
  t.ok(lstatSync(`${directory}${ISOLATE_UNIT_LINK}`).isSymbolicLink())
  await undo()
  t.notOk(existsSync(wants))
})

t.test('a dry run says that it is one', async (t) => {
  const files = [{ path: '/etc/x', isThere: false }]
  t.match(
    isolationText(PLAN, files, true),
    /^A dry run: nothing was changed\.[\s\S]*To be isolated:[\s\S]*to be written/,
  )
  t.match(isolationText(PLAN, files, false), /^Isolated:[\s\S]*\/etc\/x: written/)
})

import { keptOf } from '../checks/keep.js'
import { keptOfConfig } from '../checks/kernel.js'
import { RELEASE, textOf } from '../checks/look.js'
import { WANTED } from '../checks/table.js'
import { CAPTURED_CHECKS_PATH, formatCapturedChecks, hiddenOf } from '../host/check/captured.js'
import type { CheckFacts, ThreadFact } from '../host/check/facts.js'
import { readCheckFacts } from '../host/check/read.js'
import type { Root } from '../host/sysroot.js'
import type { PutText } from './capture.js'
import { isPlainGroup } from './sources.js'

/** Copies what `host check` looks at: files, of some only the lines that count, and in one file what no copied file tells. */
export function captureChecks(root: Root, putText: PutText, anonymize: boolean): void {
  const facts = readCheckFacts(root === '' ? '/' : root, WANTED)
  for (const [path, { text }] of facts.files)
    if (text !== null && !(anonymize && isNamed(path))) putText(path, keptOf(path, text))
  const release = textOf(facts, RELEASE)
  const config = facts.kernelConfig.text
  if (release !== null && config !== null) putText(`/boot/config-${release}`, keptOfConfig(config))
  const named = anonymize ? withoutNames(facts) : facts
  putText(
    CAPTURED_CHECKS_PATH,
    formatCapturedChecks({ ...named, hidden: hiddenOf(anonymize ? withoutNamed(facts) : facts) }),
  )
}

/** Whether a file is of a control group that has a name of a VM or program: partitions come along without names. */
function isNamed(path: string): boolean {
  const group = /^\/sys\/fs\/cgroup\/([^/]+)\/cpuset\./.exec(path)?.[1]
  return group !== undefined && !isPlainGroup(group)
}

/** Programs whose names checks ask for. */
const KNOWN = /^(irqbalance|stalld|qemu-|CPU \d+\/|kvm)/

function withoutNamed({ files }: CheckFacts): Pick<CheckFacts, 'files'> {
  return { files: new Map([...files].filter(([path]) => !isNamed(path))) }
}

function withoutNames(facts: CheckFacts): CheckFacts {
  const threads = facts.threads?.map((thread) => ({ ...thread, ...nameless(thread) })) ?? null
  const kernelLog = facts.kernelLog?.map((line) => line.replace(/\[[^\]]*\]/g, '[…]')) ?? null
  return { ...facts, threads, kernelLog }
}

function nameless({ name, isKernels, group }: ThreadFact): Pick<ThreadFact, 'name' | 'group'> {
  return {
    name: isKernels ? name : (KNOWN.exec(name)?.[0] ?? 'program'),
    group: group === null ? null : (/^\/[\w-]+\.slice/.exec(group)?.[0] ?? ''),
  }
}

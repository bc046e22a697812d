import { type CommandLine, findOptions, propertiesAt } from '../../argv/command-line.js'

/** An object of the command line that has a thread of its own. */
export interface ThreadObject {
  readonly type: 'iothread' | 'thread-context'
  readonly id: string
}

/**
 * What the names of their threads begin with (QEMU iothread.c, iothread_init; util/thread-context.c,
 * thread_context_instance_complete).
 */
const PREFIX: Readonly<Record<ThreadObject['type'], string>> = { iothread: 'IO ', 'thread-context': 'TC ' }

/** A thread's name has 15 bytes at most (linux/sched.h, TASK_COMM_LEN). */
const NAME_BYTES = 15

/**
 * The command line's objects with a thread, in the order in which QEMU makes them: contexts before it enters its sandbox,
 * all else later, both in the order of the command line (system/vl.c, object_create_pre_sandbox, object_create_early;
 * seen so in QEMU 7.2, 10.0 and 11.1).
 */
export function threadObjects(line: CommandLine): ThreadObject[] {
  const objects = findOptions(line, 'object').map(({ index }) => propertiesAt(line, index))
  return (['thread-context', 'iothread'] as const).flatMap((type) =>
    objects
      .filter((object) => object.get('qom-type') === type)
      .flatMap((object) => object.get('id') ?? [])
      .map((id) => ({ type, id })),
  )
}

/**
 * Those whose thread has no name of its own: glibc refuses a longer one and QEMU does not look (pthread_setname_np(3),
 * ERANGE), so that the thread keeps the name of the main thread. In the order of their making.
 */
export function unnamedObjects(line: CommandLine): ThreadObject[] {
  return threadObjects(line).filter(({ type, id }) => Buffer.byteLength(PREFIX[type] + id) > NAME_BYTES)
}

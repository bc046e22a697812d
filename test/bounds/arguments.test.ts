import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync } from 'node:fs'
import t from 'tap'
import { parseArguments } from '../../src/tune/arguments.js'
import { findUnrecorded } from '../../src/tune/targets.js'

const argumentsOf = (...words: readonly string[]) =>
  parseArguments(Buffer.from(`qemu\0${words.join('\0')}\0`))

t.test("a process's arguments are read to a limit, and beyond it not at all", async (t) => {
  t.equal(argumentsOf('-name', 'a', '-name', 'plc-1,process=x')?.guest, 'plc-1')
  const words = (count: number) => Array<string>(count - 1).fill('-S')
  t.equal(argumentsOf(...words(16_384))?.line.length, 16_383)
  t.equal(argumentsOf(...words(16_385)), null, 'words')
  const long = (bytes: number) => argumentsOf('-name', 'x'.repeat(bytes - 'qemu -name  '.length))
  t.ok(long(256 << 10))
  t.equal(long((256 << 10) + 1), null, 'bytes')
})

t.test('arguments that say nothing', async (t) => {
  t.equal(parseArguments(Buffer.from('')), null, 'a process that has none any more')
  t.equal(argumentsOf('-object', ',=x'), null, 'QEMU would refuse them')
})

t.test('a process without a record is shown as a QEMU when its arguments can be read', async (t) => {
  const program = `${t.testdir({})}/qemu-system-x86_64`
  copyFileSync('/bin/sh', program)
  const start = async (...args: readonly string[]) => {
    const child = spawn(program, ['-c', 'echo ready; read line', ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    t.teardown(() => child.kill())
    await once(child.stdout, 'data')
    return child.pid ?? 0
  }
  const [few, many, bad] = [
    await start('-name', 'few'),
    await start('-name', 'many', ...Array<string>(20_000).fill('-S')),
    await start('-name', 'bad', '-object', ',=x'),
  ]
  const found = new Map(findUnrecorded([]).map(({ pid, guest }) => [pid, guest]))
  t.equal(found.get(few), 'few')
  t.notOk(found.has(many), 'too many words')
  t.notOk(found.has(bad), 'QEMU would refuse them')
})

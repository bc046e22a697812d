import t from 'tap'
import { exportUnwritable } from '../../src/errors/export.js'
import { goldenNotReadable, goldenNotWritable } from '../../src/errors/golden.js'
import { reportUnwritable, resultNotReadable } from '../../src/errors/jitter.js'
import { domainNotReadable } from '../../src/errors/libvirt.js'
import { systemRefused } from '../../src/errors/system.js'

/** An error of a system call, as Node makes it. */
function failed(facts: { code: string; syscall?: string; path?: string }): Error {
  return Object.assign(new Error('x'), facts)
}

t.test('the same cause has the same exit code, whichever command meets it', async (t) => {
  const makers = {
    exportUnwritable: (reason: string) => exportUnwritable({ file: 'f', reason }),
    goldenNotReadable: (reason: string) => goldenNotReadable({ file: 'f', reason }),
    goldenNotWritable: (reason: string) => goldenNotWritable({ file: 'f', reason }),
    reportUnwritable: (reason: string) => reportUnwritable({ file: 'f', reason }),
    resultNotReadable: (why: string) => resultNotReadable({ path: 'f', why }),
    domainNotReadable: (reason: string) => domainNotReadable({ file: 'f', reason }),
    systemRefused: (code: string) => systemRefused(failed({ code, syscall: 'open' })),
  }
  for (const [name, make] of Object.entries(makers)) {
    for (const reason of ['EACCES', 'EPERM', 'EROFS'])
      t.equal(make(reason)?.exitCode, 77, `${name} ${reason}`)
    for (const reason of ['ENOSPC', 'EDQUOT', 'EIO', 'EMFILE'])
      t.equal(make(reason)?.exitCode, 69, `${name} ${reason}`)
  }
  t.equal(reportUnwritable({ file: 'f', reason: 'ENOENT' }).exitCode, 64, 'what the user has named')
  t.equal(domainNotReadable({ file: 'f', reason: 'EISDIR' }).exitCode, 65)
  t.equal(resultNotReadable({ path: 'f', why: 'ENOENT' }).exitCode, 65)
  t.equal(exportUnwritable({ file: 'f', reason: 'ENOENT' }).exitCode, 69)
})

t.test('what the user can mend is not to be reported', async (t) => {
  t.match(systemRefused(failed({ code: 'ENOENT', syscall: 'mkdtemp', path: '/nowhere/qemu-rt-XXXXXX' })), {
    exitCode: 69,
    message:
      'the directory for temporary files cannot be used: /nowhere (mkdtemp, ENOENT); set TMPDIR to a directory in which this user can write',
  })
  t.match(systemRefused(failed({ code: 'EACCES', syscall: 'mkdtemp', path: '/root/qemu-rt-XXXXXX' })), {
    exitCode: 77,
    message: /: \/root \(mkdtemp, EACCES\); set TMPDIR /,
  })
  for (const code of ['ENAMETOOLONG', 'EISDIR', 'ENOTDIR'])
    t.match(systemRefused(failed({ code, syscall: 'open', path: 'x' })), {
      exitCode: 65,
      message: new RegExp(`: x \\(open, ${code}\\); (?!please report)`),
    })
  t.match(systemRefused(failed({ code: 'ENAMETOOLONG', path: 'x' })), {
    exitCode: 65,
    message: /: x \(ENAMETOOLONG\); /,
  })
})

t.test('what this program did not expect is', async (t) => {
  t.match(systemRefused(failed({ code: 'EBADF', syscall: 'read' })), {
    exitCode: 70,
    message: /please report/,
  })
  t.equal(systemRefused(failed({ code: 'ERR_INVALID_ARG_TYPE' })), null)
  t.equal(systemRefused(new Error('x')), null)
})

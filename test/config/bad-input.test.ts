import t from 'tap'
import { parsePolicy } from '../../src/config/parse.js'
import { UserError } from '../../src/errors/user-error.js'

/** A configuration → the one line that the user gets. The exit code is always 78. */
const CASES: Readonly<Record<string, readonly (readonly [toml: string, message: string])[]>> = {
  'what is not TOML': [
    [
      '[host',
      'the configuration is not valid TOML, incomplete key-value: cannot find end of key: q.toml:1:2; correct this line or the one before it (text stands in quotes)',
    ],
    [
      '[host]\nrealtime = 2-3',
      'the configuration is not valid TOML, illegal character in numeric literal: q.toml:2:13; correct this line or the one before it (text stands in quotes)',
    ],
    [
      '[profile.rt]\nshare = auto',
      'the configuration is not valid TOML, invalid value: q.toml:2:9; correct this line or the one before it (text stands in quotes)',
    ],
    [
      '[profile.rt]\nvcpus = { cpus = "auto"\npolicy = "fifo" }\nx',
      'the configuration is not valid TOML, expected comma or end of structure: q.toml:3:1; correct this line or the one before it (text stands in quotes)',
    ],
    [
      '[profile.rt]\n[profile.rt]',
      'the configuration is not valid TOML, trying to redefine an already defined table or value: q.toml:2:2; correct this line or the one before it (text stands in quotes)',
    ],
    [
      '[nic.a]\nvf = 99999999999999999999',
      'the configuration is not valid TOML, integer value cannot be represented losslessly: q.toml:2:6; correct this line or the one before it (text stands in quotes)',
    ],
  ],
  'unknown keys': [
    [
      '\n[profile.rt]\nhugepage = "1G"',
      `unknown key 'hugepage': q.toml:3, [profile.rt]; did you mean 'hugepages'?`,
    ],
    ['[nics.a]\nslot = "1"', `unknown key 'nics': q.toml:1, [nics]; did you mean 'nic'?`],
    [
      'colour = "red"',
      `unknown key 'colour': q.toml:1; known keys are emulators, host, nic, profile, domain, rule`,
    ],
    [
      '[profile.rt]\nlock_memory = true',
      `unknown key 'lock_memory': q.toml:2, [profile.rt]; did you mean 'lock-memory'?`,
    ],
    [
      '[profile.rt.vcpus]\ncpu = "3"',
      `unknown key 'cpu': q.toml:2, [profile.rt.vcpus]; did you mean 'cpus'?`,
    ],
    [
      '[profile.rt]\nvcpus = { policy = "fifo", prioritty = 1 }',
      `unknown key 'prioritty': q.toml:2, [profile.rt.vcpus]; did you mean 'priority'?`,
    ],
    [
      '[profile."a b"]\niothreads = { iothread1 = { cpu = "3" } }',
      `unknown key 'cpu': q.toml:2, [profile."a b".iothreads.iothread1]; did you mean 'cpus'?`,
    ],
    ['[nic.a]\nnumaNode = 1', `unknown key 'numaNode': q.toml:2, [nic.a]; did you mean 'numa-node'?`],
    [
      '[[domain]]\nname = "a"\n[[domain]]\nname = "b"\nprofiles = "rt"',
      `unknown key 'profiles': q.toml:5, [[domain]]; did you mean 'profile'?`,
    ],
    [
      '[[rule]]\noption = "device"\nsets = { a = 1 }',
      `unknown key 'sets': q.toml:3, [[rule]] sets; did you mean 'set'?`,
    ],
    [
      '[host]\nconstructor = "1"',
      `unknown key 'constructor': q.toml:2, [host]; known keys are housekeeping, realtime, switch`,
    ],
    [
      '[host]\n__proto__ = "1"',
      `unknown key '__proto__': q.toml:2, [host]; known keys are housekeeping, realtime, switch`,
    ],
  ],
  'sections of the wrong kind': [
    ['host = "0-1"', 'host = "0-1" is not a table: q.toml:1; write { key = value, … }'],
    ['emulators = []', 'emulators = [] is not a table: q.toml:1; write { key = value, … }'],
    [
      '[nic]\nmac = "a0:36:9f:12:34:56"',
      'mac = "a0:36:9f:12:34:56" is not a table: q.toml:2, [nic]; write [nic.NAME]',
    ],
    ['[[nic]]\nmac = "a0:36:9f:12:34:56"', 'nic = […] is not a table: q.toml:1; write [nic.NAME]'],
    ['[profile]\nstrict = true', 'strict = true is not a table: q.toml:2, [profile]; write [profile.NAME]'],
    ['[domain]\nname = "a"', 'domain = {…} is not a list of tables: q.toml:1, [domain]; write [[domain]]'],
    ['rule = {}', 'rule = {} is not a list of tables: q.toml:1, [rule]; write [[rule]]'],
  ],
  '[emulators]': [
    [
      '[emulators]\nx86_64 = "qemu-system-x86_64"',
      'x86_64 = "qemu-system-x86_64" is not an absolute path: q.toml:2, [emulators]; write where the real QEMU is, from / on',
    ],
    [
      '[emulators]\nx86-64 = "/usr/bin/qemu-system-x86_64"',
      `'x86-64' is not an architecture of QEMU: q.toml:2, [emulators]; write it as in qemu-system-x86_64`,
    ],
  ],
  '[host]': [
    [
      '[host]\nhousekeeping = "0-"',
      'housekeeping = "0-" is not a list of CPUs: q.toml:2, [host]; write numbers and ranges in quotes, such as "0-3,8"',
    ],
    [
      '[host]\nhousekeeping = ""',
      'housekeeping = "" is not a list of CPUs: q.toml:2, [host]; write numbers and ranges in quotes, such as "0-3,8"',
    ],
    [
      '[host]\nrealtime = 3',
      'realtime = 3 is not a list of CPUs: q.toml:2, [host]; write numbers and ranges in quotes, such as "0-3,8"',
    ],
    [
      '[host]\nhousekeeping = "0-3"\nrealtime = "2-5"',
      'realtime = "2-5" and housekeeping share CPUs 2-3: q.toml:3, [host]; give each CPU to one set',
    ],
    [
      '[host]\nrealtime = "2-5"\nhousekeeping = "0-1"\nswitch = "1,8"',
      'switch = "1,8" and housekeeping share CPU 1: q.toml:4, [host]; give each CPU to one set',
    ],
    [
      '[host]\nswitch = "7"\nrealtime = "2-8"',
      'switch = "7" and realtime share CPU 7: q.toml:2, [host]; give each CPU to one set',
    ],
  ],
  '[nic]': [
    [
      '[nic.a]',
      `NIC 'a' says nothing about the device: q.toml:1, [nic.a]; add mac, address, interface, pf, vf, id, slot or numa-node`,
    ],
    [
      '[nic.a]\npool = true',
      `NIC 'a' says nothing about the device: q.toml:1, [nic.a]; add mac, address, interface, pf, vf, id, slot or numa-node`,
    ],
    [
      '[nic.a]\nmac = "a0:36:9f:12:34"',
      'mac = "a0:36:9f:12:34" is not a MAC address: q.toml:2, [nic.a]; write six bytes, such as "a0:36:9f:12:34:56"',
    ],
    [
      '[nic.a]\naddress = "3:0"',
      'address = "3:0" is not a PCI address: q.toml:2, [nic.a]; write it as lspci -D does, such as "0000:03:00.1"',
    ],
    [
      '[nic.a]\nid = "8086"',
      'id = "8086" is not a vendor and device ID: q.toml:2, [nic.a]; write it as lspci -n does, such as "8086:1521"',
    ],
    [
      '[nic.a]\nvf = 3',
      'vf = 3 needs a pf: q.toml:2, [nic.a]; add pf = "…", the physical function that it is counted on',
    ],
    [
      '[nic.a]\npf = "ens1f0"\nvf = -1',
      'vf = -1 is not a whole number from 0 to 65535: q.toml:3, [nic.a]; write one, without quotes',
    ],
    ['[nic.a]\npf = ""', 'pf = "" is empty: q.toml:2, [nic.a]; write something or leave it out'],
    ['[nic.a]\nslot = 3', 'slot = 3 is not text: q.toml:2, [nic.a]; put it in quotes'],
    [
      '[nic.a]\nslot = "3"\npool = "yes"',
      'pool = "yes" is neither true nor false: q.toml:3, [nic.a]; write one of these, without quotes',
    ],
    [
      '[nic.a]\nnuma-node = "0"',
      'numa-node = "0" is not a whole number from 0 to 1023: q.toml:2, [nic.a]; write one, without quotes',
    ],
    [
      '[nic."a,b"]\nslot = "1"',
      `'a,b' cannot name a NIC in a command line: q.toml:1, [nic."a,b"]; choose a name without commas and blanks`,
    ],
    ['[nic.constructor]\nslot = "1"', `'constructor' is a reserved name: q.toml:1, [nic]; choose another`],
  ],
  '[profile]': [
    ['[profile.""]', 'a profile has an empty name: q.toml:1, [profile.""]; give it one'],
    [
      '[profile.rt]\nvcpus = "4"',
      'vcpus = "4" is not a table: q.toml:2, [profile.rt]; write { key = value, … }',
    ],
    [
      '[profile.rt]\nvcpus = []',
      'vcpus = [] is not a table: q.toml:2, [profile.rt]; write { key = value, … }',
    ],
    [
      '[profile.rt]\nvcpus = 2026-01-01',
      'vcpus = 2026-01-01 is not a table: q.toml:2, [profile.rt]; write { key = value, … }',
    ],
    [
      '[profile.rt]\nlock-memory = "yes"',
      'lock-memory = "yes" is neither true nor false: q.toml:2, [profile.rt]; write one of these, without quotes',
    ],
    [
      '[profile.rt]\nhugepages = true',
      'hugepages = true is not the size of a huge page: q.toml:2, [profile.rt]; write one that the host has, such as "2M" or "1G"',
    ],
    [
      '[profile.rt]\nhugepages = "3M"',
      'hugepages = "3M" is not the size of a huge page: q.toml:2, [profile.rt]; write one that the host has, such as "2M" or "1G"',
    ],
    [
      '[profile.rt]\nhugepages = "4K"',
      'hugepages = "4K" is not the size of a huge page: q.toml:2, [profile.rt]; write one that the host has, such as "2M" or "1G"',
    ],
    [
      '[profile.rt]\nshare = "allways"',
      `share = "allways" is not one of auto, always, never: q.toml:2, [profile.rt]; did you mean 'always'?`,
    ],
    [
      '[profile.rt]\nshare = true',
      'share = true is not one of auto, always, never: q.toml:2, [profile.rt]; write one of them in quotes',
    ],
  ],
  threads: [
    [
      '[profile.rt]\nemulator.cpus = "houskeeping"',
      `cpus = "houskeeping" is not a list of CPUs: q.toml:2, [profile.rt.emulator]; did you mean 'housekeeping'?`,
    ],
    [
      '[profile.rt]\nemulator.cpus = 4',
      'cpus = 4 is not a list of CPUs: q.toml:2, [profile.rt.emulator]; write "0-3,8" or the like, or one of "auto", "housekeeping", "realtime"',
    ],
    [
      '[profile.rt]\nemulator.cpus = { 0 = "4" }',
      'cpus = {…} is not a list of CPUs: q.toml:2, [profile.rt.emulator.cpus]; write "0-3,8" or the like, or one of "auto", "housekeeping", "realtime"',
    ],
    [
      '[profile.rt]\nvcpus.cpus = [4, 5]',
      'cpus = […] is not a list of CPUs: q.toml:2, [profile.rt.vcpus]; write "0-3,8" or the like, or one of "auto", "housekeeping", "realtime"',
    ],
    [
      '[profile.rt]\nvcpus.cpus = { a = "4" }',
      `'a' is not the number of a vCPU: q.toml:2, [profile.rt.vcpus.cpus]; write { 0 = "4", 1 = "5" } or the like`,
    ],
    [
      '[profile.rt]\nvcpus.cpus = { 00 = "4" }',
      `'00' is not the number of a vCPU: q.toml:2, [profile.rt.vcpus.cpus]; write { 0 = "4", 1 = "5" } or the like`,
    ],
    [
      '[profile.rt]\nvcpus.cpus = { 0 = "auto" }',
      '0 = "auto" is not a list of CPUs: q.toml:2, [profile.rt.vcpus.cpus]; write numbers and ranges in quotes, such as "0-3,8"',
    ],
    [
      '[profile.rt]\nvcpus.policy = "FIFO"',
      `policy = "FIFO" is not one of other, batch, idle, fifo, rr: q.toml:2, [profile.rt.vcpus]; did you mean 'fifo'?`,
    ],
    [
      '[profile.rt]\nvcpus.policy = "deadline"',
      'policy = "deadline" is not one of other, batch, idle, fifo, rr: q.toml:2, [profile.rt.vcpus]; write one of them in quotes',
    ],
    [
      '[profile.rt]\nvcpus = { policy = "fifo", priority = 0 }',
      'priority = 0 is not a whole number from 1 to 99: q.toml:2, [profile.rt.vcpus]; write one, without quotes',
    ],
    [
      '[profile.rt]\nvcpus = { policy = "rr", priority = 100 }',
      'priority = 100 is not a whole number from 1 to 99: q.toml:2, [profile.rt.vcpus]; write one, without quotes',
    ],
    [
      '[profile.rt]\nvcpus = { policy = "rr", priority = 1.5 }',
      'priority = 1.5 is not a whole number from 1 to 99: q.toml:2, [profile.rt.vcpus]; write one, without quotes',
    ],
    [
      '[profile.rt]\nvcpus = { policy = "other", priority = 1 }',
      'priority = 1 has no effect without a real-time policy: q.toml:2, [profile.rt.vcpus]; add policy = "fifo" or "rr", or leave priority out',
    ],
    [
      '[profile.rt]\nworkers = { priority = 1 }',
      'priority = 1 has no effect without a real-time policy: q.toml:2, [profile.rt.workers]; add policy = "fifo" or "rr", or leave priority out',
    ],
    [
      '[profile.rt]\nvcpus = { policy = "fifo", realtime-mask = "^a" }',
      'realtime-mask = "^a" is not a list of vCPUs: q.toml:2, [profile.rt.vcpus]; write the ones that are not real-time, such as "^0" or "^0-1"',
    ],
    [
      '[profile.rt]\nvcpus = { policy = "fifo", realtime-mask = "0-6:2" }',
      'realtime-mask = "0-6:2" is not a list of vCPUs: q.toml:2, [profile.rt.vcpus]; write the ones that are not real-time, such as "^0" or "^0-1"',
    ],
    [
      '[profile.rt]\nvcpus = { policy = "fifo", realtime-mask = "3-1" }',
      'realtime-mask = "3-1" is not a list of vCPUs: q.toml:2, [profile.rt.vcpus]; write the ones that are not real-time, such as "^0" or "^0-1"',
    ],
    [
      '[profile.rt]\nvcpus = { realtime-mask = "^0" }',
      'realtime-mask = "^0" has no effect without a real-time policy: q.toml:2, [profile.rt.vcpus]; add policy = "fifo" or "rr", or leave realtime-mask out',
    ],
    [
      '[profile.rt]\niothreads = { cpus = "2", iothread1 = { cpus = "3" } }',
      `'cpus' stands among I/O thread ids: q.toml:2, [profile.rt.iothreads]; write one table for all I/O threads, or one for each id`,
    ],
    [
      '[profile.rt]\niothreads = { iothread1 = { cpus = "3" }, iothread2 = "4" }',
      'iothread2 = "4" is not a table: q.toml:2, [profile.rt.iothreads]; write { key = value, … }',
    ],
    [
      '[profile.rt]\niothreads = { cpus = { 0 = "3" } }',
      'cpus = {…} is not a list of CPUs: q.toml:2, [profile.rt.iothreads.cpus]; write "0-3,8" or the like, or one of "auto", "housekeeping", "realtime"',
    ],
  ],
  '[[domain]]': [
    [
      '[[domain]]\nprofile = "rt"\n[profile.rt]',
      'a domain says nothing about the VM: q.toml:1, [[domain]]; add name, uuid, flavor or instance, or name = "*" for every VM',
    ],
    ['[[domain]]\nname = ""', 'name = "" is empty: q.toml:2, [[domain]]; write something or leave it out'],
    [
      '[profile.rt]\n[[domain]]\nname = "a"\nprofile = "rtt"',
      `profile = "rtt" is not defined: q.toml:4, [[domain]]; did you mean 'rt'?`,
    ],
    [
      '[profile.rt]\n[profile.slow]\n[[domain]]\nname = "a"\nprofile = "windows"',
      'profile = "windows" is not defined: q.toml:5, [[domain]]; defined are rt, slow',
    ],
    [
      '[[domain]]\nname = "a"\nprofile = "rt"',
      'profile = "rt" is not defined: q.toml:3, [[domain]]; write [profile.rt]',
    ],
    [
      '[[domain]]\nname = "a"\nnics = "fieldbus0"',
      'nics = "fieldbus0" is neither a list nor a table: q.toml:3, [[domain]]; write ["NIC"] to add NICs, or { hostdev0 = "NIC" } to replace',
    ],
    [
      '[[domain]]\nname = "a"\nnics = [\n  "fieldbus0",\n  3,\n]',
      'nics[1] = 3 is not text: q.toml:5, [[domain]] nics; put it in quotes',
    ],
    [
      '[[domain]]\nname = "a"\n[domain.nics]\nhostdev0 = 3',
      'hostdev0 = 3 is not text: q.toml:4, [[domain]] nics; put it in quotes',
    ],
  ],
  '[[rule]]': [
    ['[[rule]]\nset = { a = 1 }', `'option' is missing: q.toml:1, [[rule]]; write option = …`],
    [
      '[[rule]]\noption = "-device"\nset = { a = 1 }',
      'option = "-device" begins with a dash: q.toml:2, [[rule]]; write the option without dashes',
    ],
    [
      '[[rule]]\noption = "device"',
      'a rule changes nothing: q.toml:1, [[rule]]; add set = { key = value } or delete = ["key"]',
    ],
    [
      '[[rule]]\noption = "device"\nmatch = { driver = "virtio-*" }\nset = { a = 1 }\nadd = true',
      'a rule with add = true matches by a glob, which is nothing to add: q.toml:1, [[rule]]; match by a value',
    ],
    [
      '[[rule]]\noption = "device"\nmatch = { bus = "a" }\ndelete = ["bus"]\nadd = true',
      'a rule with add = true deletes a key that it matches, so that it would add without end: q.toml:1, [[rule]]; delete another',
    ],
    [
      '[[rule]]\noption = "device"\nset = { "a,b" = 1 }',
      "'a,b' is not a key of QEMU: q.toml:3, [[rule]] set; write one without = , and blanks",
    ],
    [
      '[[rule]]\noption = "device"\nset = {}\ndelete = []',
      'a rule changes nothing: q.toml:1, [[rule]]; add set = { key = value } or delete = ["key"]',
    ],
    [
      '[[rule]]\noption = "device"\nset = { a.b = 1 }',
      'a = {…} is not text, a number, true or false: q.toml:3, [[rule]] set.a; quote a key that has dots, such as "a.b" = 1',
    ],
    [
      '[[rule]]\noption = "device"\nset = { a = inf }',
      'a = Infinity is not a finite number: q.toml:3, [[rule]] set; write one that QEMU takes',
    ],
    [
      '[[rule]]\noption = "device"\ndelete = "a"',
      'delete = "a" is not a list: q.toml:3, [[rule]]; write ["key"]',
    ],
    [
      '[[rule]]\noption = "device"\nset = { a = 1 }\nprofile = "rt"\n[profile.rt2]',
      `profile = "rt" is not defined: q.toml:4, [[rule]]; did you mean 'rt2'?`,
    ],
  ],
  'several mistakes, of which the first in the file': [
    [
      '[host]\nfoo = 1\nrealtime = "x"\n[nic.a]',
      `unknown key 'foo': q.toml:2, [host]; known keys are housekeeping, realtime, switch`,
    ],
    [
      '[nic.a]\n[host]\nrealtime = "x"',
      `NIC 'a' says nothing about the device: q.toml:1, [nic.a]; add mac, address, interface, pf, vf, id, slot or numa-node`,
    ],
    [
      '[[rule]]\noption = "device"\nset = { a = 1 }\nprofile = "x"\n[[domain]]\nname = "a"\nprofile = "y"',
      'profile = "x" is not defined: q.toml:4, [[rule]]; write [profile.x]',
    ],
  ],
  'what would break the line': [
    [
      '"a\\nb" = 1',
      `unknown key 'a\\x0ab': q.toml:1; known keys are emulators, host, nic, profile, domain, rule`,
    ],
    [
      `host = "${'x'.repeat(100)}"`,
      `host = "${'x'.repeat(57)}..." is not a table: q.toml:1; write { key = value, … }`,
    ],
  ],
}

for (const [subject, cases] of Object.entries(CASES)) {
  t.test(`refused: ${subject}`, async (t) => {
    for (const [toml, message] of cases) {
      try {
        parsePolicy(toml, 'q.toml')
        t.fail(`taken: ${toml}`)
      } catch (error) {
        if (!(error instanceof UserError)) throw error
        t.same({ exitCode: error.exitCode, message: error.message }, { exitCode: 78, message }, toml)
      }
    }
  })
}

/** What a task file may hold, and where each mistake is said to be. */
import { describe, expect, it } from 'vitest';
import { readTaskFile as readBytes } from './task-file.ts';

const GiB = 1024 ** 3;
const readTaskFile = (file: string, text: string) => readBytes(file, Buffer.from(text));

describe('a task file', () => {
  it('is read as cli.md shows it', () => {
    const read = readTaskFile(
      'hello.yaml',
      `name: hello
kind: container            # a comment
image: busybox:latest
command: [sh, -c, "echo hello from $(hostname)"]
resources: { cpu: 1, memory: 256MiB, gpu: { vram: 5GiB, minComputeCapability: "6.1" } }
timeout: 10m
retries: { limit: 2, backoff: 5s }
`,
    );
    expect(read).toMatchObject({
      ok: true,
      spec: {
        kind: 'container',
        name: 'hello',
        timeoutMs: 600_000,
        retries: { limit: 2, backoffMs: 5000 },
        resources: {
          cpuMilli: 1000,
          memoryBytes: GiB / 4,
          gpu: { kind: 'part', vramBytes: 5 * GiB, minComputeCapability: 61 },
        },
        body: { image: 'busybox:latest', command: ['sh', '-c', 'echo hello from $(hostname)'] },
      },
    });
  });

  it('infers the kind, takes numbers as they are written, and follows aliases', () => {
    const read = readTaskFile(
      'a.yaml',
      `command: &c [echo, 1.50, true]
env: { N: 010, T: yes }
resources: { cpu: 0.5, gpu: { minComputeCapability: 8.0 } }
labels: { a: &x b, c: *x }
class: nightly
onLinkLost: wait
durable: false
`,
    );
    expect(read).toMatchObject({
      ok: true,
      spec: {
        kind: 'process',
        durable: false,
        onLinkLost: 'wait',
        labels: { a: 'b', c: 'b' },
        taskClass: 'nightly',
        resources: { cpuMilli: 500, gpu: { kind: 'whole', count: 1, minComputeCapability: 80 } },
        body: { command: ['echo', '1.50', 'true'], env: { N: '010', T: 'yes' } },
      },
    });
  });
});

it('says what a container may have', () => {
  const read = readTaskFile(
    'a.yaml',
    `image: busybox
network: bridge
mounts: [{ name: data, to: /data }, { name: results, to: /out, readOnly: false }]
scratch: { size: 2GiB, medium: disk, to: /work }
readOnlyRoot: false
ulimits: { nofile: "1024:4096", core: 0, memlock: unlimited }
pids: 99
runtime: runsc
stopSignal: int
stopGrace: 1m
user: 1000:1000
`,
  );
  expect(read).toMatchObject({
    ok: true,
    spec: {
      stopGraceMs: 60_000,
      body: {
        network: 'bridge',
        mounts: [
          { name: 'data', to: '/data', readOnly: true },
          { name: 'results', to: '/out', readOnly: false },
        ],
        scratch: { sizeBytes: 2 * GiB, medium: 'disk', to: '/work' },
        readOnlyRoot: false,
        ulimits: {
          nofile: { soft: 1024, hard: 4096 },
          core: { soft: 0, hard: 0 },
          memlock: { soft: -1, hard: -1 },
        },
        pids: 99,
        runtime: 'runsc',
        stopSignal: 'SIGINT',
        user: '1000:1000',
      },
    },
  });
});

const nested = (depth: number): string => '['.repeat(depth);

const bad: readonly (readonly [what: string, content: string | Buffer, problem: string])[] = [
  ['an empty file', '', '1:1: found an empty file, expected a task'],
  ['a comment alone', '# nothing\n', '1:1: found'],
  ['a list', '- a\n', '1:1: found a list, expected a map with'],
  ['text', 'hello\n', '1:1: found "hello", expected a map with'],
  ['broken YAML', 'command: [a\nname: b\n', '2:1: not valid YAML'],
  ['a tab', 'command: [a]\nenv:\n\tA: b\n', '3:1: not valid YAML'],
  ['a key twice', 'name: a\nname: b\ncommand: [x]\n', '2:1: not valid YAML: Map keys must be unique'],
  ['an unknown tag', 'name: !evil x\ncommand: [x]\n', '1:7: not valid YAML: Unresolved tag'],
  ['two documents', 'command: [x]\n---\ncommand: [y]\n', '2:1: found a second YAML document'],
  [
    'a key twice below',
    'command: [x]\nresources:\n  cpu: 1\n  cpu: 2\n',
    '4:3: not valid YAML: Map keys must be unique',
  ],
  ['CRLF lines', 'command: [x]\r\ntimeout: soon\r\n', '2:10: timeout: found "soon"'],
  ['a byte order mark', '\ufeffcommand: [x]\ntimeout: soon\n', '2:10: timeout: found "soon"'],
  ['a NUL character', 'command: [x]\n\0\n', '2:1: found a NUL character, expected a text file'],
  [
    'bytes that are no text',
    Buffer.from([0x61, 0x3a, 0x0a, 0xff, 0xfe]),
    '2:1: found bytes that are no UTF-8',
  ],
  ['lists in lists in lists …', nested(20_000), 'not valid YAML: lists and maps are nested too deeply'],
  ['a list that holds itself', 'command: &a [x, *a]\n', '1:17: command[1]: found a list, expected text'],
  [
    'a map that holds itself',
    'resources: &r\n  gpu: *r\n',
    '2:3: resources.gpu.gpu: found unknown key "gpu"',
  ],
  [
    'a merge key',
    'command: [x]\nresources: { <<: { cpu: 1 } }\n',
    '2:14: resources.<<: found unknown key "<<"',
  ],
  ['a list as a key', '? [a]\n: b\n', '1:3: not valid YAML: With stringKeys, all keys must be strings'],
  ['a key of every object', 'constructor: x\ncommand: [x]\n', '1:1: constructor: found unknown key'],
  ['a tag that is no list', 'command: !!binary aGVsbG8=\n', 'command: found aGVsbG8=, expected a list'],
  ['an empty program', 'command: [""]\n', '1:1: command: found "" as the program'],
  ['too many CPUs', 'command: [x]\nresources: { cpu: 99999 }\n', '2:19: resources.cpu: found 99999'],
  ['a duration of ages', 'command: [x]\ntimeout: 999999999d\n', '2:10: timeout: found "999999999d"'],
  [
    'a worker without a name',
    'command: [x]\nconstraints: { worker: "" }\n',
    '2:24: constraints.worker: found ""',
  ],
  [
    'a class that is not plain',
    `command: [x]\nclass: ü\n`,
    '2:8: class: found "ü", expected 1 to 96 printable',
  ],
  ['a long label', `command: [x]\nlabels: { a: ${'x'.repeat(300)} }\n`, '2:14: labels.a: found "xxx'],
  ['an alias of nothing', 'command: *x\n', '1:10: '],
  ['a typo', 'comand: [x]\n', '1:1: comand: found unknown key "comand", expected "command"'],
  [
    'a typo below',
    'command: [x]\nresources:\n  memmory: 1GiB\n',
    '3:3: resources.memmory: found unknown key "memmory", expected "memory"',
  ],
  ['a stranger', 'command: [x]\nzzz: 1\n', '2:1: zzz: found unknown key "zzz", expected one of name, kind'],
  [
    'a size',
    'command: [x]\nresources: { memory: 12 bananas }\n',
    '2:22: resources.memory: found "12 bananas", expected a size such as 256MiB',
  ],
  [
    'a negative size',
    'command: [x]\nresources: { memory: -1 }\n',
    '2:22: resources.memory: found -1, expected a size',
  ],
  [
    'CPUs',
    'command: [x]\nresources: { cpu: many }\n',
    '2:19: resources.cpu: found "many", expected a number of CPUs',
  ],
  [
    'a duration',
    'command: [x]\ntimeout: soon\n',
    '2:10: timeout: found "soon", expected a duration such as 90s or 10m',
  ],
  [
    'a duration of nothing',
    'command: [x]\ntimeout:\n',
    '2:1: timeout: found nothing, expected a value (or leave the key out)',
  ],
  [
    'a kind',
    'kind: contaner\nimage: a\n',
    '1:7: kind: found "contaner", expected one of container, process, noop, infer, embed, rerank (did you mean container?)',
  ],
  ['an image', 'image: "Bad Image"\n', '1:8: image: found "Bad Image", expected an image name'],
  ['a command that is no list', 'command: echo hi\n', '1:10: command: found "echo hi", expected a list'],
  ['a command with a map', 'command: [a, {b: c}]\n', '1:14: command[1]: found a map, expected text'],
  ['a NUL', 'command: ["a\\0b"]\n', '1:11: command[0]: found '],
  ['an empty command', 'command: []\n', '1:1: command: a process task needs a command'],
  ['no command', 'name: x\n', '1:1: a process task needs a command'],
  ['a container without an image', 'kind: container\n', '1:1: a container task needs an image'],
  [
    'a process with an image',
    'kind: process\ncommand: [x]\nimage: busybox\n',
    '3:1: image: a process task has no image',
  ],
  [
    'when to pull',
    'image: a\npull: sometimes\n',
    '2:7: pull: found "sometimes", expected one of missing, always, never',
  ],
  ['a process that pulls', 'command: [x]\npull: never\n', '2:1: pull: a process task has no image to pull'],
  [
    'an env name',
    'command: [x]\nenv: { "A-B": c }\n',
    '2:8: env.A-B: found key "A-B", expected a name of letters',
  ],
  ['an env list', 'command: [x]\nenv: [A=b]\n', '2:6: env: found a list, expected a map'],
  [
    'an env without value',
    'command: [x]\nenv: { A: }\n',
    '2:11: env.A: found nothing, expected text of at most',
  ],
  [
    'both GPU forms',
    'command: [x]\nresources: { gpu: { count: 1, vram: 1GiB } }\n',
    '2:14: resources.gpu: count asks for whole devices',
  ],
  [
    'no GPU',
    'command: [x]\nresources: { gpu: { count: 0 } }\n',
    '2:28: resources.gpu.count: found 0, expected a whole number from 1 to 64',
  ],
  [
    'a capability',
    'command: [x]\nresources: { gpu: { minComputeCapability: new } }\n',
    '2:43: resources.gpu.minComputeCapability: found "new", expected a compute capability such as 8.6',
  ],
  [
    'retries',
    'command: [x]\nretries: { limit: 101 }\n',
    '2:19: retries.limit: found 101, expected a whole number from 0 to 100',
  ],
  [
    'half a retry',
    'command: [x]\nretries: { limit: 1.5 }\n',
    '2:19: retries.limit: found 1.5, expected a whole number',
  ],
  [
    'a priority',
    'command: [x]\npriority: high\n',
    '2:11: priority: found "high", expected a whole number from -100 to 100',
  ],
  ['a truth value', 'command: [x]\ndurable: maybe\n', '2:10: durable: found "maybe", expected true or false'],
  ['a network', 'image: x\nnetwork: hosts\n', '2:10: network: found "hosts", expected one of none'],
  ['a network of no container', 'command: [x]\nnetwork: none\n', '2:1: network: a process task has'],
  ['a mount', 'image: x\nmounts: [{ name: a, to: /proc/x }]\n', '2:25: mounts[0].to: found "/proc/x"'],
  ['a mount without a path', 'image: x\nmounts:\n- name: a\n', 'mounts[0]: expected both'],
  [
    'a place that is taken',
    'image: x\nmounts:\n- { name: a, to: /b }\n- { name: c, to: /b }\n',
    '4:14: mounts[1].to: /b is taken twice',
  ],
  [
    'scratch where a mount is',
    'image: x\nmounts: [{ name: a, to: /tmp }]\nscratch: { size: 1MiB }\n',
    '3:1: scratch: /tmp is taken twice',
  ],
  ['scratch without a size', 'image: x\nscratch: { medium: disk }\n', '2:1: scratch: expected a size'],
  ['a limit', 'image: x\nulimits: { rtprio: 1 }\n', '2:12: ulimits.rtprio: found key "rtprio"'],
  ['a limit of nothing', 'image: x\nulimits: { nofile: }\n', 'ulimits.nofile: found nothing'],
  ['inputs', 'command: [x]\ninputs: [ { from: a } ]\n', '2:11: inputs[0]: expected both a file or folder'],
  [
    'outputs',
    'command: [x]\noutputs: [ /x ]\n',
    '2:12: outputs[0]: found "/x", expected an absolute path in a folder',
  ],
  ['a job', 'tasks: { a: { command: [x] } }\n', '1:1: tasks: is of a later version'],
];

describe('a mistake in a task file', () => {
  it.each(bad)('%s', (_, content, problem) => {
    const read = readBytes('f.yaml', Buffer.from(content));
    const problems = read.ok ? [] : read.problems;
    expect(problems).toContainEqual(expect.stringMatching(/^f\.yaml:\d+:\d+: /));
    expect(problems).toContainEqual(expect.stringContaining(problem));
  });

  it('is told together with the others', () => {
    const read = readTaskFile('f.yaml', 'comand: [x]\ntimeout: soon\npriority: 200\n');
    expect(read.ok ? [] : read.problems).toHaveLength(3);
  });

  it('does not fill the screen', () => {
    const read = readTaskFile('f.yaml', Array.from({ length: 100 }, (_, n) => `k${n}: 1\n`).join(''));
    expect(read.ok ? [] : read.problems).toHaveLength(21);
  });

  it('does not unfold what a billion laughs name', () => {
    const lines = Array.from(
      { length: 30 },
      (_, n) => `k${n}: &k${n} [${`*k${n - 1},`.repeat(n === 0 ? 0 : 9)}]\n`,
    );
    const read = readTaskFile('f.yaml', `${lines.join('')}command: *k29\n`);
    expect(read.ok ? [] : read.problems).toHaveLength(21);
  });

  it('of a huge file is its size', () => {
    const read = readTaskFile('f.yaml', `# ${'x'.repeat(1024 * 1024)}\ncommand: [x]\n`);
    expect(read.ok ? [] : read.problems).toEqual([
      'f.yaml:1:1: found more than 1048576 bytes, expected a task',
    ]);
  });
});

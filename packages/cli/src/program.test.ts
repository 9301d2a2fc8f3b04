/** The command line itself, in this process: help, typos, bad flags and files. Nothing here gets as far as a grid. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from './program.ts';
import { openTerminal } from './terminal.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gg-program-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

class Collected extends Writable {
  text = '';
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

async function grid(...args: string[]) {
  const [stdout, stderr] = [new Collected(), new Collected()];
  const code = await run(openTerminal(stdout, stderr, { GRID_HOME: join(folder, 'home') }), args);
  return { code, stdout: stdout.text, stderr: stderr.text };
}

function write(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

const commands = [
  'up, down, broker, worker, doctor, submit, run, ps, show, logs, wait, cancel, retry, explain, exec, nodes',
  'node show, node drain, node resume, node remove, top, fsck, backup, restore, audit show, audit verify, support-bundle, config show, completion',
  'ticket create, ticket ls, ticket revoke, principal ls, principal revoke, evolve, key create, key ls, key revoke, gateway',
].flatMap((names) => names.split(', '));

describe('help', () => {
  it.each(commands)('grid %s --help has an example and --json', async (command) => {
    const { code, stdout } = await grid(...command.split(' '), '--help');
    expect(code).toBe(0);
    expect(stdout).toContain('Examples:\n  $ grid ');
    expect(stdout).toContain('--json');
  });

  it('lists every command', async () => {
    const { code, stdout } = await grid('--help');
    expect(code).toBe(0);
    for (const command of commands) expect(stdout).toContain(`  ${command.split(' ')[0]} `);
  });
});

const usage: readonly (readonly [args: string, expected: string])[] = [
  ['submt', 'Did you mean submit?'],
  ['evolve --dry-run', '--dry-run goes with --replay'],
  ['evolve --replay --rollback', '--replay and --rollback cannot be given together'],
  ['fsck --put-aside', '--put-aside goes with --artifacts'],
  ['node drian forge', 'Did you mean drain?'],
  ['principal revoke alice', 'found "alice", expected a principal such as p-0123456789abcdef'],
  ['ticket revoke p-0123456789abcdef', 'expected a ticket’s id such as ticket-0123456789abcdef'],
  ['key create --scope all', '--scope: found "all", expected some of infer, embed, rerank, models, metrics'],
  ['key create --max-body 1GiB', '--max-body: found "1GiB", expected a size from 1 byte to 16MiB'],
  ['key create --rate 0', '--rate: found "0", expected a whole number from 1 to 1000000'],
  ['key revoke laptop', 'found "laptop", expected a key’s id such as key-0123456789abcdef'],
  ['ticket create --role boss', 'Allowed choices are admin, submitter, viewer, worker, delegate'],
  ['ps --al', 'Did you mean --all?'],
  ['show', "missing required argument 'id'"],
  ['show banana', 'found "banana", expected a task id such as t42'],
  ['show t0', 'expected a task id'],
  ['ps --limit 0', 'expected a whole number from 1 to 1000'],
  ['submit', 'there is nothing to run'],
  ['submit -- ', 'there is nothing to run'],
  ['submit ls -la', 'a command to run goes after "--"'],
  ['submit nothing.yaml', 'nothing.yaml: there is no such file'],
  ['submit a.yaml -- x', 'expected one of them'],
  ['submit --image Bad!Name -- x', 'expected an image name such as busybox:latest'],
  [
    'submit --image a --pull sometimes -- x',
    '--pull: found "sometimes", expected one of missing, always, never',
  ],
  ['submit --pull always -- x', '--pull: a process task has no image to pull'],
  ['submit --gpu 0 -- x', 'expected a whole number from 1 to 64'],
  ['submit --gpu 1 --vram 1GiB -- x', 'give only one of them'],
  ['submit --min-cc new -- x', 'expected a compute capability such as 8.6'],
  ['submit --env A-B=c -- x', '--env: found "A-B", expected a name of letters, digits and _'],
  ['submit --env A -- x', '--env: found "A", expected NAME=VALUE'],
  ['submit --label =x -- x', 'expected NAME=VALUE'],
  [
    'node drain forge --at tonight',
    'expected a time such as 2026-11-22T22:00:00Z, 22:00 (here, today or tomorrow) or 2h (from now)',
  ],
  ['node drain forge --at 2h --wait', "option '--at <time>' cannot be used with option '--wait'"],
  ['node drain forge --for 0s', 'expected a duration of at most 30 days such as 2h'],
  ['submit --priority 101 -- x', 'expected a whole number from -100 to 100'],
  ['submit --retries 1000 -- x', 'expected a whole number from 0 to 100'],
  ['submit --workdir here -- x', '--workdir: found "here", expected an absolute path'],
  ['submit --user root --image a -- x', 'expected uid or uid:gid in numbers'],
  ['submit --network hosts --image a -- x', '--network: found "hosts", expected one of none, bridge, host'],
  ['submit --mount a:/b -- x', '--mount: a process task has the folders of its machine'],
  ['submit --image a --mount a:b -- x', '--mount: found "a:b", expected NAME:PATH or NAME:PATH:rw'],
  ['submit --image a --mount a:/b/../c -- x', '--mount: found "a:/b/../c", expected NAME:PATH'],
  ['submit --image a --mount a:/b --mount c:/b/d -- x', '--mount: /b/d and /b lie in one another'],
  ['submit --image a --scratch 1GiB:floppy -- x', '--scratch: found "1GiB:floppy", expected a size'],
  ['submit --image a --scratch 1GiB:disk:/proc -- x', '--scratch: found "1GiB:disk:/proc"'],
  ['submit --image a --ulimit files=1 -- x', '--ulimit: found "files", expected one of core, cpu'],
  ['submit --image a --ulimit nofile=9:1 -- x', '--ulimit nofile: found "9:1", expected a limit such as'],
  ['submit --image a --stop-signal STOP -- x', '--stop-signal: found "STOP", expected one of SIGTERM'],
  [
    'submit --image a --stop-grace 2h -- x',
    '--stop-grace: found "2h", expected a duration of at most an hour',
  ],
  ['submit --image a --env-file no.env -- x', 'no.env: there is no such file'],
  ['submit --in nowhere -- x', 'nowhere cannot be read: ENOENT'],
  ['submit --out /b -- x', 'expected an absolute path in a folder'],
  ['show t1 --events', 'of a later version'],
  ['completion tcsh', 'Allowed choices are bash, zsh, fish'],
  ['node', 'expected one of show, drain, resume, remove after it'],
  ['node drain forge --deadline 31d', '--deadline: found "31d", expected a duration of at most 30 days'],
  ['config', 'expected one of show after it'],
  ['build', '"grid build" is of a later version'],
  ['bench --help', '"grid bench" is of a later version'],
  ['models', 'expected one of ls, add, rm, plan, pull, stop, pin after it'],
  ['models add a.b/c x.gguf', 'expected 1 to 64 of letters'],
  ['models add tiny no.gguf', 'no.gguf: there is no such file'],
  ['models add tiny x.gguf --kv q2', 'Allowed choices are f32, f16'],
  ['models add tiny x.gguf --ctx 0', '--ctx: found "0", expected a whole number from 1 to 16777216'],
  ['models pin tiny --off --worker forge', '--off goes without --worker and --device'],
  ['models plan no.gguf', 'no.gguf: there is no such file'],
  ['infer tiny', "missing required argument 'prompt'"],
  ['worker --slots 0', '--slots: found "0", expected a whole number from 1 to 4096'],
  ['worker --data-endpoint nowhere', '--data-endpoint: found "nowhere", expected tcp://HOST:PORT'],
  ['nodes --broker tcp://a:65536', 'broker (flag): expected tcp://HOST:PORT or ipc:///PATH'],
  ['worker --label a', '--label: found "a", expected NAME=VALUE'],
  ['top --interval 1ms', '--interval: found "1ms", expected a duration from 100ms to 1h'],
  ['nodes --broker nowhere', 'broker (flag): expected tcp://HOST:PORT or ipc:///PATH'],
];

const long = 'x'.repeat(5000);

/** Each is told as `--flag: found …, expected …`. */
const values: readonly (readonly [flag: string, expected: string, ...bad: readonly string[]])[] = [
  [
    'memory',
    'a size such as 256MiB',
    ...[
      '12 GBs',
      '12bananas',
      '-1',
      '1e999',
      '٣',
      '',
      ' ',
      '1EiB',
      '0x10',
      'NaN',
      '99999999999999999999',
      long,
    ],
  ],
  ['disk', 'a size such as 256MiB', 'much'],
  ['vram', 'a size such as 256MiB', '5 giga'],
  ['cpu', 'a number of CPUs such as 2, 0.5 or 500m', 'many', '', '-1', '٣', '1e3', '0.0001', '99999', long],
  ['timeout', 'a duration such as 90s or 10m', 'soon', '', '-1', '٣', '1 h', '100d100d', '999999999d', long],
  ['queue-timeout', 'a duration such as 90s or 10m', 'never'],
  ['backoff', 'a duration of at most a day such as 5s', '2d', 'x'],
  ['gpu', 'a whole number from 1 to 64', '0', '65', '1.5', 'two', ''],
  ['image', 'an image name such as busybox:latest', '', '../x', 'a b', '-x', 'A', long],
  ['name', 'at most 256 characters', long],
  ['key', 'at most 256 characters', long],
  ['worker', "a worker's name or id, of 1 to 256 characters", '', long],
  ['gpu-name', "a part of a GPU's name, of 1 to 128 characters", '', long],
  ['gpu-uuid', "a GPU's uuid, as grid node show prints it", '', '0', 'GPU-a,GPU-b', 'GPU-a b', long],
  ['workdir', 'an absolute path', '', 'here', `/${long}`],
  ['label', 'NAME=VALUE', '', '='],
];

describe('a mistake', () => {
  it.each(
    values.flatMap(([flag, expected, ...bad]) =>
      bad.map((text) => [flag, text.slice(0, 40), text, expected]),
    ),
  )('in the value of --%s %j is told', async (flag, _, text, expected) => {
    const { code, stdout, stderr } = await grid('submit', `--${flag}`, text, '--', 'x');
    expect(stderr).toContain(`grid: --${flag}: found ${JSON.stringify(text).slice(0, 40)}`.replace(/"$/, ''));
    expect(stderr).toContain(`expected ${expected}`);
    expect(stderr.length).toBeLessThan(300);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  it('of a program without a name is told', async () => {
    const { code, stderr } = await grid('submit', '--', '');
    expect(stderr).toContain('command: found "" as the program');
    expect(code).toBe(2);
  });

  it('that holds control characters is shown without them', async () => {
    const { stderr } = await grid('submit', write('bad\u001b[31m.yaml', 'x: 1\n'));
    expect(stderr).toContain('bad\\u{1b}[31m.yaml:1:1: x: found unknown key');
    expect(stderr).not.toContain('\u001b');
  });

  it.each(usage)('grid %s', async (args, expected) => {
    const { code, stdout, stderr } = await grid(...args.split(' ').filter((word) => word !== ''));
    expect(stderr).toContain(expected);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  it('in a file is told with its place', async () => {
    const file = write('bad.yaml', 'command: [x]\nresources:\n  memory: 12 bananas\n');
    const { code, stderr } = await grid('submit', file);
    expect(code).toBe(2);
    expect(stderr).toContain(
      'bad.yaml:3:11: resources.memory: found "12 bananas", expected a size such as 256MiB',
    );
  });

  it('of flags beside a file is told', async () => {
    const file = write('good.yaml', 'command: [x]\n');
    const { code, stderr } = await grid('submit', file, '--cpu', '2');
    expect(code).toBe(2);
    expect(stderr).toContain('--cpu: a file describes its task itself');
  });

  it('is a document with --json', async () => {
    const { code, stdout } = await grid('show', 'banana', '--json');
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ failure: { code: 'rejected.invalid' } });
  });
});

describe('a machine that refuses', () => {
  const home = (path: string, ...args: string[]) => grid(...args, '--home', path);

  it('is no bug of grid: a path through a file', async () => {
    for (const command of ['ps', 'up', 'down']) {
      const { code, stderr } = await home(join(write('file', ''), 'home'), command);
      expect(stderr).toContain('is GRID_HOME right?');
      expect(stderr).not.toContain('bug');
      expect(code).toBe(2);
    }
  });

  it('keeps a folder that serves another purpose as it is', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gg-other-'));
    try {
      chmodSync(folder, 0o755);
      writeFileSync(join(folder, 'thesis.tex'), '');
      const { code, stderr } = await home(folder, 'up', '--detach');
      expect(stderr).toContain(`${folder} holds other things`);
      expect(code).toBe(2);
      expect(statSync(folder).mode & 0o777).toBe(0o755);
      expect(readdirSync(folder)).toEqual(['thesis.tex']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('says which line of the settings it cannot use', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gg-config-'));
    try {
      for (const [text, expected] of [
        ['', 'config.json'],
        ['[]', 'must hold one JSON object'],
        ['{"nmae": "x"}', 'nmae (file): there is no such setting'],
        ['{"name": 5}', 'name (file)'],
        ['{"broker": ["nowhere"]}', 'broker (file): expected tcp://HOST:PORT'],
      ] as const) {
        writeFileSync(join(folder, 'config.json'), text);
        const { code, stderr } = await home(folder, 'ps');
        expect(stderr).toContain(expected);
        expect(code).toBe(2);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('completion', () => {
  it('of bash is a script that completes commands and flags', async () => {
    const { stdout } = await grid('completion', 'bash');
    const complete = (...words: string[]): string =>
      execFileSync(
        'bash',
        [
          '-c',
          `${stdout}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _grid; echo "\${COMPREPLY[*]}"`,
          'grid',
          ...words,
        ],
        { encoding: 'utf8' },
      ).trim();
    expect(complete('grid', 'sub')).toBe('submit');
    expect(complete('grid', 'node', 'dr')).toBe('drain');
    expect(complete('grid', 'node', 'drain', '--dea')).toBe('--deadline');
    expect(complete('grid', 'submit', '--dry')).toBe('--dry-run');
    // The value of a flag is no command, and what came before it still counts.
    expect(complete('grid', 'node', '--home', 'x', 'dr')).toBe('drain');
    expect(complete('grid', 'submit', '--home', 'node', '--mem')).toBe('--memory');
    expect(complete('grid', 'show', 't1', '--js')).toBe('--json');
    // Values, files and the task's own command are the shell's to complete.
    expect(complete('grid', 'submit', '--memory', '')).toBe('');
    expect(complete('grid', 'submit', 'tas')).toBe('');
    expect(complete('grid', 'submit', '--', '--he')).toBe('');
    // What is not there yet is not offered.
    expect(complete('grid', 'buil')).toBe('');
  });

  it.each(['zsh', 'fish'])('of %s is printed', async (shell) => {
    const { code, stdout } = await grid('completion', shell);
    expect(code).toBe(0);
    expect(stdout).toContain('submit');
  });
});

/** The command line itself, in this process: help, typos, bad flags and files. Nothing here gets as far as a grid. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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
  ...[
    'up',
    'down',
    'broker',
    'worker',
    'doctor',
    'submit',
    'run',
    'ps',
    'show',
    'logs',
    'wait',
    'cancel',
    'retry',
  ],
  ...[
    'explain',
    'nodes',
    'node show',
    'node drain',
    'node resume',
    'node remove',
    'top',
    'config show',
    'completion',
  ],
];

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
  ['node drian forge', 'Did you mean drain?'],
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
  ['submit --cpu many -- x', 'expected a number of CPUs such as 2, 0.5 or 500m'],
  ['submit --memory 12bananas -- x', 'Found "12bananas", expected a size such as 4GiB'],
  ['submit --memory -1 -- x', 'expected a size'],
  ['submit --gpu 0 -- x', 'expected a whole number from 1 to 64'],
  ['submit --gpu 1 --vram 1GiB -- x', 'give only one of them'],
  ['submit --min-cc new -- x', 'expected such as 7.0'],
  ['submit --env A-B=c -- x', 'Found "A-B=c", expected NAME=VALUE'],
  ['submit --env A -- x', 'Found "A", expected NAME=VALUE'],
  ['submit --label =x -- x', 'expected NAME=VALUE'],
  ['submit --priority 101 -- x', 'expected a whole number from -100 to 100'],
  ['submit --timeout soon -- x', 'expected a duration such as 10m'],
  ['submit --retries 1000 -- x', 'expected 0 to 100'],
  ['submit --workdir here -- x', 'body.workdir'],
  ['submit --user root --image a -- x', 'expected uid or uid:gid in numbers'],
  ['submit --network host --image a -- x', 'Allowed choices are none'],
  ['submit --mount a:/b -- x', 'of a later version'],
  ['submit --in a -- x', 'of a later version'],
  ['submit --out /b -- x', 'of a later version'],
  ['show t1 --events', 'of a later version'],
  ['completion tcsh', 'Allowed choices are bash, zsh, fish'],
  ['nodes --broker nowhere', 'broker (flag): expected tcp://HOST:PORT or ipc:///PATH'],
];

describe('a mistake', () => {
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
        {
          encoding: 'utf8',
        },
      ).trim();
    expect(complete('grid', 'sub')).toBe('submit');
    expect(complete('grid', 'node', 'dr')).toBe('drain');
    expect(complete('grid', 'submit', '--dry')).toBe('--dry-run');
  });

  it.each(['zsh', 'fish'])('of %s is printed', async (shell) => {
    const { code, stdout } = await grid('completion', shell);
    expect(code).toBe(0);
    expect(stdout).toContain('submit');
  });
});

/** `grid exec` as somebody at a terminal has it: the spawned `grid` on one machine, real containers. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Ended, GridFixture, gridCommand } from './cli-grid.fixture.ts';
import { containerOf, untilGone } from './exec.fixture.ts';

const grid = new GridFixture();
let task: string;
beforeAll(async () => {
  const { code, stderr } = await grid.grid('up', '--detach', '--name', 'forge');
  if (code !== 0) throw new Error(stderr);
  task = await container();
});
afterAll(async () => {
  // Containers outlive their grid.
  for (const id of made) await grid.grid('cancel', id);
  for (const id of made) await grid.grid('wait', id);
  await grid.stop();
});

const made: string[] = [];
const image = ['--image', 'gryphgen-test:latest', '--cpu', '0.1'];

/** One that runs: it has said so. */
async function container(...flags: string[]): Promise<string> {
  const id = await grid.submit(...image, ...flags, '--', 'sh', '-c', 'echo started; exec sleep 3600');
  made.push(id);
  const logs = grid.start('logs', '-f', id);
  await logs.said('started');
  logs.child.kill('SIGINT');
  await logs.end();
  return id;
}

const exec = (...args: string[]): Promise<Ended> => grid.grid('exec', ...args);

describe('a command', () => {
  it('prints where it prints, and its exit code is that of grid', async () => {
    expect(await exec(task, '--', 'sh', '-c', 'echo out; echo err >&2; exit 7')).toEqual({
      code: 7,
      stdout: 'out\n',
      stderr: 'err\n',
    });
  });

  it('has the task’s environment and what is added, the folder and the user that are asked for', async () => {
    const flags = ['--env', 'A=b c', '--workdir', '/tmp', '--user', '1000:1001'];
    const { stdout } = await exec(
      task,
      ...flags,
      '--',
      'sh',
      '-c',
      'echo $GRID_TASK "$A" $PWD $(id -u):$(id -g)',
    );
    expect(stdout).toBe(`${task} b c /tmp 1000:1001\n`);
  });

  it('has no more rights than the task: no capabilities, none to gain, nothing to write but /tmp', async () => {
    const script = 'grep -E "CapEff|CapBnd|NoNewPrivs" /proc/self/status; touch /x || ls /sys/class/net';
    const { stdout } = await exec(task, '--', 'sh', '-c', script);
    expect(stdout.split('\n')).toEqual([
      'CapEff:\t0000000000000000',
      'CapBnd:\t0000000000000000',
      'NoNewPrivs:\t1',
      'lo',
      '',
    ]);
  });

  it('is root only where the policy of its worker lets tasks be root', async () => {
    const { code, stdout, stderr } = await exec(task, '--user', '0', '--', 'id');
    expect(stderr).toContain('the policy of this worker lets no container run as root');
    expect(stdout).toBe('');
    expect(code).toBe(7);
  });

  it('that cannot be run exits as docker’s does, with why on stderr', async () => {
    const { code, stdout, stderr } = await exec(task, '--', 'no-such-program');
    expect(stderr).toMatch(/^grid: cannot run no-such-program: .*not found in \$PATH/);
    expect(stdout).toBe('');
    expect(code === 126 || code === 127).toBe(true);
  });

  it('reads nothing without -i', async () => {
    expect(await exec(task, '--', 'wc', '-c')).toMatchObject({ stdout: '0\n', code: 0 });
  });

  it('is told of in lines of JSON', async () => {
    const { stdout } = await exec(task, '--json', '--', 'sh', '-c', 'echo ü; exit 2');
    expect(stdout).toBe('{"stream":"stdout","text":"ü\\n"}\n{"exitCode":2}\n');
  });
});

describe('where there is nothing to enter', () => {
  it('grid says so', async () => {
    const ended = await grid.submit('--', 'true');
    await grid.grid('wait', ended);
    const long = await grid.submit('--', 'sleep', '600');
    const logs = grid.start('wait', long);
    for (const [id, words] of [
      ['t999999', 'no task t999999'],
      [ended, `${ended} is not running (succeeded)`],
    ] as const) {
      const { code, stderr } = await exec(id, '--', 'true');
      expect(stderr).toContain(words);
      expect(code).toBe(3);
    }
    await grid.grid('cancel', long);
    await logs.end();
  });

  it('grid says that processes are not entered', async () => {
    const id = await grid.submit('--', 'sh', '-c', 'echo started; exec sleep 600');
    const logs = grid.start('logs', '-f', id);
    await logs.said('started');
    const { code, stderr } = await exec(id, '--', 'true');
    expect(stderr).toContain(`${id} is a task of kind process: exec enters containers`);
    expect(code).toBe(3);
    await grid.grid('cancel', id);
    await logs.end();
  });
});

const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** `grid exec` with something to read, and its output as bytes. */
async function piped(input: Uint8Array, ...args: string[]) {
  const child = spawn(process.execPath, [gridCommand, 'exec', '-i', ...args], { env: grid.env });
  const output: Buffer[] = [];
  child.stdout.on('data', (bytes: Buffer) => output.push(bytes));
  // A command need not read all it could.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  await once(child, 'close');
  return { code: child.exitCode, stdout: Buffer.concat(output) };
}

describe('-i', () => {
  it('carries megabytes of anything through, byte for byte, and ends the input where it ends', async () => {
    const input = randomBytes(6_000_017);
    const { code, stdout } = await piped(input, task, '--', 'cat');
    expect(sha(stdout)).toBe(sha(input));
    expect(code).toBe(0);
  });

  it('does not wait for a command that reads no more', async () => {
    const { code, stdout } = await piped(randomBytes(6_000_000), task, '--', 'head', '-c', '3');
    expect(stdout.length).toBe(3);
    expect(code).toBe(0);
  });

  it('serves two at once, each its own', async () => {
    const inputs = [randomBytes(500_000), randomBytes(500_000)];
    const outputs = await Promise.all(inputs.map((input) => piped(input, task, '--', 'cat')));
    expect(outputs.map(({ stdout }) => sha(stdout))).toEqual(inputs.map(sha));
  });
});

describe('a client that is killed', () => {
  it('leaves nothing behind: what it ran is ended, and what that has started', async () => {
    const inside = await containerOf(grid.home, task);
    const script = 'trap "" HUP; sleep 3011 & setsid sleep 3012 & echo up; exec sleep 3013';
    const running = grid.start('exec', '-i', task, '--', 'sh', '-c', script);
    await running.said('up');
    running.child.kill('SIGKILL');
    await untilGone(inside, 'sleep 301');
    // The task itself runs on.
    expect((await exec(task, '--', 'echo', 'here')).stdout).toBe('here\n');
  });

  it('politely: the command is ended, and the exit code tells the signal', async () => {
    const inside = await containerOf(grid.home, task);
    const running = grid.start('exec', task, '--', 'sh', '-c', 'echo up; exec sleep 3021');
    await running.said('up');
    running.child.kill('SIGTERM');
    expect((await running.end()).code).toBe(143);
    await untilGone(inside, 'sleep 3021');
  });
});

it('a task that is cancelled ends the command, in words', async () => {
  const id = await container();
  const running = grid.start('exec', id, '--', 'sh', '-c', 'echo up; exec sleep 3031');
  await running.said('up');
  await grid.grid('cancel', id);
  const { code, stderr } = await running.end();
  expect(stderr).toContain('the task has ended, and the command with it');
  expect(code).toBe(137);
});

/** Silence for this long is the end of a conversation. */
const sayMs = 20_000;

/** A shell of this machine in a terminal of its own, made by script(1). */
class Typed {
  text = '';
  readonly child: ChildProcessWithoutNullStreams;

  constructor() {
    this.child = spawn('script', ['-qec', 'sh', '/dev/null'], { env: { ...grid.env, TERM: 'dumb' } });
    this.child.stdout.on('data', (bytes: Buffer) => {
      this.text += bytes.toString();
    });
    // Told apart from the one in the container; and what is echoed from what is printed.
    this.type("PS1='out''er> '");
  }

  type(line: string): void {
    this.child.stdin.write(`${line}\n`);
  }

  /** Resolves with what this matches, once it has been said; what came before it is forgotten. */
  async said(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = pattern.exec(this.text);
      if (found !== null) {
        this.text = this.text.slice(found.index + found[0].length);
        return found[1] ?? found[0];
      }
      await once(this.child.stdout, 'data', { signal: AbortSignal.timeout(sayMs) }).catch(() => {
        throw new Error(`it waits for ${pattern}, and was told ${JSON.stringify(this.text)}`);
      });
    }
  }

  async end(): Promise<void> {
    this.child.stdin.end();
    await once(this.child, 'close');
  }
}

describe('-it', () => {
  const enter = (): string => `${process.execPath} ${gridCommand} exec -it ${task} -- sh`;

  it('is a shell: its size, also when that changes, Ctrl-C, its exit code; then the terminal is as before', async () => {
    const typed = new Typed();
    typed.type('stty rows 40 cols 100; echo "tty is $(tty)"; echo "was <$(stty -g)>"');
    const tty = await typed.said(/tty is (\/dev\/\S+)/);
    const was = await typed.said(/was <([0-9a-f:]{20,})>/);
    typed.type(enter());
    await typed.said(/[#$] /);
    typed.type('stty size | sed s/^/size=/');
    expect(await typed.said(/size=(\d+ \d+)/)).toBe('40 100');
    const resized = spawn('stty', ['-F', tty, 'rows', '50', 'cols', '120']);
    expect(await once(resized, 'exit')).toEqual([0, null]);
    // The change arrives as a signal to the shell: which of the two comes first is the kernel's to say.
    typed.type('until [ "$(stty size)" = "50 120" ]; do :; done; echo resized=$?');
    await typed.said(/resized=0/);
    typed.type(`sh -c 'trap "exit 9" INT; echo sle""eps; while :; do sleep 1; done'; echo left=$?`);
    await typed.said(/sleeps\r\n/);
    typed.child.stdin.write('\u0003');
    await typed.said(/left=9/);
    typed.type('exit 5');
    await typed.said(/outer> /);
    typed.type('echo "code=$? now <$(stty -g)>"');
    expect(await typed.said(/code=(\d+) now </)).toBe('5');
    expect(await typed.said(/([0-9a-f:]{20,})>/)).toBe(was);
    await typed.end();
  });

  it('puts the terminal back also when it is told to end', async () => {
    const typed = new Typed();
    typed.type('echo "was <$(stty -g)>"');
    const was = await typed.said(/was <([0-9a-f:]{20,})>/);
    typed.type(`sh -c 'echo "pid $$"; exec ${enter()}'`);
    const pid = Number(await typed.said(/pid (\d+)/));
    await typed.said(/[#$] /);
    const inside = await containerOf(grid.home, task);
    typed.type('echo up=$?; exec sleep 3051');
    await typed.said(/up=0/);
    process.kill(pid, 'SIGTERM');
    await typed.said(/outer> /);
    typed.type('echo "code=$? now <$(stty -g)>"');
    expect(await typed.said(/code=(\d+) now </)).toBe('143');
    expect(await typed.said(/([0-9a-f:]{20,})>/)).toBe(was);
    await untilGone(inside, 'sleep 3051');
    await typed.end();
  });

  it('needs a terminal', async () => {
    const { code, stderr } = await exec('-it', task, '--', 'sh');
    expect(stderr).toContain('-t: the input device is not a TTY');
    expect(code).toBe(2);
  });
});

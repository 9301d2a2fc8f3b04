/** `grid` as a user runs it: spawned, in a home of its own. At the end nothing of it is left running or on disk. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const gridCommand = fileURLToPath(new URL('../../packages/cli/bin/grid.js', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command under way. */
export class Running {
  stdout = '';
  stderr = '';
  readonly child: ChildProcessWithoutNullStreams;
  private readonly closed: Promise<unknown>;

  constructor(args: readonly string[], env: NodeJS.ProcessEnv, cwd: string, namespace?: string) {
    const inside = namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace];
    const [program = '', ...rest] = [...inside, process.execPath, gridCommand, ...args];
    this.child = spawn(program, rest, { env, cwd });
    this.child.stdout.on('data', (bytes: Buffer) => {
      this.stdout += bytes.toString();
    });
    this.child.stderr.on('data', (bytes: Buffer) => {
      this.stderr += bytes.toString();
    });
    this.closed = once(this.child, 'close');
  }

  async end(): Promise<Ended> {
    await this.closed;
    return { code: this.child.exitCode, stdout: this.stdout, stderr: this.stderr };
  }

  /** Resolves when it has said this on stdout; rejects when it ends without. */
  async said(text: string): Promise<void> {
    while (!this.stdout.includes(text)) {
      const next = await Promise.race([
        once(this.child.stdout, 'data'),
        this.closed.then(() => 'ended' as const),
      ]);
      if (next === 'ended' && !this.stdout.includes(text))
        throw new Error(`it ended without saying ${text}: ${this.stdout}${this.stderr}`);
    }
  }
}

export class GridFixture {
  readonly home = mkdtempSync(join(tmpdir(), 'gg-cli-'));
  readonly env: NodeJS.ProcessEnv;
  private readonly running: Running[] = [];
  private readonly networkNamespace: string | undefined;

  /** In this machine's own network, or in a namespace of it (`ip netns`). */
  constructor(networkNamespace?: string) {
    this.networkNamespace = networkNamespace;
    const { GRID_BROKER: _, ...env } = process.env;
    this.env = { ...env, GRID_HOME: this.home, GRID_LOG_LEVEL: 'warn' };
  }

  start(...args: string[]): Running {
    const running = this.open(...args);
    running.child.stdin.end();
    return running;
  }

  /** Its stdin is the test's to end. */
  open(...args: string[]): Running {
    const running = new Running(args, this.env, this.home, this.networkNamespace);
    this.running.push(running);
    return running;
  }

  grid(...args: string[]): Promise<Ended> {
    return this.start(...args).end();
  }

  /** What `--json` printed: stdout must be one document and nothing else. */
  async json<T>(...args: string[]): Promise<T> {
    const { stdout, stderr } = await this.grid(...args, '--json');
    try {
      return JSON.parse(stdout) as T;
    } catch (error) {
      throw new Error(`grid ${args.join(' ')} printed ${JSON.stringify(stdout)}, ${stderr}`, {
        cause: error,
      });
    }
  }

  /** Submits a command and returns the task's id. */
  async submit(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.grid('submit', ...args);
    if (code !== 0) throw new Error(`submit ended with ${code}: ${stderr}`);
    return stdout.trim();
  }

  file(name: string, text: string): string {
    writeFileSync(join(this.home, name), text);
    return name;
  }

  async stop(): Promise<void> {
    for (const { child } of this.running) if (child.exitCode === null) child.kill('SIGKILL');
    await this.grid('down');
    rmSync(this.home, { recursive: true, force: true });
  }
}

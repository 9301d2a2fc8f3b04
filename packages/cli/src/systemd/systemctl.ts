/** `systemctl` of the system or of this user, asked as scripts ask it. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { failure, GridError } from '@gryphgen/protocol';
import type { Scope } from './unit-text.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** systemd answers at once, but for a start, which is waited for apart, and a stop: units may take 30 s for theirs. */
const answerMs = 90_000;

export interface Answer {
  readonly ok: boolean;
  /** stdout of a success, stderr of a failure. */
  readonly text: string;
  /** It had not ended in time. What it asked for goes on. */
  readonly isLate: boolean;
}

/** Where no systemd runs that could be asked: undefined. */
export function scopeHere(env: Environment): Scope | undefined {
  // sd_booted(3)
  if (!existsSync('/run/systemd/system')) return undefined;
  if (process.getuid?.() === 0) return 'system';
  const { XDG_RUNTIME_DIR: folder } = env;
  return folder !== undefined && existsSync(join(folder, 'systemd', 'private')) ? 'user' : undefined;
}

/** Throws GridError `rejected.state`, exit code 3. */
export function needScope(env: Environment): Scope {
  const scope = scopeHere(env);
  if (scope !== undefined) return scope;
  const words = existsSync('/run/systemd/system')
    ? 'this user has no systemd of its own here (su starts none): log in as the user, or use sudo for a unit of the system'
    : 'systemd is not running here: have what starts services here run "grid broker" or "grid worker"';
  throw new GridError(failure('rejected.state', words));
}

export class Systemctl {
  readonly scope: Scope;
  private readonly env: Environment;

  constructor(scope: Scope, env: Environment) {
    this.scope = scope;
    this.env = env;
  }

  ask(args: readonly string[], withinMs = answerMs): Promise<Answer> {
    const scope = this.scope === 'user' ? ['--user'] : [];
    const all = [...scope, '--no-pager', '--no-ask-password', '--quiet', ...args];
    const env = { ...this.env, LC_ALL: 'C', SYSTEMD_COLORS: '0' };
    return new Promise((resolve) => {
      execFile('systemctl', all, { env, timeout: withinMs }, (error, stdout, stderr) => {
        const isLate = error?.killed === true;
        resolve({
          ok: error === null,
          text: (error === null ? stdout : stderr || error.message).trim(),
          isLate,
        });
      });
    });
  }

  /** Throws GridError `rejected.state` with what systemctl said. */
  async must(...args: readonly string[]): Promise<string> {
    const { ok, text } = await this.ask(args);
    if (ok) return text;
    throw new GridError(failure('rejected.state', `systemctl ${args.join(' ')}: ${text}`));
  }

  /** Properties of a unit; those of one that is not there have their defaults. */
  async show<N extends string>(unit: string, names: readonly N[]): Promise<Readonly<Record<N, string>>> {
    const text = await this.must('show', `--property=${names.join(',')}`, unit);
    const found = new Map(
      text.split('\n').map((line) => {
        const at = line.indexOf('=');
        return [line.slice(0, at), line.slice(at + 1)];
      }),
    );
    return Object.fromEntries(names.map((name) => [name, found.get(name) ?? ''])) as Record<N, string>;
  }
}

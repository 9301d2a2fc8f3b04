/** A git repository as a person has one. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';

export class Repository {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
    this.git('init', '-q', '-b', 'main');
  }

  git(...args: readonly string[]): string {
    const who = ['-c', 'user.name=ann', '-c', 'user.email=ann@example.com'];
    return execFileSync('git', ['-C', this.folder, ...who, ...args], { encoding: 'utf8' }).trim();
  }

  /** Returns the commit. */
  commit(message: string): string {
    this.git('add', '-A');
    this.git('commit', '-q', '-m', message);
    return this.git('rev-parse', 'HEAD');
  }
}

/** The llama-servers that serve from a grid's or a worker's home, as the kernel lists them. */
import { readdirSync, readFileSync } from 'node:fs';

export function llamaServersOf(home: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const words = commandOf(pid).split('\0');
      return words[0]?.endsWith('llama-server') && words.some((word) => word.startsWith(home));
    });
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return ''; // it has ended meanwhile
  }
}

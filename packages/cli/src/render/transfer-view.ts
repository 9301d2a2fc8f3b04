/** A transfer to one worker in one line: while it lasts, and how it ended. */
import { type Failure, formatBytes, formatDuration } from '@gryphgen/protocol';
import { printable } from '../printable.ts';

export interface TransferRow {
  readonly name: string;
  readonly state: 'waiting' | 'sending' | 'loading' | 'taken' | 'held' | 'failed';
  readonly sent: number;
  readonly bytes: number;
  /** Since its first byte. */
  readonly ms: number;
  readonly failure: Failure | null;
}

const barColumns = 24;

export function transferLine(row: TransferRow, nameColumns: number): string {
  return `${printable(row.name).padEnd(nameColumns)}  ${stateOf(row)}`;
}

/** `ms`: since its first byte. */
export function transferBar(sent: number, bytes: number, ms: number): string {
  const pace = ms < 1000 ? '' : `, ${formatBytes(Math.round((sent / ms) * 1000))}/s`;
  return `${progressBar(sent, bytes)}  ${formatBytes(sent)} of ${formatBytes(bytes)}${pace}`;
}

/** How much of a whole is done. */
export function progressBar(done: number, of: number): string {
  const part = of === 0 ? 0 : Math.min(1, done / of);
  const bar = '='.repeat(Math.round(part * barColumns)).padEnd(barColumns);
  return `[${bar}]${`${Math.floor(part * 100)}%`.padStart(4)}`;
}

function stateOf({ state, sent, bytes, ms, failure }: TransferRow): string {
  switch (state) {
    case 'waiting':
      return 'waits';
    case 'sending':
      return transferBar(sent, bytes, ms);
    case 'loading':
      return `${formatBytes(bytes)} sent, its engine loads them`;
    case 'taken':
      return `has it: ${formatBytes(bytes)} in ${formatDuration(ms)}`;
    case 'held':
      return 'has had it already';
    case 'failed':
      return `does not have it: ${printable(failure?.message ?? '')}`;
  }
}

/** Persons, services and tickets: as documents for programs, as lines for people. */
import { formatBytes, type PrincipalDocument, type Quota, type TicketDocument } from '@gryphgen/protocol';
import { printable } from '../printable.ts';
import { type Column, table } from './table.ts';
import { age, isoTime } from './task-view.ts';

export function principalJson({ addedAt, seenAt, ...rest }: PrincipalDocument) {
  return { ...rest, addedAt: isoTime(addedAt), seenAt: isoTime(seenAt) };
}

export function principalTable(
  principals: readonly PrincipalDocument[],
  nowMs: number,
  columns: number,
): readonly string[] {
  const shown: readonly Column<PrincipalDocument>[] = [
    { title: 'PRINCIPAL', value: ({ id }) => id },
    { title: 'NAME', value: ({ name }) => printable(name) },
    { title: 'ROLE', value: ({ role }) => role },
    { title: 'SEEN', value: (one) => seenWords(one, nowMs) },
    { title: 'WAITING', value: ({ has, limits }) => ofMost(has.queued, limits.queued), right: true },
    { title: 'RUNNING', value: ({ has, limits }) => ofMost(has.running, limits.running), right: true },
    { title: 'USE', value: useWords, right: true },
    { title: 'PRIORITY', value: ({ limits }) => upTo(limits.highestPriority), right: true },
    {
      title: 'BODIES',
      value: ({ has, limits }) => ofMost(has.bodiesBytes, limits.bodiesBytes, formatBytes),
      right: true,
    },
    ...storedColumn(principals),
    ...quotaColumns(principals),
    { title: 'A SECOND', value: ({ limits }) => String(limits.submitsPerSecond ?? ''), right: true },
  ];
  return table(principals, shown, columns);
}

/** Where anybody has any, or may not have more. */
function storedColumn(principals: readonly PrincipalDocument[]): readonly Column<PrincipalDocument>[] {
  const isShown = principals.some(({ has, limits }) => has.storedBytes || limits.storedBytes !== undefined);
  if (!isShown) return [];
  const value = ({ has, limits }: PrincipalDocument): string =>
    ofMost(has.storedBytes ?? 0, limits.storedBytes, formatBytes);
  return [{ title: 'FILES', value, right: true }];
}

/** Of what some of them may not hold as much of as they like. */
function quotaColumns(principals: readonly PrincipalDocument[]): readonly Column<PrincipalDocument>[] {
  const quotas: readonly (readonly [string, keyof Quota, (amount: number) => string])[] = [
    ['CPU', 'cpuMilli', (milli) => String(milli / 1000)],
    ['MEMORY', 'memoryBytes', formatBytes],
    ['VRAM', 'vramBytes', formatBytes],
    ['GPUS', 'devices', String],
  ];
  return quotas
    .filter(([, of]) => principals.some(({ limits }) => limits.quota?.[of] !== undefined))
    .map(([title, of, words]) => ({
      title,
      value: ({ has, limits }) => ofMost(has.held?.[of] ?? 0, limits.quota?.[of], words),
      right: true,
    }));
}

function seenWords({ seenAt, sessions }: PrincipalDocument, nowMs: number): string {
  if (sessions > 0) return 'now';
  return seenAt === 0 ? 'never' : `${age(nowMs - seenAt)} ago`;
}

/** Of the grid of late, and at which weight. */
function useWords({ has: { use }, limits: { weight } }: PrincipalDocument): string {
  if (use === undefined) return '';
  return `${(100 * use).toFixed(1)} %${weight === undefined ? '' : ` (${weight})`}`;
}

function upTo(most: number | undefined): string {
  return most === undefined ? '' : `up to ${most}`;
}

/** `3`, or `3 of 8` where there is a limit. */
function ofMost(has: number, most: number | undefined, words: (n: number) => string = String): string {
  return most === undefined ? words(has) : `${words(has)} of ${words(most)}`;
}

export function ticketJson({ expiresAt, ...rest }: TicketDocument) {
  return { ...rest, expiresAt: isoTime(expiresAt) };
}

export function ticketTable(
  tickets: readonly TicketDocument[],
  nowMs: number,
  columns: number,
): readonly string[] {
  const shown: readonly Column<TicketDocument>[] = [
    { title: 'TICKET', value: ({ id }) => id },
    { title: 'ROLE', value: ({ role }) => role },
    { title: 'GOOD FOR', value: ({ expiresAt }) => age(Math.max(0, expiresAt - nowMs)) },
    { title: 'MADE BY', value: ({ madeBy }) => madeBy },
  ];
  return table(tickets, shown, columns);
}

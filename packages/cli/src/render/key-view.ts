/** Keys of the gateway: as documents for programs, as lines for people. Never what they are. */
import { formatBytes } from '@gryphgen/protocol';
import type { ApiKey } from '@gryphgen/runtime';
import { printable } from '../printable.ts';
import { type Column, table } from './table.ts';
import { age, isoTime } from './task-view.ts';

export function apiKeyJson({ sha256: _, createdAt, expiresAt = 0, ...rest }: ApiKey) {
  return { ...rest, createdAt: isoTime(createdAt), expiresAt: isoTime(expiresAt) };
}

export function apiKeyTable(keys: readonly ApiKey[], nowMs: number, columns: number): readonly string[] {
  const shown: readonly Column<ApiKey>[] = [
    { title: 'KEY', value: ({ id }) => id },
    { title: 'NAME', value: ({ name }) => printable(name) },
    { title: 'MADE', value: ({ createdAt }) => `${age(nowMs - createdAt)} ago` },
    { title: 'GOOD FOR', value: ({ expiresAt }) => goodFor(expiresAt, nowMs) },
    { title: 'ACTS FOR', value: ({ principal, role }) => `${principal} (${role})` },
    { title: 'SCOPES', value: ({ scopes }) => scopes.join(',') },
    { title: 'A MINUTE', value: ({ perMinute }) => String(perMinute ?? ''), right: true },
    { title: 'AT A TIME', value: ({ concurrent }) => String(concurrent ?? ''), right: true },
    {
      title: 'BODY',
      value: ({ bodyBytes }) => (bodyBytes === undefined ? '' : formatBytes(bodyBytes)),
      right: true,
    },
    { title: 'PRIORITY', value: ({ priority }) => String(priority ?? ''), right: true },
  ];
  return table(keys, shown, columns);
}

function goodFor(expiresAt: number | undefined, nowMs: number): string {
  if (expiresAt === undefined) return 'ever';
  return expiresAt <= nowMs ? 'expired' : age(expiresAt - nowMs);
}

/** Bytes that went through the TCP connections of a listening port, by the kernel's counters. */
import { execFileSync } from 'node:child_process';

/** Both directions, as the listening side saw them; of connections that stand. Needs iproute2's ss. */
export function bytesThrough(port: number): number {
  const listed = execFileSync('ss', ['-tinOH', 'state', 'established', `( sport = :${port} )`], {
    encoding: 'utf8',
  });
  let bytes = 0;
  for (const [, count] of listed.matchAll(/\bbytes_(?:sent|received):(\d+)/g)) bytes += Number(count);
  return bytes;
}

/**
 * `$GRID_HOME/up.json`: which supervisor runs this home's grid, and where its broker and gateway answer. At most one does: the
 * file is made exclusively, and one left by a process that is gone counts as none.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { identityOf, isAlive, isMissing, parseJson, writePrivateFile } from '@gryphgen/runtime';
import { z } from 'zod';

const schema = z.object({
  pid: z.number().int().min(1),
  startedAt: z.string(),
  /** Where the broker answers; none while it is coming up. */
  broker: z.array(z.string()),
  /** The gateway's URL; '' while it is coming up. */
  gateway: z.string().default(''),
});
export type Up = z.infer<typeof schema>;

/** The supervisor that lives, if one does. */
export function findUp(home: string): Up | undefined {
  let text: string;
  try {
    text = readFileSync(pathIn(home), 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  const parsed = schema.safeParse(parseJson(text));
  return parsed.success && isAlive(parsed.data) ? parsed.data : undefined;
}

/** Makes this process the supervisor. Returns the other when there is one. */
export function claimUp(home: string): Up | undefined {
  const mine = `${JSON.stringify({ ...identityOf(process.pid), broker: [] })}\n`;
  for (;;) {
    try {
      writeFileSync(pathIn(home), mine, { flag: 'wx', mode: 0o600 });
      return undefined;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    const other = findUp(home);
    if (other !== undefined) return other;
    rmSync(pathIn(home), { force: true });
  }
}

export function writeUp(home: string, answers: Pick<Up, 'broker' | 'gateway'>): void {
  writePrivateFile(pathIn(home), `${JSON.stringify({ ...identityOf(process.pid), ...answers })}\n`);
}

/** Only one's own. */
export function releaseUp(home: string): void {
  if (findUp(home)?.pid === process.pid) rmSync(pathIn(home), { force: true });
}

function pathIn(home: string): string {
  return join(home, 'up.json');
}

/**
 * Where the relay beside the broker is, as this home's worker was told last (E35): for who looks at this machine's ways from a home that
 * joined as a worker alone. Its key opens one session, the worker's own, so nobody else here can ask the broker.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BesideBroker } from '@gryphgen/protocol';
import { z } from 'zod';
import { replacePrivateFile } from '../atomic-file.ts';
import { parseJson } from '../json.ts';
import { isMissing } from '../missing.ts';

/** More places than a broker listens at. */
const maxEndpoints = 64;
const noteSchema = z.object({
  endpoints: z.array(z.string().max(256)).max(maxEndpoints),
  dataKey: z.string().length(40),
});

export class RelayNote {
  private readonly path: string;
  private written = '';

  constructor(home: string) {
    this.path = pathIn(home);
  }

  /** Rejects with what the file system says; nothing depends on it but words. */
  async keep({ endpoints, dataKey }: BesideBroker): Promise<void> {
    const text = `${JSON.stringify({ endpoints, dataKey })}\n`;
    if (text === this.written) return;
    await replacePrivateFile(this.path, text);
    this.written = text;
  }
}

/** Undefined where no worker of this home was ever told, or what is written makes no sense. */
export function notedRelay(home: string): BesideBroker | undefined {
  let text: string;
  try {
    text = readFileSync(pathIn(home), 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  return noteSchema.safeParse(parseJson(text)).data;
}

function pathIn(home: string): string {
  return join(home, 'worker', 'relay.json');
}

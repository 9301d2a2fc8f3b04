/**
 * What an instance has on disk: in its scratch folder its key and what it is, for a later life of the worker; its socket
 * where sockets live, since their paths are short.
 *
 * 1. The key is readable by its owner alone, and in no command line, environment or log.
 */
import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { modelName, modelUses } from '@gryphgen/protocol';
import { type KeptDoor, type Random, replacePrivateFile, runFolder } from '@gryphgen/runtime';
import { z } from 'zod';
import { type Fence, keyOf } from '../core/fence.ts';
import type { InstanceFacts } from './local-instances.ts';

const keyBytes = 32;
const noteSchema = z.object({
  model: modelName,
  use: z.enum(modelUses),
  onHost: z.boolean(),
  slots: z.number().int().positive().optional(),
});

/** Of 19 bytes behind the folder: the limit of a socket's path is kept by that. */
export function socketPathOf(home: string, fence: Fence): string {
  const hash = createHash('sha256').update(keyOf(fence)).digest('hex').slice(0, 12);
  return join(runFolder(home), `m-${hash}.sock`);
}

export function apiKeyFile(scratch: string): string {
  return join(scratch, 'api-key');
}

/** Rejects with what the file system says. */
export async function writeInstance(scratch: string, facts: InstanceFacts, random: Random): Promise<string> {
  const apiKey = Buffer.from(random.bytes(keyBytes)).toString('hex');
  await replacePrivateFile(apiKeyFile(scratch), `${apiKey}\n`);
  await replacePrivateFile(noteOf(scratch), JSON.stringify(facts));
  return apiKey;
}

/** As an earlier life wrote it; null when that was cut off. */
export async function readInstance(
  scratch: string,
  socketPath: string,
): Promise<{ readonly facts: InstanceFacts; readonly door: KeptDoor } | null> {
  try {
    const note = noteSchema.safeParse(JSON.parse(await readFile(noteOf(scratch), 'utf8')));
    const keyFile = apiKeyFile(scratch);
    const apiKey = (await readFile(keyFile, 'utf8')).trim();
    return note.success ? { facts: note.data, door: { socketPath, apiKey, apiKeyFile: keyFile } } : null;
  } catch {
    return null;
  }
}

export async function removeSocket(socketPath: string): Promise<void> {
  await rm(socketPath, { force: true });
}

function noteOf(scratch: string): string {
  return join(scratch, 'instance.json');
}

import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { AttemptNo, TaskId } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { afterTest, scratchFolder } from '../scratch.fixture.ts';
import { hereMark, isShown, type KeptDoor, offerDoor, openDoor } from './model-door.ts';

const loan = { channel: 'c'.repeat(22), task: 7 as TaskId, attempt: 1 as AttemptNo };
const others = [{ channel: 'd'.repeat(22) }, { task: 8 as TaskId }, { attempt: 2 as AttemptNo }];
const apiKey = '0f'.repeat(32);

let folder: string;
let kept: KeptDoor;
beforeEach(async () => {
  folder = scratchFolder();
  kept = { socketPath: await listening('m-0123456789ab.sock'), apiKeyFile: join(folder, 'api-key'), apiKey };
  writeFileSync(kept.apiKeyFile, `${apiKey}\n`, { mode: 0o600 });
});

async function listening(name: string): Promise<string> {
  const path = join(folder, name);
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(path, resolve));
  afterTest(() => new Promise<void>((resolve) => void server.close(() => resolve())));
  return path;
}

const opened = () => openDoor(offerDoor(kept, loan), loan);

describe('a door', () => {
  it('is opened by who can read the key’s file, who shows that; the key itself is not told', async () => {
    const offer = offerDoor(kept, loan);
    expect(JSON.stringify(offer)).not.toContain(apiKey);
    const found = await openDoor(offer, loan);
    expect(found?.door).toEqual({ socketPath: kept.socketPath, apiKey });
    expect(found?.proof).not.toBe(offer.proof);
    expect(isShown(kept, loan, found?.proof ?? '')).toBe(true);
  });

  it('is of one loan: what was shown for another opens nothing', async () => {
    const offer = offerDoor(kept, loan);
    const proof = (await opened())?.proof ?? '';
    for (const other of others) {
      expect(await openDoor(offer, { ...loan, ...other })).toBeUndefined();
      expect(isShown(kept, { ...loan, ...other }, proof)).toBe(false);
    }
    expect(isShown(kept, loan, offer.proof)).toBe(false);
    expect(isShown(kept, loan, '')).toBe(false);
  });

  it('of who has not the key is none', async () => {
    const stranger = offerDoor({ ...kept, apiKey: '00'.repeat(32) }, loan);
    expect(await openDoor(stranger, loan)).toBeUndefined();
  });

  it('of another machine is none: there is no such file', async () => {
    expect(await openDoor({ ...offerDoor(kept, loan), apiKeyFile: join(folder, 'none') }, loan)).toBe(
      undefined,
    );
    expect(await openDoor({ ...offerDoor(kept, loan), apiKeyFile: 'api-key' }, loan)).toBeUndefined();
  });
});

describe('no model’s socket is', () => {
  it('another than was offered, though the key is right', async () => {
    const socketPath = await listening('m-ba9876543210.sock');
    expect(await openDoor({ ...offerDoor(kept, loan), socketPath }, loan)).toBeUndefined();
    expect(await openDoor(offerDoor({ ...kept, socketPath }, loan), loan)).toBeDefined();
  });

  it('one of another name, a link, a file, nor what is not there', async () => {
    const link = join(folder, 'm-111111111111.sock');
    symlinkSync(kept.socketPath, link);
    const file = join(folder, 'm-222222222222.sock');
    writeFileSync(file, '');
    const none = join(folder, 'm-333333333333.sock');
    for (const socketPath of [await listening('podman.sock'), link, file, none])
      expect(await openDoor(offerDoor({ ...kept, socketPath }, loan), loan)).toBeUndefined();
  });
});

it('where somebody is does not say which machine that is', () => {
  expect(hereMark()).toMatch(/^[0-9a-f]{64}$/);
  expect(hereMark()).toBe(hereMark());
});

describe('no key’s file is', () => {
  it('one of another name', async () => {
    const apiKeyFile = join(folder, 'content');
    writeFileSync(apiKeyFile, `${apiKey}\n`, { mode: 0o600 });
    expect(await openDoor(offerDoor({ ...kept, apiKeyFile }, loan), loan)).toBeUndefined();
  });

  it('one that others may read', async () => {
    chmodSync(kept.apiKeyFile, 0o640);
    expect(await opened()).toBeUndefined();
  });

  it('one with anything else in it', async () => {
    for (const text of [apiKey, `${apiKey}0`, `${'G'.repeat(64)}\n`, `${apiKey}\n\n`]) {
      writeFileSync(kept.apiKeyFile, text);
      expect(await opened()).toBeUndefined();
    }
  });

  it('a link, nor a folder', async () => {
    const [links, folders] = [join(folder, 'links'), join(folder, 'folders')];
    for (const one of [links, folders]) mkdirSync(one);
    const link = join(links, 'api-key');
    symlinkSync(kept.apiKeyFile, link);
    const inside = join(folders, 'api-key');
    mkdirSync(inside, { mode: 0o700 });
    for (const apiKeyFile of [link, inside])
      expect(await openDoor(offerDoor({ ...kept, apiKeyFile }, loan), loan)).toBeUndefined();
  });
});

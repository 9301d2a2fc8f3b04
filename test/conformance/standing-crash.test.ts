/**
 * Whatever is killed while the broker is given a new key, or another machine: the grid is what it was before or what it is to
 * be, and its members, who know it as it was, follow.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { journalSettings, openStore, writeBackup } from '@gryphgen/broker';
import { loadMembership } from '@gryphgen/client';
import { loadIdentity, readVoucher } from '@gryphgen/runtime';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { prepareHome } from '../../packages/cli/src/daemons/grid-home.ts';

const pathOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const address = 'tcp://anvil:7600';
/** More changes than either makes. */
const mostChanges = 20;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gg-killed-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Kill {
  readonly at: number;
  readonly of: 'any' | 'rename';
  readonly within: string;
}

/** Resolves with whether it was killed before that change. */
async function isKilled({ at, of, within }: Kill, program: string, ...args: string[]): Promise<boolean> {
  const child = spawn(process.execPath, ['--import', pathOf('./killed-at.mjs'), pathOf(program), ...args], {
    env: { ...process.env, KILL_AT: String(at), KILL_OF: of, KILL_WITHIN: within },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  if (signal === null) expect(code).toBe(0);
  return signal === 'SIGKILL';
}

it('a broker killed before any write of a new key has the old one or the new', {
  timeout: 180_000,
}, async () => {
  const [before, home] = [join(folder, 'before'), join(folder, 'forge')];
  const { identity: old, signer } = prepareHome(before, Date.now());
  const seen = new Set<string>();
  let at = 0;
  for (let killed = true; killed; ) {
    at += 1;
    expect(at).toBeLessThan(mostChanges);
    cpSync(before, home, { recursive: true });
    killed = await isKilled({ at, of: 'any', within: home }, './standing-killed.mjs', home);
    // The next start of its broker.
    const { identity, standing } = prepareHome(home, Date.now());
    expect(loadMembership(home)).toMatchObject({
      brokerKey: identity.key,
      brokerCurveKey: identity.curve.publicKey,
    });
    const isOld = identity.key === old.key && identity.curve.publicKey === old.curve.publicKey;
    if (isOld) expect(standing.voucher).toBe('');
    else
      expect(readVoucher(standing.voucher, signer.key)).toMatchObject({
        brokerKey: identity.key,
        brokerCurveKey: identity.curve.publicKey,
      });
    const isAnnounced = standing.document.brokers.includes(address);
    if (!killed) expect([isOld, isAnnounced]).toEqual([false, true]);
    expect(readdirSync(join(home, 'keys')).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    seen.add(isOld ? 'old' : isAnnounced ? 'new' : 'new key alone');
    rmSync(home, { recursive: true });
  }
  expect([...seen]).toEqual(['old', 'new key alone', 'new']);
});

it('a restore killed before any rename leaves nothing, or a broker that members follow', {
  timeout: 180_000,
}, async () => {
  const [forge, home, file] = [join(folder, 'forge'), join(folder, 'elsewhere'), join(folder, 'grid.tar')];
  const { standing } = prepareHome(forge, Date.now());
  mkdirSync(join(forge, 'journal'), { mode: 0o700 });
  const { store } = openStore({
    dir: join(forge, 'journal'),
    settings: journalSettings,
    program: 'test',
    wallMs: Date.now(),
  });
  store.close();
  await writeBackup({ home: forge, file, withKeys: true, wallMs: Date.now() });
  // What members hear after the backup was made.
  await standing.change({ newKey: false, brokers: ['tcp://forge:7600'] });
  const { serial } = standing.document;
  const args = ['restore', file, '--home', home, '--reach', address];
  let at = 0;
  for (let killed = true; killed; ) {
    at += 1;
    expect(at).toBeLessThan(mostChanges);
    killed = await isKilled({ at, of: 'rename', within: home }, '../../packages/cli/bin/grid.js', ...args);
    expect(existsSync(home)).toBe(!killed);
  }
  expect(at).toBeGreaterThan(2);
  const { identity, standing: moved } = prepareHome(home, Date.now());
  expect(identity.key).toBe(loadIdentity(forge, 'broker').key);
  expect(moved.document).toMatchObject({ brokers: [address], brokerKey: identity.key });
  expect(moved.document.serial).toBeGreaterThan(serial);
});

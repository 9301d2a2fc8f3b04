/** Secrets are planted wherever one may stand, and looked for in the bundle. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { createIdentity, loadIdentity, readArchive, writeTicket } from '@gryphgen/runtime';
import { expect, it } from 'vitest';
import { run } from '../program.ts';
import { dropInText } from '../systemd/unit-text.ts';
import { openTerminal } from '../terminal.ts';

function partsOf(file: string): Record<string, string> {
  const parts: Record<string, string> = {};
  const onBytes = (name: string, bytes: Uint8Array) => {
    parts[name] = (parts[name] ?? '') + Buffer.from(bytes).toString();
  };
  readArchive(file, { kind: 'gryphgen support bundle', names: /./, onBytes });
  return parts;
}

it('holds what helps, and no secret', { timeout: 120_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gg-support-'));
  try {
    const home = join(folder, 'home');
    for (const name of ['grid', 'broker', 'worker', 'admin']) loadIdentity(home, name);
    const keys = ['grid', 'broker', 'worker', 'admin'].flatMap((name) => {
      const file = JSON.parse(readFileSync(join(home, 'keys', `${name}.json`), 'utf8'));
      return [file.signing.secret, file.curve.secret] as string[];
    });
    const { key, curve } = createIdentity();
    const seed = 'S'.repeat(43);
    const ends = {
      gridKey: key,
      brokerKey: key,
      brokerCurveKey: curve.publicKey,
      brokers: ['tcp://forge:7600'],
    };
    const ticket = writeTicket({ seed, ...ends, role: 'worker', expiresAt: 1 });
    const planted = [
      ...keys,
      ticket,
      'hunter2-pass',
      'envvalue-1',
      'envvalue-2',
      'tok3n-abc',
      'dXNlcjpwYXNz',
      'url-pw',
      'k9'.repeat(20),
      'policy-secret',
      'registry-secret',
      'process-env',
      'esc4ped',
      'tw1ce',
      'with spaces',
      'torn-o',
      'b3arer-setting',
      'setting-pw',
    ];
    const [signing = '', curveSecret = ''] = keys;
    mkdirSync(join(home, 'logs'));
    const lines = [
      `{"level":30,"msg":"the broker is up"}`,
      `{"msg":"x","secretKey":"${curveSecret}","deep":{"password":"hunter2-pass"}}`,
      `a key ${signing} in the middle, a ticket ${ticket}, DB_PASSWORD=envvalue-1 and {"env":{"A":"envvalue-2"}}`,
      JSON.stringify({ msg: `sent ${JSON.stringify({ password: 'esc4ped', next: 'in sight' })}` }),
      JSON.stringify({ msg: JSON.stringify({ msg: JSON.stringify({ token: 'q"\\ tw1ce' }) }) }),
      JSON.stringify({ msg: 'DB_PASSWORD="p with spaces" ./run' }),
      `{"password":"torn-o`,
      `authorization: Bearer tok3n-abc; {"auth":"dXNlcjpwYXNz"} https://user:url-pw@host/ ${'k9'.repeat(20)}`,
    ];
    for (const name of ['broker.log', 'worker.log'])
      writeFileSync(join(home, 'logs', name), `${lines.join('\n')}\n`);
    writeFileSync(join(home, 'policy.yaml'), '# policy-secret\n');
    writeFileSync(join(home, 'registry.json'), '{"auths":{"r":{"password":"registry-secret"}}}', {
      mode: 0o600,
    });
    writeFileSync(
      join(home, 'config.json'),
      JSON.stringify({ registryConfig: join(home, 'registry.json'), name: 'forge Bearer b3arer-setting' }),
    );
    const said: string[] = [];
    const sink = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        said.push(chunk.toString());
        done();
      },
    });
    const file = join(folder, 'bundle.tar');
    const env = {
      GRID_HOME: home,
      PATH: process.env.PATH,
      AWS_SECRET: 'process-env',
      GRID_POLICY: `https://user:setting-pw@host/${ticket}`,
    };
    expect(await run(openTerminal(sink, sink, env), ['support-bundle', file])).toBe(0);
    const parts = partsOf(file);
    const names = ['doctor.json', 'fsck.json', 'nodes.json', 'settings.json', 'status.json', 'versions.json'];
    expect(Object.keys(parts).sort()).toEqual([
      ...names.slice(0, 2),
      'journals.json',
      'logs.json',
      'logs/broker.log',
      'logs/worker.log',
      ...names.slice(2),
    ]);
    expect(parts['logs/broker.log']).toContain('the broker is up');
    expect(parts['logs/broker.log']).toContain('in sight');
    expect(JSON.parse(parts['settings.json'] ?? '')).toMatchObject({
      settings: { name: 'forge Bearer [cut]', policy: 'https://[cut]@host/[cut]' },
    });
    expect(JSON.parse(parts['doctor.json'] ?? '')).toMatchObject({ home, checks: expect.any(Array) });
    // There is no grid: said where its words would be.
    expect(JSON.parse(parts['status.json'] ?? '')).toMatchObject({
      unavailable: expect.stringContaining('no grid is up'),
    });
    const all = readFileSync(file, 'latin1') + said.join('');
    expect(planted.filter((secret) => all.includes(secret))).toEqual([]);
    expect(await run(openTerminal(sink, sink, env), ['support-bundle', file])).toBe(2);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('is made whatever cannot be read, without the logs while a key file is among that', {
  timeout: 120_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gg-support-'));
  try {
    const home = join(folder, 'home');
    for (const name of ['keys/worker.json', 'logs/old']) mkdirSync(join(home, name), { recursive: true });
    writeFileSync(join(home, 'logs', 'broker.log'), 'the broker is up\n');
    const sink = new Writable({ write: (_chunk, _encoding, done) => done() });
    const terminal = openTerminal(sink, sink, { GRID_HOME: home, PATH: process.env.PATH });
    const [first, second] = [join(folder, 'first.tar'), join(folder, 'second.tar')];
    expect(await run(terminal, ['support-bundle', first])).toBe(0);
    const without = partsOf(first);
    expect(Object.keys(without).filter((name) => name.startsWith('logs/'))).toEqual([]);
    expect(JSON.parse(without['logs.json'] ?? '')).toEqual({
      unavailable: `left out: what to cut is not known without ${join(home, 'keys', 'worker.json')}`,
    });
    rmSync(join(home, 'keys', 'worker.json'), { recursive: true });
    expect(await run(terminal, ['support-bundle', second])).toBe(0);
    const { 'logs.json': listed = '', 'logs/old': old = '', 'logs/broker.log': log } = partsOf(second);
    expect(JSON.parse(listed).sort()).toEqual(['broker.log', 'old']);
    expect(JSON.parse(old)).toEqual({ unavailable: expect.stringContaining('EISDIR') });
    expect(log).toBe('the broker is up\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('holds the ends of the journals of its services, without their secrets', {
  timeout: 120_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gg-support-'));
  try {
    const home = join(folder, 'home');
    loadIdentity(home, 'broker');
    const { signing } = JSON.parse(readFileSync(join(home, 'keys', 'broker.json'), 'utf8'));
    const units = join(folder, 'config', 'systemd', 'user');
    const install = (unit: string, of: string) => {
      mkdirSync(join(units, `${unit}.d`), { recursive: true });
      const text = dropInText({
        ...{ scope: 'user', home: of, stateFolder: null },
        ...{ command: null, environment: {}, groups: [] },
      });
      writeFileSync(join(units, unit), '');
      writeFileSync(join(units, `${unit}.d`, 'grid.conf'), text);
    };
    install('gryphgen-broker.service', home);
    install('gryphgen-worker-lab.service', home);
    install('gryphgen-gateway.service', join(folder, 'other'));
    // As systemd's, of a journal that never ends; nothing of the worker may be read.
    const program = join(folder, 'bin', 'journalctl');
    mkdirSync(join(folder, 'bin'));
    writeFileSync(
      program,
      `#!/bin/sh
case "$*" in *worker*) exit 0;; *--user*--reverse*--unit=gryphgen-broker.service*) ;; *) echo "asked $*" >&2; exit 1;; esac
echo 'newest DB_PASSWORD=envvalue-1'
echo 'older ${signing.secret}'
exec yes 'oldest line'
`,
    );
    chmodSync(program, 0o755);
    const sink = new Writable({ write: (_chunk, _encoding, done) => done() });
    const PATH = `${join(folder, 'bin')}:${process.env.PATH}`;
    const env = { GRID_HOME: home, PATH, XDG_CONFIG_HOME: join(folder, 'config') };
    const file = join(folder, 'bundle.tar');
    expect(await run(openTerminal(sink, sink, env), ['support-bundle', file])).toBe(0);
    const parts = partsOf(file);
    expect(Object.keys(parts).filter((name) => name.startsWith('journals/'))).toEqual([
      'journals/user/gryphgen-broker.service',
      'journals/user/gryphgen-worker-lab.service',
    ]);
    const said = parts['journals/user/gryphgen-broker.service'] ?? '';
    expect(said.startsWith('oldest line\n')).toBe(true);
    expect(said.endsWith('oldest line\nolder [cut]\nnewest DB_PASSWORD=[cut]\n')).toBe(true);
    expect(said.length).toBeGreaterThan(500 * 1024);
    expect(said.length).toBeLessThanOrEqual(512 * 1024);
    expect(JSON.parse(parts['journals/user/gryphgen-worker-lab.service'] ?? '')).toEqual({
      unavailable: expect.stringContaining('this user may not read it'),
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

import { existsSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from './config.ts';
import { brokerSocketPath, makeRunFolder, removeRunFolder, runFolder } from './run-folder.ts';
import { afterTest, scratchFolder } from './scratch.fixture.ts';

function home(file?: unknown): string {
  const folder = scratchFolder();
  if (file !== undefined)
    writeFileSync(join(folder, 'config.json'), typeof file === 'string' ? file : JSON.stringify(file));
  return folder;
}

describe('settings', () => {
  it('come from flag, environment, file and default, in this order, and say so', () => {
    const GRID_HOME = home({ name: 'file', logLevel: 'warn', broker: ['tcp://file:1'] });
    const env = { GRID_HOME, GRID_LOG_LEVEL: 'debug', GRID_BROKER: 'tcp://a:1,tcp://b:2' };
    const result = loadConfig({ flags: { broker: ['tcp://flag:1'] }, env });
    expect(result).toMatchObject({
      ok: true,
      config: {
        home: GRID_HOME,
        broker: ['tcp://flag:1'],
        logLevel: 'debug',
        name: 'file',
        listen: [`ipc://${brokerSocketPath(GRID_HOME)}`],
        origins: {
          home: 'environment',
          broker: 'flag',
          logLevel: 'environment',
          name: 'file',
          listen: 'default',
        },
      },
    });
    expect(loadConfig({ flags: {}, env })).toMatchObject({ config: { broker: ['tcp://a:1', 'tcp://b:2'] } });
    expect(loadConfig({ flags: {}, env: { GRID_HOME: home(), GRID_NAME: '' } })).toMatchObject({
      config: { name: hostname() },
    });
  });
  it.each([
    [{}, join(homedir(), '.local', 'state', 'gryphgen')],
    [{ XDG_STATE_HOME: '/x' }, '/x/gryphgen'],
    [{ XDG_STATE_HOME: '/x', STATE_DIRECTORY: '/var/lib/gryphgen' }, '/var/lib/gryphgen'],
  ])('live at home: %j', (env, expected) => {
    expect(loadConfig({ flags: {}, env })).toMatchObject({
      config: { home: expected, origins: { home: 'default' } },
    });
  });
  it('say what images may take and with which logins they are pulled', () => {
    const GRID_HOME = home({ registryConfig: '/etc/logins.json' });
    expect(loadConfig({ flags: {}, env: { GRID_HOME } })).toMatchObject({
      config: { imagesBytes: 'auto', registryConfig: '/etc/logins.json' },
    });
    expect(loadConfig({ flags: {}, env: { GRID_HOME, GRID_IMAGES_BYTES: '50GiB' } })).toMatchObject({
      config: { imagesBytes: 50 * 1024 ** 3 },
    });
    const bad = { GRID_HOME: home({ imagesBytes: 7 }), GRID_REGISTRY_CONFIG: 'logins.json' };
    expect(loadConfig({ flags: {}, env: bad })).toEqual({
      ok: false,
      problems: [
        'imagesBytes (file): expected auto or a size such as 50GiB',
        'registryConfig (environment): expected an absolute path',
      ],
    });
  });
  it('take what a machine keeps free as people write it, or leave it to the machine', () => {
    const GRID_HOME = home({ minDiskFree: '2GiB', minMemoryFree: '0' });
    expect(loadConfig({ flags: {}, env: { GRID_HOME } })).toMatchObject({
      config: { minDiskFree: 2 * 1024 ** 3, minMemoryFree: 0, maxDeviceC: 'auto' },
    });
    expect(loadConfig({ flags: {}, env: { GRID_HOME, GRID_MAX_DEVICE_C: '85' } })).toMatchObject({
      config: { maxDeviceC: 85 },
    });
    const bad = {
      GRID_HOME: home({ minMemoryFree: 5 }),
      GRID_MIN_DISK_FREE: 'much',
      GRID_MAX_DEVICE_C: '20',
    };
    expect(loadConfig({ flags: {}, env: bad })).toEqual({
      ok: false,
      problems: [
        'minDiskFree (environment): expected auto or a size such as 2GiB',
        'minMemoryFree (file): expected auto or a size such as 512MiB',
        'maxDeviceC (environment): expected auto or degrees Celsius, 0 or 40 to 120',
      ],
    });
  });
  it('say what collections may hold in memory, from what a store can work with', () => {
    const memory = (text: string) =>
      loadConfig({ flags: {}, env: { GRID_HOME: home({}), GRID_RETRIEVAL_MEMORY: text } });
    expect(memory('')).toMatchObject({ config: { retrievalMemory: 'auto' } });
    expect(memory('16MiB')).toMatchObject({ config: { retrievalMemory: 16 * 1024 ** 2 } });
    for (const wrong of ['15MiB', '2TiB', 'much'])
      expect(memory(wrong)).toEqual({
        ok: false,
        problems: ['retrievalMemory (environment): expected auto or a size from 16MiB to 1TiB'],
      });
  });

  it('name every problem and where it came from', () => {
    const GRID_HOME = home({ colour: 'blue', name: 7 });
    const result = loadConfig({ flags: { logLevel: 'loud' }, env: { GRID_HOME, GRID_LISTEN: 'http://x' } });
    expect(result.ok ? [] : result.problems.map((problem) => problem.replace(/:.*/s, ''))).toEqual([
      'colour (file)',
      'listen (environment)',
      'name (file)',
      'logLevel (flag)',
    ]);
    expect(loadConfig({ flags: {}, env: { GRID_HOME: home('{') } })).toMatchObject({ ok: false });
    expect(loadConfig({ flags: {}, env: { GRID_HOME: home('[]') } })).toMatchObject({ ok: false });
  });
});

describe('the folder of sockets', () => {
  it('is beside the state where the kernel allows it', () => {
    expect(runFolder('/srv/grid')).toBe('/srv/grid/run');
  });
  it('is elsewhere for a deep home, one for each', () => {
    const deep = `/${'d'.repeat(120)}`;
    expect(runFolder(deep).startsWith('/tmp/gryphgen-')).toBe(true);
    expect(runFolder(deep)).not.toBe(runFolder(`${deep}x`));
    expect(Buffer.byteLength(brokerSocketPath(deep))).toBeLessThanOrEqual(107);
  });
  it('is private, and never somebody else’s', () => {
    const folder = makeRunFolder(scratchFolder());
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    const deep = join(scratchFolder(), 'd'.repeat(120));
    symlinkSync('/', runFolder(deep));
    afterTest(() => removeRunFolder(deep));
    expect(() => makeRunFolder(deep)).toThrow(/belongs to somebody else/);
  });
  it('goes with its last user where it is not in the home', () => {
    const [near, deep] = [scratchFolder(), join(scratchFolder(), 'd'.repeat(120))];
    for (const home of [near, deep]) writeFileSync(join(makeRunFolder(home), 'broker.sock'), '');
    for (const home of [near, deep]) removeRunFolder(home);
    expect(existsSync(runFolder(near))).toBe(true);
    expect(existsSync(runFolder(deep))).toBe(false);
  });
});

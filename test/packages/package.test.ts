/**
 * The package on a clean machine whose systemd is process 1: installed, its services, the way to the version before and back
 * under tasks that come all the time, removed. One machine, in order: each test goes on where the one before ended.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BootedRoot, projectRoot } from './booted-root.fixture.ts';
import { build, built, debIn } from './built-packages.fixture.ts';
import { olderPackage } from './older-package.fixture.ts';
import { SteadyLoad } from './steady-load.fixture.ts';

/** The release that the machine has: others by this variable, as `jammy` and `noble`. */
const suite = process.env.GRYPHGEN_TEST_ROOT ?? 'bookworm';
/** Its path has all that is special to systemd. */
const anvil = '/srv/an vil 100%h $x';
const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
  version: string;
};
const service = { GRID_HOME: '/var/lib/gryphgen' };
const isActive = (state: string) => state === 'active';
let machine: BootedRoot;
let before: readonly string[];
let installedMs: number;
/** On the machine. */
let older: string;

/** What is on the machine, but for what any package leaves in logs and caches of apt and dpkg. */
async function files(): Promise<readonly string[]> {
  // What goes while it looks is no matter, but find tells of it by its exit code.
  const { stdout: found } = await machine.run(
    'find',
    '/',
    '-xdev',
    '-not',
    '-path',
    '/proc/*',
    '-not',
    '-path',
    '/sys/*',
  );
  return found
    .split('\n')
    .filter(
      (path) =>
        !/^\/(run|tmp|root|dev|proc|sys|srv|var\/(backups|log|cache|tmp|lib\/(apt|dpkg|systemd)))(\/|$)/.test(
          path,
        ) &&
        // What useradd and userdel keep of before.
        !/^\/etc\/(passwd|group|g?shadow|sub[ug]id)-$/.test(path),
    )
    .sort();
}

async function grid(...args: readonly string[]) {
  return machine.runAs('gryphgen', service, 'grid', ...args);
}

async function mustGrid(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await grid(...args);
  if (code !== 0) throw new Error(`grid ${args.join(' ')} ended with ${code}: ${stdout}${stderr}`);
  return stdout.trim();
}

beforeAll(async () => {
  machine = new BootedRoot(suite);
  await machine.start();
  before = await files();
});
afterAll(async () => {
  await machine?.stop();
  rmSync(built, { recursive: true, force: true });
});

it('the same checkout gives the same bytes', () => {
  const first = build('first', { TZ: 'UTC' });
  expect(first.length).toBe(2);
  const second = build('second', { TZ: 'Asia/Tokyo', LANG: 'C.UTF-8', TMPDIR: '/var/tmp' });
  expect(first.map((bytes, at) => bytes.equals(second[at] ?? Buffer.alloc(0)))).toEqual([true, true]);
});

it('the version before is packaged as its commit did that', () => {
  older = machine.give(olderPackage('0.0.9'));
});

it('the folder that the tarball holds is the whole program, services included', async () => {
  const [tar = ''] = readdirSync(join(built, 'first')).filter((file) => file.endsWith('.tar.gz'));
  execFileSync('tar', ['-C', join(machine.path, 'opt'), '-xzf', join(built, 'first', tar)]);
  const program = `/opt/${tar.replace('.tar.gz', '')}/bin/grid`;
  const lab = (...args: readonly string[]) => machine.run(program, 'service', ...args, '--name', 'lab');
  expect(await lab('install', 'broker')).toMatchObject({ code: 0 });
  expect(await lab('install', 'worker')).toMatchObject({ code: 0 });
  expect(await lab('uninstall', 'worker', '--purge')).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('"grid service uninstall broker --name lab" first'),
  });
  expect(await lab('uninstall', 'worker')).toMatchObject({ code: 0 });
  expect(await lab('uninstall', 'broker', '--purge')).toMatchObject({ code: 0 });
  await machine.must('sh', '-c', 'rm -r /opt/*');
  const gone = new Set(before);
  expect((await files()).filter((path) => !gone.has(path))).toEqual([]);
});

it('is installed on a clean machine, where nothing starts by itself; then a grid runs a task', async () => {
  const begun = performance.now();
  await machine.must('apt-get', 'install', '-y', machine.give(debIn('first')));
  installedMs = performance.now() - begun;
  expect(await machine.must('grid', '--version')).toBe(version);
  expect(await machine.property('gryphgen-broker', 'ActiveState')).toBe('inactive');
  expect(await machine.run('grid', 'service', 'status', 'broker')).toMatchObject({ code: 1 });

  await machine.must('useradd', '-m', 'alice');
  const asAlice = (...args: string[]) => machine.runAs('alice', { HOME: '/home/alice' }, 'grid', ...args);
  expect(await asAlice('up', '--detach')).toMatchObject({ code: 0 });
  expect(await asAlice('submit', '--wait', '--', 'echo', 'from a package')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('from a package'),
  });
  expect(await asAlice('down')).toMatchObject({ code: 0 });
  // No systemd of hers runs: she did not log in.
  expect(await asAlice('service', 'install', 'broker')).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('this user has no systemd of its own here'),
  });
  const folder = `/run/user/${await machine.must('id', '-u', 'alice')}`;
  await machine.must('install', '-d', '-o', 'alice', '-g', 'alice', '-m', '700', folder);
  const manager = ['--uid=alice', '--gid=alice', '-p', 'Delegate=yes', '-p', 'Type=notify'];
  const started = [`--setenv=XDG_RUNTIME_DIR=${folder}`, '/lib/systemd/systemd', '--user'];
  await machine.must('systemd-run', '--unit=alice', ...manager, ...started);
  const loggedIn = (...args: string[]) =>
    machine.runAs('alice', { HOME: '/home/alice', XDG_RUNTIME_DIR: folder }, 'grid', 'service', ...args);
  expect(await loggedIn('install', 'broker')).toMatchObject({ code: 0 });
  expect(await loggedIn('status', 'broker')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/active, pid \d+: answers at ipc:\/\/\/home\/alice\//),
  });
  expect(await loggedIn('uninstall', 'broker', '--purge')).toMatchObject({ code: 0 });
  expect(await machine.must('find', '/home/alice', '-name', '*gryphgen*')).toBe('');
  await machine.must('systemctl', 'stop', 'alice');
  await machine.must('userdel', '-r', 'alice');
});

it('what cannot be is refused in words, and changes nothing', async () => {
  const inSpace = (prepare: string, ...command: string[]) =>
    machine.run('unshare', '-m', 'sh', '-c', `${prepare} && "$@"`, 'sh', ...command);
  const install = ['grid', 'service', 'install', 'broker'];
  const refused = [
    [await inSpace('mount -t tmpfs none /run/systemd', ...install), 3, 'systemd is not running here'],
    [
      await inSpace('mount --bind /etc /etc && mount -o remount,bind,ro /etc', ...install),
      7,
      'the file system is read-only',
    ],
    [await machine.run(...install, '--name', 'a b/../c'), 2, 'expected a name of lower-case letters'],
    [await machine.runAs('root', { GRID_HOME: '/home/grid' }, ...install), 2, 'out of reach'],
    [await machine.run('grid', 'service', 'install', 'worker'), 2, 'belongs to no grid yet'],
    [await machine.run('grid', 'service', 'install', 'baker'), 2, 'broker, worker'],
  ] as const;
  for (const [ran, code, words] of refused)
    expect(ran).toMatchObject({ code, stderr: expect.stringContaining(words) });
  expect(await machine.must('grid', 'service', 'uninstall', 'worker', '--name', 'lab')).toBe(
    'gryphgen-worker-lab.service is not installed',
  );
  expect(await machine.must('find', '/etc/systemd', '-name', 'gryphgen*')).toBe('');
});

it('a broker whose port is taken says so, and answers when the port is free', async () => {
  await machine.must(
    'systemd-run',
    '--unit=squatter',
    '/usr/lib/gryphgen/bin/node',
    '-e',
    'require("net").createServer().listen(7600)',
  );
  const listen = ['--listen', 'tcp://127.0.0.1:7600'];
  let ran = await machine.run('grid', 'service', 'install', 'broker', ...listen);
  // The one that takes the port may come second.
  while (ran.code === 0) {
    await machine.must('systemctl', 'restart', '--no-block', 'gryphgen-broker');
    ran = await machine.run('grid', 'service', 'status', 'broker');
  }
  expect(ran).toMatchObject({ code: 1 });
  const isTold = (text: string) => text.includes('cannot listen at tcp://127.0.0.1:7600');
  await machine.property('gryphgen-broker', 'StatusText', isTold);
  await machine.must('systemctl', 'stop', 'squatter');
  await machine.property('gryphgen-broker', 'ActiveState', isActive);
  const pid = await machine.property('gryphgen-broker', 'MainPID');
  // Again, and nothing changes.
  expect(await machine.must('grid', 'service', 'install', 'broker', ...listen)).toContain(
    `active, pid ${pid},`,
  );
});

it('a machine that joins by a ticket has its worker started, and with the machine', async () => {
  const { ticket } = JSON.parse(
    await mustGrid('ticket', 'create', '--json', '--reach', 'tcp://127.0.0.1:7600'),
  ) as { ticket: string };
  const at = { GRID_HOME: anvil };
  const begun = performance.now();
  const joined = await machine.runAs(
    'root',
    at,
    'grid',
    'join',
    '--yes',
    '--json',
    '--name',
    'anvil',
    ticket,
  );
  expect(JSON.parse(joined.stdout)).toMatchObject({
    role: 'worker',
    unit: 'gryphgen-worker.service',
  });
  await machine.property('gryphgen-worker', 'ActiveState', isActive);
  const again = await machine.runAs(
    'root',
    at,
    'grid',
    'service',
    'install',
    'worker',
    '--allow-process',
    '--json',
  );
  expect(JSON.parse(again.stdout)).toMatchObject({
    home: anvil,
    enabled: true,
    restarts: 0,
  });
  await machine.property('gryphgen-worker', 'ActiveState', isActive);
  expect(
    await mustGrid(
      'submit',
      '--wait',
      '--worker',
      'anvil',
      '--',
      'sh',
      '-c',
      'id -un; grep NoNewPrivs /proc/self/status',
    ),
  ).toMatch(/gryphgen\nNoNewPrivs:\s+1/);
  const joinedMs = performance.now() - begun;
  const words = [installedMs, joinedMs].map((ms) => `${(ms / 1000).toFixed(1)} s`);
  console.log(
    `join.first-task  ${words[0]} to install the package, ${words[1]} from grid join to the first task's result`,
  );
  expect(joinedMs).toBeLessThan(60_000);
  const other = await machine.runAs(
    'root',
    { GRID_HOME: '/srv/other' },
    'grid',
    'service',
    'install',
    'worker',
  );
  expect(other).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(`is there for the grid of ${anvil}`),
  });
});

it('retrieval is a service of its own, which takes files and answers within all that its unit closes', async () => {
  const { ticket } = JSON.parse(
    await mustGrid('ticket', 'create', '--json', '--reach', 'tcp://127.0.0.1:7600'),
  ) as { ticket: string };
  const shelf = { GRID_HOME: '/srv/shelf' };
  const joining = ['grid', 'join', '--yes', '--no-service', '--name', 'shelf', ticket];
  expect(await machine.runAs('root', shelf, ...joining)).toMatchObject({ code: 0 });
  const install = (home: string) =>
    machine.runAs(
      'root',
      { GRID_HOME: home },
      'grid',
      'service',
      'install',
      'retrieval',
      '--label',
      'rack=a',
    );
  expect(await install(anvil)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('"grid service install worker --retrieval" does both'),
  });
  expect(await install('/srv/shelf')).toMatchObject({ code: 0 });
  await machine.property('gryphgen-retrieval', 'ActiveState', isActive);
  writeFileSync(join(machine.path, 'srv', 'metals.md'), '# Metals\n\nIron is forged while it is hot.\n');
  writeFileSync(join(machine.path, 'srv', 'tool.ts'), 'export function hammer() {\n  return 7;\n}\n');
  await mustGrid('rag', 'add', 'metals', '/srv/metals.md', '/srv/tool.ts');
  for (const [words, text] of [
    ['how is iron forged', 'Iron is forged'],
    ['hammer', 'function hammer()'],
  ]) {
    const { results } = JSON.parse(await mustGrid('rag', 'query', 'metals', words ?? '', '--json'));
    expect(results[0]).toMatchObject({ text: expect.stringContaining(text ?? '') });
  }
});

it('the gateway is a service too, which answers within all that its unit closes', async () => {
  expect(await machine.run('grid', 'service', 'install', 'gateway')).toMatchObject({ code: 0 });
  await machine.property('gryphgen-gateway', 'ActiveState', isActive);
  const made = await mustGrid('key', 'create', '--scope', 'models,metrics', '--json');
  const { key } = JSON.parse(made) as { key: string };
  const ask = async (path: string) => {
    const script = `const headers = { authorization: 'Bearer ' + process.env.KEY };
      const answer = await fetch('http://127.0.0.1:7460${path}', { headers });
      console.log(answer.status, await answer.text());`;
    const node = ['/usr/lib/gryphgen/bin/node', '--input-type=module', '-e', script];
    return (await machine.runAs('root', { KEY: key }, ...node)).stdout;
  };
  // The grid's own answer, through the broker.
  expect(await ask('/v1/models')).toMatch(/^200 .*"data":\[\]/);
  expect(await ask('/metrics')).toContain('gryphgen_gateway_');
});

it('a worker that stands still is killed and started again by the watchdog; its task runs on', async () => {
  const task = await mustGrid('submit', '--on-link-lost', 'wait', '--', 'sleep', 'infinity');
  const running = async () => JSON.parse(await mustGrid('show', task, '--json'));
  while ((await running()).state !== 'running') await new Promise((resolve) => setTimeout(resolve, 100));
  const folder = '/run/systemd/system/gryphgen-worker.service.d';
  await machine.must('mkdir', '-p', folder);
  writeFileSync(join(machine.path, 'root', 'watchdog.conf'), '[Service]\nWatchdogSec=5\n');
  await machine.must('cp', '/root/watchdog.conf', folder);
  await machine.must('systemctl', 'daemon-reload');
  await machine.must('systemctl', 'restart', 'gryphgen-worker');
  const main = await machine.property('gryphgen-worker', 'MainPID');
  // The shell's own: not every release has another one in its smallest root.
  await machine.must('sh', '-c', 'kill -STOP "$1"', 'sh', main);
  await machine.property('gryphgen-worker', 'NRestarts', (count) => count !== '0');
  expect(await machine.must('journalctl', '-u', 'gryphgen-worker', '-o', 'cat')).toContain(
    'Watchdog timeout (limit 5s)!',
  );
  await machine.must('rm', '-r', folder);
  await machine.must('systemctl', 'daemon-reload');
  await machine.property('gryphgen-worker', 'ActiveState', isActive);
  expect(await running()).toMatchObject({ state: 'running', attempts: 1 });
});

it('under tasks that come all the time, it goes back a version and up again: each ends once, and what runs goes on', async () => {
  const units = ['gryphgen-broker', 'gryphgen-worker', 'gryphgen-gateway'];
  const mains = () => Promise.all(units.map((unit) => machine.property(unit, 'MainPID')));
  /** Installs it; resolves when all that it starts anew is ready. */
  const move = async (deb: string): Promise<void> => {
    const old = await mains();
    await machine.must('apt-get', 'install', '-y', '--allow-downgrades', deb);
    for (const [at, unit] of units.entries()) {
      await machine.property(unit, 'MainPID', (pid) => pid !== old[at] && pid !== '0');
      await machine.property(unit, 'ActiveState', isActive);
    }
  };
  const [sleeping] = JSON.parse(await mustGrid('ps', '--json'));
  // The older one knows no service of retrieval. Its worker is one of a machine that stays as it is, whoever the broker is.
  const shelf = (...args: string[]) =>
    machine.runAs('root', { GRID_HOME: '/srv/shelf' }, 'grid', 'service', ...args, 'retrieval');
  expect(await shelf('uninstall')).toMatchObject({ code: 0 });
  /** Whoever keeps the collection may be on its way back to the broker. */
  const answers = async () => {
    let stdout = '';
    while (!stdout.includes('metals.md'))
      ({ stdout } = await grid('rag', 'query', 'metals', 'how is iron forged'));
  };
  const newer = `/root/${basename(debIn('first'))}`;
  // Who submits has the newer version all the while.
  await machine.must('cp', '-a', '--link', '/usr/lib/gryphgen', '/opt/submitter');
  const elsewhere = ['--unit=shelf', '--uid=gryphgen', '--setenv=GRID_HOME=/srv/shelf'];
  await machine.must('systemd-run', ...elsewhere, '/opt/submitter/bin/grid', 'retrieval');
  const load = new SteadyLoad(machine, {
    program: '/opt/submitter/bin/grid',
    home: service.GRID_HOME,
    lanes: 2,
    worker: 'anvil',
    trace: `${anvil}/ran`,
  });
  try {
    await load.goesOn();
    // What the newer one wrote, the older reads.
    await move(older);
    expect(await machine.must('grid', '--version')).toBe('0.0.9');
    await answers();
    await load.goesOn();
    await move(newer);
    expect(await machine.must('grid', '--version')).toBe(version);
    await load.goesOn();
  } finally {
    await load.stop();
  }
  const told = [...load.ended.values()].map(({ code, stdout, stderr }) => ({
    code,
    state: code === 0 ? JSON.parse(stdout).state : stderr,
  }));
  expect(told).toEqual(told.map(() => ({ code: 0, state: 'succeeded' })));
  const all = JSON.parse(await mustGrid('ps', '-a', '--limit', '1000', '--json')) as {
    name: string;
    state: string;
  }[];
  const kept = all.filter(({ name }) => name === 'load');
  expect(kept.map(({ state }) => state)).toEqual(told.map(({ state }) => state));
  expect(new Set(load.runs())).toEqual(new Set(load.ended.keys()));
  console.log(`upgrade.load  ${told.length} tasks, ${load.runs().length} runs of them`);
  expect(JSON.parse(await mustGrid('show', sleeping.id, '--json'))).toMatchObject({
    state: 'running',
    attempts: 1,
  });
  expect(await mustGrid('cancel', sleeping.id)).toContain('cancel');
  await machine.must('systemctl', 'stop', 'shelf');
  expect(await shelf('install')).toMatchObject({ code: 0 });
  await machine.property('gryphgen-retrieval', 'ActiveState', isActive);
  await answers();
  await machine.must('rm', '-r', '/opt/submitter');
});

it('the units are as closed as the manual says, and well-formed', async () => {
  const units = ['broker', 'worker', 'retrieval', 'gateway'].map((daemon) => `gryphgen-${daemon}.service`);
  const { stderr, ...verified } = await machine.run('systemd-analyze', 'verify', ...units);
  expect(verified).toMatchObject({ code: 0, stdout: '' });
  // Ubuntu 22.04 complains of its own. A systemd before 254 steps over DelegateSubgroup, and says so.
  const ours = stderr.split('\n').filter((line) => line.includes('gryphgen'));
  const complaints = ours.filter((line) => !line.includes('DelegateSubgroup'));
  expect(complaints).toEqual([]);
  const scores = await Promise.all(
    units.map(
      async (unit) =>
        /level for .*: ([\d.]+)/.exec(await machine.must('systemd-analyze', 'security', unit))?.[1],
    ),
  );
  const manual = readFileSync(join(projectRoot, 'docs/install.md'), 'utf8').split('\n');
  const [row = ''] = manual.filter((line) => line.startsWith('| `systemd-analyze security`'));
  const told = row.split('|').slice(2, -1).map(Number);
  // Versions of systemd differ by what they count, and round up.
  expect(told).toHaveLength(units.length);
  for (const [index, score] of scores.entries())
    expect(Math.abs(Number(score) - (told[index] ?? Number.NaN))).toBeLessThan(0.25);
});

it('removed, it leaves its state alone; purged, nothing', async () => {
  await machine.must('apt-get', 'remove', '-y', 'gryphgen');
  const gone = new Set(before);
  const left = (await files()).filter((path) => !gone.has(path));
  expect(left.filter((path) => !path.startsWith('/var/lib/gryphgen'))).toEqual([]);
  expect((await machine.run('test', '-e', '/var/lib/gryphgen/keys')).code).toBe(0);
  expect(await machine.must('systemctl', 'list-units', '--all', '--plain', '--no-legend', 'gryphgen*')).toBe(
    '',
  );
  await machine.must('apt-get', 'purge', '-y', 'gryphgen');
  expect((await files()).filter((path) => !gone.has(path))).toEqual([]);
  expect((await machine.run('getent', 'passwd', 'gryphgen')).code).toBe(2);
});

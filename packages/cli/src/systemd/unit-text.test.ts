import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type DropIn, daemons, dropInText, homeOfDropIn, unitName, unitText } from './unit-text.ts';

const folder = join(import.meta.dirname, '../../../../deploy/systemd');
const deployed = (daemon: (typeof daemons)[number]) =>
  readFileSync(join(folder, unitName(daemon, undefined)), 'utf8');

const dropIn: DropIn = {
  scope: 'system',
  home: '/var/lib/gryphgen',
  stateFolder: 'gryphgen',
  command: null,
  environment: {},
  groups: [],
};

it.each(daemons)(
  'the unit of a user is that of the system up to what only the system can give: %s',
  (daemon) => {
    const text = deployed(daemon);
    expect(unitText(text, 'system')).toBe(text);
    const own = unitText(text, 'user');
    expect(text.startsWith(own.slice(0, own.indexOf('\n[Install]')))).toBe(true);
    expect(own).toMatch(/^WatchdogSec=30$/m);
    expect(own).toMatch(/\n\[Install\]\nWantedBy=default\.target\n$/);
    // What a user's manager refuses, or can only do with namespaces that it may not have.
    expect(own).not.toMatch(
      /^(User|Group|StateDirectory|Protect|Private|CapabilityBoundingSet|TemporaryFileSystem)/m,
    );
  },
);

it('the settings of a service are a drop-in; what is as the unit says is not repeated', () => {
  expect(dropInText({ ...dropIn, groups: ['docker'] })).toBe(
    [
      '# Written by "grid service install" for the home "/var/lib/gryphgen": the next install replaces it.',
      '[Service]',
      'SupplementaryGroups=docker',
      '',
    ].join('\n'),
  );
  expect(dropInText({ ...dropIn, home: '/var/lib/gryphgen-lab', stateFolder: 'gryphgen-lab' })).toContain(
    '\n[Service]\nStateDirectory=\nStateDirectory=gryphgen-lab\n',
  );
});

it('what is special to systemd is written so that it is not', () => {
  const home = String.raw`/srv/a b"c\d%h$e`;
  const command = ['/usr/bin/perl', '/opt/100%/$x'];
  const text = dropInText({ ...dropIn, home, stateFolder: null, command, environment: { GRID_NAME: 'a b' } });
  expect(text.split('\n').slice(1)).toEqual([
    '[Service]',
    'ExecStart=',
    'ExecStart="/usr/bin/perl" "/opt/100%%/$$x"',
    'StateDirectory=',
    String.raw`ReadWritePaths="/srv/a b\"c\\d%%h$e"`,
    String.raw`Environment="GRID_HOME=/srv/a b\"c\\d%%h$e"`,
    'Environment="GRID_NAME=a b"',
    '',
  ]);
  expect(homeOfDropIn(text)).toBe(home);
  expect(homeOfDropIn('[Service]\nEnvironment=GRID_HOME=/srv\n')).toBeUndefined();
});

it('refuses what would begin another line', () => {
  const environment = { GRID_NAME: 'x\nExecStart=/bin/sh' };
  expect(() => dropInText({ ...dropIn, environment })).toThrow('it has control characters');
});

/** `grid config show`: each setting, and where it came from. */
import { join } from 'node:path';
import type { SettingName } from '@gryphgen/runtime';
import { Command } from 'commander';
import { gridCommand, type Invocation, runs } from '../command.ts';
import { table } from '../render/table.ts';
import { type CommonFlags, settingsOf } from '../settings.ts';
import { printJson } from '../terminal.ts';

const names: readonly SettingName[] = [
  'home',
  'broker',
  'listen',
  'name',
  'gatewayBodyBytes',
  'logLevel',
  'policy',
  'imagesBytes',
  'artifactsBytes',
  'artifactsAge',
  'registryConfig',
  'minDiskFree',
  'minMemoryFree',
  'maxDeviceC',
  'warmContainers',
  'warmIdle',
  'llamaServer',
  'finishedTasks',
  'finishedAge',
  'auditBytes',
  'auditAge',
  'logsBytes',
  'logsAge',
  'retrievalMemory',
  'ragSignals',
  'principalLimits',
];

export function configCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const show = gridCommand('show', 'Print each setting and where it came from.', 'config show --json');
  runs<CommonFlags>(show, invocation, async (flags) => {
    const config = settingsOf(terminal, flags);
    const rows = names.map((name) => ({ name, value: config[name], from: config.origins[name] }));
    if (flags.json) {
      printJson(terminal, Object.fromEntries(rows.map(({ name, value, from }) => [name, { value, from }])));
      return 0;
    }
    const lines = table(
      rows,
      [
        { title: 'SETTING', value: ({ name }) => name },
        { title: 'VALUE', value: ({ value }) => wordsOf(value) },
        { title: 'FROM', value: ({ from }) => (from === 'file' ? join(config.home, 'config.json') : from) },
      ],
      terminal.columns,
    );
    for (const line of lines) terminal.out(`${line}\n`);
    return 0;
  });
  return new Command('config')
    .description('The settings of this command line.')
    .helpCommand(false)
    .addHelpText('after', '\nExamples:\n  $ grid config show')
    .addCommand(show);
}

function wordsOf(value: unknown): string {
  const isTable = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isTable ? JSON.stringify(value) : [value].flat().join(',');
}

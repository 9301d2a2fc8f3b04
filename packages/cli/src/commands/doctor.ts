/** `grid doctor`: what this machine has for a grid, what is wrong, and what to do about it. Needs no grid. */
import { formatBytes, formatComputeCapability } from '@gryphgen/protocol';
import type { Command } from 'commander';
import { gridCommand, type Invocation, runs } from '../command.ts';
import { findUp } from '../daemons/up-file.ts';
import type { Check } from '../doctor/check.ts';
import { askSynchronized, checkClock } from '../doctor/clock.ts';
import { checkDevices, nvidiaCards } from '../doctor/devices.ts';
import { checkDocker } from '../doctor/docker.ts';
import { checkDisk, checked, checkHome, checkNode } from '../doctor/machine.ts';
import { type CommonFlags, settingsOf } from '../settings.ts';
import { printJson, type Style } from '../terminal.ts';

export function doctorCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const summary =
    'Check this machine: Node.js, home, disk, clock, Docker, devices. Exits 1 when something is broken.';
  return runs<CommonFlags>(
    gridCommand('doctor', summary, 'doctor', 'doctor --json'),
    invocation,
    async (flags) => {
      const { home } = settingsOf(terminal, flags);
      // The worker's own probe, imported only here: no other command should wait for it.
      const { findDevices } = await import('@gryphgen/worker');
      const [found, synchronized] = await Promise.all([findDevices(), askSynchronized()]);
      const checks = await Promise.all([
        checkNode(process.version),
        checked('home', () => checkHome(home)),
        checked('disk', () => checkDisk(home)),
        checkClock(home, Date.now(), synchronized),
        checkDocker(terminal.env),
        checkDevices(found, nvidiaCards()),
        checked('grid', () => upCheck(home)),
      ]);
      const devices = found.ok ? found.reading.devices.map(({ device }) => device) : [];
      if (flags.json) {
        printJson(terminal, {
          home,
          checks,
          devices: devices.map(({ uuid, name, vramBytes, computeCapability, foreignBytes }) => ({
            uuid,
            name,
            vramBytes,
            computeCapability: formatComputeCapability(computeCapability),
            foreignBytes,
          })),
        });
      } else {
        for (const check of checks) terminal.out(checkLine(check, terminal.style));
        for (const { name, uuid, vramBytes, foreignBytes } of devices)
          terminal.out(
            `         ${name} (${uuid}): ${formatBytes(vramBytes)}, ${formatBytes(foreignBytes)} used outside the grid\n`,
          );
      }
      return checks.some(({ state }) => state === 'error') ? 1 : 0;
    },
  );
}

function upCheck(home: string): Check {
  const up = findUp(home);
  return up === undefined
    ? { name: 'grid', state: 'ok', found: 'not up here ("grid up" starts it)' }
    : { name: 'grid', state: 'ok', found: `up (pid ${up.pid}) at ${up.broker.join(', ')}` };
}

function checkLine({ name, state, found, fix }: Check, style: Style): string {
  const mark = { ok: style.green('ok     '), warning: style.yellow('warning'), error: style.red('error  ') }[
    state
  ];
  return `${mark}  ${name.padEnd(8)} ${found}\n${fix === undefined ? '' : `         ${style.dim(`→ ${fix}`)}\n`}`;
}

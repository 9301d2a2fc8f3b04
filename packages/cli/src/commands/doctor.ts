/** `grid doctor`: what this machine has for a grid, what is wrong, and what to do about it. Needs no grid. */
import { type Device, formatBytes, formatComputeCapability } from '@gryphgen/protocol';
import { type Config, createLog, systemClock } from '@gryphgen/runtime';
import type { Command } from 'commander';
import { gridCommand, type Invocation, runs } from '../command.ts';
import { findUp } from '../daemons/up-file.ts';
import type { Check } from '../doctor/check.ts';
import { askSynchronized, checkClock } from '../doctor/clock.ts';
import { checkDevices, nvidiaCards } from '../doctor/devices.ts';
import { askEngine, checkDocker } from '../doctor/docker.ts';
import { checkEngine, checkToolkit } from '../doctor/engine.ts';
import { checkKernel } from '../doctor/kernel.ts';
import { checkLlama } from '../doctor/llama.ts';
import { checkDisk, checked, checkHome, checkMemory, checkNode, nearestFolder } from '../doctor/machine.ts';
import { checkNetwork } from '../doctor/network.ts';
import { checkSpeed } from '../doctor/speed.ts';
import { type CommonFlags, pressureSettings, settingsOf } from '../settings.ts';
import { printJson, type Style, type Terminal } from '../terminal.ts';

export function doctorCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const summary =
    'Check this machine: Node.js, kernel, home, disk, memory, clock, Docker, devices, the ways to its grid. Exits 1 when something is broken.';
  return runs<CommonFlags>(
    gridCommand('doctor', summary, 'doctor', 'doctor --json'),
    invocation,
    async (flags) => {
      const config = settingsOf(terminal, flags);
      const { checks, devices } = await look(terminal, config);
      if (flags.json) printJson(terminal, { home: config.home, checks, devices: devices.map(deviceJson) });
      else {
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

/** What `grid doctor --json` prints. */
export async function examine(terminal: Terminal, config: Config): Promise<object> {
  const { checks, devices } = await look(terminal, config);
  return { home: config.home, checks, devices: devices.map(deviceJson) };
}

async function look(
  terminal: Terminal,
  config: Config,
): Promise<{ readonly checks: readonly Check[]; readonly devices: readonly Device[] }> {
  const { home } = config;
  // The worker's own probe, imported only here: no other command should wait for it.
  const { findDevices, findProgram, keptCalibration, LlamaEngines, readEngineList } = await import(
    '@gryphgen/worker'
  );
  const { PATH: path = '', LD_LIBRARY_PATH: libraries = '' } = terminal.env;
  const log = createLog({ daemon: 'doctor', level: 'silent' });
  const { llamaServer: programs } = config;
  const engines = new LlamaEngines({
    ...{ programs, paths: { path, libraries }, clock: systemClock, log },
    added: () => readEngineList(home),
  });
  const [found, synchronized, engine, hook] = await Promise.all([
    findDevices(),
    askSynchronized(),
    askEngine(terminal.env),
    findProgram('nvidia-container-runtime-hook', `${terminal.env.PATH ?? ''}:/usr/bin`, home),
  ]);
  const checks: readonly Check[] = (
    await Promise.all([
      checkNode(process.version),
      checkKernel(),
      checked('home', () => checkHome(home)),
      roomChecks(config, engine?.DockerRootDir ?? ''),
      checkClock(home, Date.now(), synchronized),
      checkDocker(terminal.env),
      engine === undefined ? [] : checkEngine(engine),
      checkDevices(found, nvidiaCards()),
      checkToolkit(engine, {
        devices: found.ok ? found.reading.devices.length : 0,
        hook: 'path' in hook,
      }),
      checkLlama(engines, programs),
      checked('speed', () => checkSpeed(keptCalibration(home))),
      checked('grid', () => upCheck(home)),
      checkNetwork(config),
    ])
  ).flat();
  const devices = found.ok ? found.reading.devices.map(({ device }) => device) : [];
  return { checks, devices };
}

function deviceJson({ uuid, name, vramBytes, computeCapability, foreignBytes }: Device): object {
  const told = formatComputeCapability(computeCapability);
  return { uuid, name, vramBytes, computeCapability: told, foreignBytes };
}

/** Disk and memory, by the amounts at which this machine's worker stops taking new work. */
async function roomChecks(config: Config, engineRoot: string): Promise<readonly Check[]> {
  const { diskAmounts, memoryAmounts, readDisks, readMemory } = await import('@gryphgen/worker');
  const settings = pressureSettings(config);
  const { home } = config;
  const checks: Check[] = [];
  const disks = await checked('disk', async () => {
    const [first, ...others] = await readDisks(nearestFolder(home), engineRoot || null);
    for (const disk of others)
      checks.push(checkDisk(disk.path, { ...disk, ...diskAmounts(settings, disk.totalBytes) }));
    if (first === undefined) throw new Error('the disk of the home is always told');
    return checkDisk(home, { ...first, ...diskAmounts(settings, first.totalBytes) });
  });
  const memory = await readMemory();
  if (memory !== undefined) {
    const { availableBytes: freeBytes, totalBytes } = memory;
    checks.push(checkMemory({ freeBytes, totalBytes, ...memoryAmounts(settings, totalBytes) }));
  }
  return [disks, ...checks];
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

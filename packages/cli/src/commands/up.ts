/** `grid up` and `grid down`: the whole grid of one machine. */
import { resolve } from 'node:path';
import { failure, GridError } from '@gryphgen/protocol';
import { type Config, endSignal, isAlive, removeRunFolder } from '@gryphgen/runtime';
import type { Command } from 'commander';
import { gridCommand, type Invocation, llamaServerFlag, policyFlag, runs } from '../command.ts';
import { parentGone } from '../daemons/daemon-life.ts';
import { startDetached } from '../daemons/detach.ts';
import { prepareHome } from '../daemons/grid-home.ts';
import { Supervisor } from '../daemons/supervisor.ts';
import { claimUp, findUp, releaseUp, type Up, writeUp } from '../daemons/up-file.ts';
import { checkDocker } from '../doctor/docker.ts';
import { nodeLines } from '../render/node-view.ts';
import { withClient } from '../session.ts';
import { type CommonFlags, settingsOf } from '../settings.ts';
import { printJson, type Terminal } from '../terminal.ts';

interface UpFlags extends CommonFlags {
  readonly detach?: true;
  readonly noop?: true;
  readonly listen?: string;
  readonly name?: string;
  readonly policy?: string;
  readonly llamaServer?: string;
}

export function upCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = gridCommand(
    'up',
    'Start the grid of this machine: broker, worker and gateway, supervised. Ctrl-C stops it.',
    'up',
    'up --detach --json',
  )
    .option('--detach', 'return when everything answers; "grid down" stops it')
    .option('--listen <endpoints>', 'where the broker listens (GRID_LISTEN)')
    .option('--name <name>', 'what this machine is called (GRID_NAME)')
    .addOption(policyFlag())
    .addOption(llamaServerFlag())
    .option('--noop', 'offer tasks that do nothing, for benchmarks');
  return runs<UpFlags>(command, invocation, async (flags) => {
    const config = settingsOf(terminal, flags, {
      listen: flags.listen,
      name: flags.name,
      policy: flags.policy,
      llamaServer: flags.llamaServer,
    });
    // Told here, in full, and not by the last words of a worker.
    const { loadPolicy } = await import('../policy-file.ts');
    await loadPolicy(config);
    const { loadProviders } = await import('../providers-file.ts');
    loadProviders(config.home, process.env);
    const other = findUp(config.home);
    if (other !== undefined) {
      terminal.err(`it is already up (pid ${other.pid}): "grid down" stops it\n`);
      return await tellUp(terminal, flags, config, other);
    }
    if (!flags.detach) return await superviseHere(terminal, flags, config);
    // Keys are made here, so that what is wrong with the home is told here.
    prepareHome(config.home, Date.now());
    const args = ['up', '--home', config.home, '--listen', config.listen.join(','), '--name', config.name];
    const policy = config.origins.policy === 'default' ? [] : ['--policy', resolve(config.policy)];
    const llama = flags.llamaServer === undefined ? [] : ['--llama-server', flags.llamaServer];
    const more = [...policy, ...llama, ...(flags.noop ? ['--noop'] : [])];
    await startDetached(config.home, [...args, ...more], terminal.env).catch(notUp);
    const up = findUp(config.home);
    if (up === undefined) throw notUp(new Error('the supervisor is gone already'));
    return await tellUp(terminal, flags, config, up);
  });
}

/** Until a signal comes. Under `--detach` this is the other process, whose parent waits for a word. */
async function superviseHere(terminal: Terminal, flags: UpFlags, config: Config): Promise<number> {
  // Whoever asked for `--detach` and is gone before it was told wants no grid any more; its home may be gone, too.
  if (process.send !== undefined && !process.connected) return 0;
  prepareHome(config.home, Date.now());
  const other = claimUp(config.home);
  if (other !== undefined)
    throw new GridError(
      failure('rejected.state', `it is already up (pid ${other.pid}): "grid down" stops it`),
    );
  const ended = endSignal();
  const supervisor = new Supervisor({
    config,
    env: terminal.env,
    // The owner's own machine: what runs here was submitted by the owner.
    workerArgs: ['--allow-process', '--retrieval', ...(flags.noop ? ['--noop'] : [])],
    onRestart: (name, how, waitMs) =>
      terminal.err(`${name} ${how}; starting it again in ${Math.round(waitMs)} ms\n`),
  });
  try {
    const started = await Promise.race([supervisor.start(), ended, parentGone()]);
    if (typeof started === 'string') return 0;
    writeUp(config.home, started);
    if (process.connected) {
      process.send?.({ kind: 'ready', details: {} });
    } else {
      await tellUp(
        terminal,
        flags,
        config,
        findUp(config.home) ?? { pid: process.pid, startedAt: '', ...started },
      );
      terminal.err('Ctrl-C stops it\n');
    }
    await ended;
    return 0;
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    if (process.connected) process.send?.({ kind: 'failed', words });
    throw notUp(error);
  } finally {
    await supervisor.stop();
    // Also of a worker that was killed and not started again. Loaded now: most of its life the supervisor has no use for it.
    const { endProcesses } = await import('@gryphgen/worker');
    await endProcesses(config.home);
    releaseUp(config.home);
    removeRunFolder(config.home);
    if (process.connected) process.disconnect();
  }
}

function notUp(error: unknown): never {
  throw new GridError(failure('lost.broker', error instanceof Error ? error.message : String(error)), error);
}

async function tellUp(terminal: Terminal, flags: CommonFlags, config: Config, up: Up): Promise<number> {
  const broker = up.broker.join(',');
  if (flags.json) {
    printJson(terminal, { home: config.home, broker, gateway: up.gateway === '' ? null : up.gateway });
    return 0;
  }
  const { style, columns } = terminal;
  const nodes = await withClient(terminal, { home: config.home, broker: up.broker[0] ?? broker }, (client) =>
    client.request('nodes', {}),
  );
  const docker = await checkDocker(terminal.env);
  terminal.out(`${style.green('the grid is up')}\n`);
  terminal.out(`${style.dim('home    ')} ${config.home}\n${style.dim('broker  ')} ${broker}\n`);
  terminal.out(`${style.dim('gateway ')} ${up.gateway} (a key for it: grid key create)\n`);
  terminal.out(
    `${style.dim('docker  ')} ${docker.found}${docker.fix === undefined ? '' : ` (${docker.fix})`}\n`,
  );
  for (const node of nodes) for (const line of nodeLines(node, style, columns)) terminal.out(`${line}\n`);
  return 0;
}

/** A worker hands over what it runs, a broker closes its journal; both are killed after 20 s. */
const downMs = 60_000;
const lookMs = 50;

export function downCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = gridCommand(
    'down',
    'Stop the grid of this machine. Containers run on and are adopted by the next "grid up"; processes end.',
    'down',
  );
  return runs<CommonFlags>(command, invocation, async (flags) => {
    const { home } = settingsOf(terminal, flags);
    const up = findUp(home);
    if (up !== undefined) {
      process.kill(up.pid, 'SIGTERM');
      if (!(await isGone(up))) throw new Error(`pid ${up.pid} has not ended after ${downMs / 1000} s`);
    }
    if (flags.json) printJson(terminal, { home, stopped: up !== undefined });
    else terminal.out(up === undefined ? `nothing is up at ${home}\n` : 'the grid is down\n');
    return 0;
  });
}

/** It is nobody's child here: looking is the only way to know. */
async function isGone(up: Up): Promise<boolean> {
  for (let waited = 0; waited < downMs; waited += lookMs) {
    if (!isAlive(up)) return true;
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
  return !isAlive(up);
}

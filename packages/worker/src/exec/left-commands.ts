/** Commands that an earlier life of the worker ran beside an attempt: nobody is connected to them any more. */
import type Docker from 'dockerode';
import type { Container } from 'dockerode';
import { type CallTools, within } from '../executors/docker-engine.ts';
import { endMarked } from './marked-processes.ts';

const engineCallMs = 10_000;

/** `ids`: what the engine runs in the container. Never rejects. */
export async function endCommandsOf(
  docker: Docker,
  container: Container,
  ids: readonly string[],
  tools: CallTools,
): Promise<void> {
  const users = new Set<string>();
  for (const id of ids) {
    try {
      const exec = docker.getExec(id);
      const info = await within(engineCallMs, tools, (abortSignal) => exec.inspect({ abortSignal }));
      if (info.Running) users.add(info.ProcessConfig.user ?? '');
    } catch {
      // It has ended.
    }
  }
  for (const user of users)
    await endMarked(container, null, user === '' ? undefined : user, async () => false, tools);
}

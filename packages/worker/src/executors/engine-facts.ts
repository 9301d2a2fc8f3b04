/** What the Docker engine says of itself and of an image, as far as it decides what a container is given. */
import type Docker from 'dockerode';
import type { EngineFacts } from '../policy/container-policy.ts';
import { folderOf, questionsTo } from './engine-questions.ts';

export interface Engine extends EngineFacts {
  /** docker-init is there to forward signals and reap what the task leaves. */
  readonly init: boolean;
  /** CPUs the engine has: it refuses a limit above. */
  readonly cpus: number;
  /** Where it keeps its own files. */
  readonly folder: string;
}

type Ask = <T>(question: (abortSignal: AbortSignal) => Promise<T>) => Promise<T>;

export async function askEngine(docker: Docker, ask: Ask): Promise<Engine> {
  const engine = questionsTo(docker);
  const [version, info] = await Promise.all([
    ask((abortSignal) => engine.version({ abortSignal })),
    ask((abortSignal) => engine.info({ abortSignal })),
  ]);
  const initVersion = version.Components?.find(({ Name }) => Name === 'docker-init')?.Version ?? 'N/A';
  const { NCPU: cpus, DefaultRuntime: defaultRuntime = 'runc', SecurityOptions: security } = info;
  return {
    init: initVersion !== 'N/A',
    cpus,
    folder: folderOf(info),
    runtimes: Object.keys(info.Runtimes ?? { [defaultRuntime]: {} }).sort(),
    defaultRuntime,
    remapsUsers: (security ?? []).some((option) => /^name=(userns|rootless)\b/.test(option)),
  };
}

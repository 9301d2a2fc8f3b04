/** Questions to the Docker engine that can be given up: dockerode aborts them all, @types/dockerode knows of none. */
import type Docker from 'dockerode';
import type { DockerVersion } from 'dockerode';

interface Abortable {
  readonly abortSignal: AbortSignal;
}

export interface EngineInfo {
  readonly NCPU: number;
  readonly DockerRootDir?: string;
  readonly DefaultRuntime?: string;
  readonly Runtimes?: Readonly<Record<string, unknown>>;
  readonly SecurityOptions?: readonly string[] | null;
}

export interface ListedImage {
  readonly Id: string;
  readonly RepoTags?: readonly string[] | null;
  readonly RepoDigests?: readonly string[] | null;
  readonly Size: number;
}

interface EngineQuestions {
  ping(options: Abortable): Promise<unknown>;
  version(options: Abortable): Promise<DockerVersion>;
  info(options: Abortable): Promise<EngineInfo>;
  listImages(options: Abortable): Promise<readonly ListedImage[]>;
}

export function questionsTo(docker: Docker): EngineQuestions {
  return docker as unknown as EngineQuestions;
}

/** Where the engine keeps its own files, its images among them; empty when it does not say. */
export async function askFolder(docker: Docker, abortSignal: AbortSignal): Promise<string> {
  return folderOf(await questionsTo(docker).info({ abortSignal }));
}

export function folderOf({ DockerRootDir = '' }: EngineInfo): string {
  return DockerRootDir;
}

/** The names an image really has, of its tags or of its digests. */
export function namesIn(names: readonly string[] | null | undefined): readonly string[] {
  return (names ?? []).filter((name) => !name.startsWith('<none>'));
}

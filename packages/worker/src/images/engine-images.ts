/**
 * The Docker engine, asked about images. Every question is bounded; a pull is not, and is its caller's to end.
 */
import type Docker from 'dockerode';
import { answerWithin, type CallTools, statusOf } from '../executors/docker-engine.ts';
import { askFolder, namesIn, questionsTo } from '../executors/engine-questions.ts';
import type { ImageReference } from './image-reference.ts';
import type { PullEvent } from './pull-progress.ts';
import type { RegistryLogin } from './registry-credentials.ts';

const questionMs = 10_000;
/** Many layers on a slow disk. */
const removalMs = 60_000;
/** Asking a registry through the engine. */
const registryMs = 30_000;

export interface PresentImage {
  readonly id: string;
  /** `name@sha256:…` */
  readonly digests: readonly string[];
  /** `name:tag` */
  readonly tags: readonly string[];
  readonly bytes: number;
  /** `linux/arm64` */
  readonly platform: string;
}

/** @types/dockerode leaves these out. */
interface MoreOfDocker {
  createImage(
    login: RegistryLogin | undefined,
    options: { readonly fromImage: string; readonly tag: string; readonly abortSignal: AbortSignal },
  ): Promise<AsyncIterable<Uint8Array>>;
}

export class EngineImages {
  private readonly docker: Docker;
  private readonly tools: CallTools;

  constructor(docker: Docker, tools: CallTools) {
    this.docker = docker;
    this.tools = tools;
  }

  /** By name or id; null when the engine has none. Rejects when it does not answer. */
  async inspect(image: string): Promise<PresentImage | null> {
    try {
      const found = await this.ask(questionMs, () => this.docker.getImage(image).inspect());
      return {
        id: found.Id,
        digests: namesIn(found.RepoDigests),
        tags: namesIn(found.RepoTags),
        bytes: found.Size,
        platform: `${found.Os}/${found.Architecture}`,
      };
    } catch (error) {
      if (statusOf(error) === 404) return null;
      throw error;
    }
  }

  async list(): Promise<readonly Omit<PresentImage, 'platform'>[]> {
    const images = await this.ask(questionMs, (abortSignal) =>
      questionsTo(this.docker).listImages({ abortSignal }),
    );
    return images.map(({ Id, RepoTags, RepoDigests, Size }) => ({
      id: Id,
      digests: namesIn(RepoDigests),
      tags: namesIn(RepoTags),
      bytes: Size,
    }));
  }

  /** Ids of images that a container is made of, whoever made it, whether it runs or not. */
  async inUse(): Promise<ReadonlySet<string>> {
    const containers = await this.ask(questionMs, () => this.docker.listContainers({ all: true }));
    return new Set(containers.map(({ ImageID }) => ImageID));
  }

  /** Takes a name away, and with an image's last name the image; refused (409) while a container is made of it. */
  async remove(name: string): Promise<void> {
    await this.ask(removalMs, () => this.docker.getImage(name).remove());
  }

  /** Where the engine keeps its images. */
  rootFolder(): Promise<string> {
    return this.ask(questionMs, (abortSignal) => askFolder(this.docker, abortSignal));
  }

  /** `linux/amd64` */
  async platform(): Promise<string> {
    const { Os, Arch } = await this.ask(questionMs, (abortSignal) =>
      questionsTo(this.docker).version({ abortSignal }),
    );
    return `${Os}/${Arch}`;
  }

  /** For which platforms the registry has it; none when it does not tell. */
  async platformsOffered(name: string, login: RegistryLogin | null): Promise<readonly string[]> {
    const options = login === null ? {} : { authconfig: login };
    const answer = await this.ask(
      registryMs,
      () => this.docker.getImage(name).distribution(options) as Promise<Distribution>,
    );
    const platforms = answer.Platforms ?? [];
    return [...new Set(platforms.map(({ os, architecture }) => `${os}/${architecture}`))].sort();
  }

  /** The engine's lines as they come. Ends early, by rejecting, when `signal` is aborted: then the engine gives up too. */
  async *pull(
    { name, tag, digest }: ImageReference,
    login: RegistryLogin | null,
    signal: AbortSignal,
  ): AsyncGenerator<PullEvent, void, undefined> {
    const engine = this.docker as unknown as MoreOfDocker;
    const options = { fromImage: name, tag: digest || tag, abortSignal: signal };
    const decoder = new TextDecoder();
    let rest = '';
    for await (const chunk of await engine.createImage(login ?? undefined, options)) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as PullEvent;
    }
  }

  private ask<T>(ms: number, question: (abortSignal: AbortSignal) => Promise<T>): Promise<T> {
    return answerWithin(ms, this.tools, question);
  }
}

interface Distribution {
  readonly Platforms?: readonly { readonly os: string; readonly architecture: string }[];
}

/**
 * The Docker engine, asked about images. Every question is bounded; a pull is not, and is its caller's to end.
 */
import type { Readable } from 'node:stream';
import { cutReference } from '@gryphgen/protocol';
import type Docker from 'dockerode';
import { answerWithin, type CallTools, statusOf } from '../executors/docker-engine.ts';
import { askFolder, namesIn, questionsTo } from '../executors/engine-questions.ts';
import type { ImageFacts } from '../policy/container-policy.ts';
import type { ImageReference } from './image-reference.ts';
import type { PullEvent } from './pull-progress.ts';
import type { RegistryLogin } from './registry-credentials.ts';

const questionMs = 10_000;
/** Many layers on a slow disk. */
const removalMs = 60_000;
/** Asking a registry through the engine. */
const registryMs = 30_000;

export type ListedImage = Pick<PresentImage, 'id' | 'digests' | 'tags' | 'bytes'>;

export interface PresentImage extends ImageFacts {
  /** `name@sha256:…` */
  readonly digests: readonly string[];
  /** `name:tag` */
  readonly tags: readonly string[];
  readonly bytes: number;
  /** `linux/arm64` */
  readonly platform: string;
  /** Digests of its layers, not compressed. */
  readonly layers: readonly string[];
  /** What comes before a task's command, and what runs where it has none. */
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
}

/** @types/dockerode leaves these out. */
interface MoreOfDocker {
  createImage(
    login: RegistryLogin | undefined,
    options: { readonly fromImage: string; readonly tag: string; readonly abortSignal: AbortSignal },
  ): Promise<AsyncIterable<Uint8Array>>;
}

interface LoadingDocker {
  loadImage(
    archive: Readable,
    options: { readonly quiet: true; readonly abortSignal: AbortSignal },
  ): Promise<AsyncIterable<Uint8Array>>;
}
interface LoadEvent {
  readonly stream?: string;
  readonly error?: string;
}
/** A sentence. */
const maxAnswerChars = 16 * 1024;

export class EngineImages {
  private readonly docker: Docker;
  private readonly tools: CallTools;

  constructor(docker: Docker, tools: CallTools) {
    this.docker = docker;
    this.tools = tools;
  }

  /** By name or id; null when the engine has none. Rejects when it does not answer. */
  async inspect(image: string, limitMs = questionMs): Promise<PresentImage | null> {
    try {
      const found = await this.ask(limitMs, () => this.docker.getImage(image).inspect());
      const digests = namesIn(found.RepoDigests);
      const tags = namesIn(found.RepoTags);
      // An image need not have been configured at all; @types/dockerode knows no stop signal.
      const config: ImageConfig = found.Config ?? {};
      return {
        id: found.Id,
        references: [...tags, ...digests],
        digests,
        tags,
        bytes: found.Size,
        platform: `${found.Os}/${found.Architecture}`,
        layers: found.RootFS.Layers ?? [],
        user: config.User ?? '',
        stopSignal: config.StopSignal ?? '',
        entrypoint: listOf(config.Entrypoint),
        command: listOf(config.Cmd),
      };
    } catch (error) {
      if (statusOf(error) === 404) return null;
      throw error;
    }
  }

  async list(): Promise<readonly ListedImage[]> {
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

  /**
   * Resolves with the id of what an archive without names held. Rejects with the engine's words, and when the archive or
   * the signal ends it.
   */
  async load(archive: Readable, signal: AbortSignal): Promise<string> {
    const engine = this.docker as unknown as LoadingDocker;
    const { tools } = this;
    const giveUp = new AbortController();
    const abort = (): void => giveUp.abort();
    for (const each of [signal, tools.signal]) each.addEventListener('abort', abort);
    if (signal.aborted || tools.signal.aborted) abort();
    let text = '';
    try {
      const answer = await engine.loadImage(archive, { quiet: true, abortSignal: giveUp.signal });
      for await (const chunk of answer) if (text.length < maxAnswerChars) text += String(chunk);
    } finally {
      for (const each of [signal, tools.signal]) each.removeEventListener('abort', abort);
    }
    return loadedIn(text);
  }

  /** Another name for an image: `name:tag`, taken from whatever has it. */
  async tag(id: string, name: string): Promise<void> {
    const { name: repo, tag } = cutReference(name);
    await this.ask(questionMs, () => this.docker.getImage(id).tag({ repo, tag }));
  }

  private ask<T>(ms: number, question: (abortSignal: AbortSignal) => Promise<T>): Promise<T> {
    return answerWithin(ms, this.tools, question);
  }
}

interface ImageConfig {
  readonly User?: string;
  readonly StopSignal?: string;
  readonly Entrypoint?: string | readonly string[] | null;
  readonly Cmd?: string | readonly string[] | null;
}

function listOf(words: string | readonly string[] | null | undefined): readonly string[] {
  return typeof words === 'string' ? [words] : (words ?? []);
}

interface Distribution {
  readonly Platforms?: readonly { readonly os: string; readonly architecture: string }[];
}

/** The id in the engine's answer to an archive; throws its words where it took none. */
function loadedIn(answer: string): string {
  const lines = answer.split('\n').filter((line) => line.trim() !== '');
  const events = lines.map((line) => JSON.parse(line) as LoadEvent);
  const error = events.find((event) => event.error !== undefined)?.error;
  if (error !== undefined) throw new Error(error.trim());
  const [id, ...more] = events.flatMap(
    ({ stream = '' }) => /^Loaded image ID: (sha256:[0-9a-f]{64})/.exec(stream)?.[1] ?? [],
  );
  if (id === undefined || more.length > 0)
    throw new Error(`it does not say what it has loaded: ${answer.slice(0, 200)}`);
  return id;
}

/** An image as the Docker engine of this machine has it. */
import { type IncomingMessage, request } from 'node:http';
import { cutReference, failure, GridError, isSameImage } from '@gryphgen/protocol';
import { z } from 'zod';
import { socketOf } from '../doctor/docker.ts';
import { UsageError } from '../problem.ts';

const answerMs = 10_000;
/** What an engine says of one image has some KiB. */
const maxAnswerChars = 4 * 1024 * 1024;

const imageSchema = z.object({ Id: z.string(), RepoTags: z.array(z.string()).nullish() });
const errorSchema = z.object({ message: z.string() });

type Env = Readonly<Record<string, string | undefined>>;

export interface LocalImage {
  /** As the engine knows it. */
  readonly id: string;
  /** What to call it elsewhere: `name:tag`. */
  readonly names: readonly string[];
}

/** By name or id. Throws GridError when the engine does not have it, or does not answer. */
export async function findLocalImage(env: Env, image: string): Promise<LocalImage> {
  const answer = await ask(env, `/images/${encodeURIComponent(image)}/json`);
  const text = await textOf(answer);
  if (answer.statusCode === 404)
    throw new GridError(
      failure('rejected.not-found', `the Docker engine of this machine has no image ${image}`),
    );
  if (answer.statusCode !== 200) throw refusal(text);
  const { Id, RepoTags } = imageSchema.parse(JSON.parse(text));
  const tags = RepoTags ?? [];
  const asked = tags.filter((tag) => isSameImage(tag, image));
  const names = asked.length > 0 ? asked : tags;
  if (names.length === 0)
    throw new UsageError(`${image} has no name that a task could ask for: give it one with "docker tag"`);
  return { id: Id, names };
}

/** As `docker save` writes it. */
export async function saveLocalImage(env: Env, id: string): Promise<IncomingMessage> {
  const answer = await ask(env, `/images/${encodeURIComponent(id)}/get`);
  if (answer.statusCode !== 200) throw refusal(await textOf(answer));
  return answer;
}

/** With the tag that docker takes for granted. */
export function withTag(name: string): string {
  const { tag, digest } = cutReference(name);
  return tag === '' && digest === '' ? `${name}:latest` : name;
}

function ask(env: Env, path: string): Promise<IncomingMessage> {
  const socketPath = socketOf(env);
  if (socketPath === undefined)
    throw new UsageError(
      `DOCKER_HOST is ${env.DOCKER_HOST}: images are taken from an engine on this machine, or with --file`,
    );
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath, path });
    // To answer at all: what it sends then may take as long as it takes.
    asking.setTimeout(answerMs, () => asking.destroy(new Error('it takes questions and does not answer')));
    asking.once('response', (answer) => {
      asking.setTimeout(0);
      resolve(answer);
    });
    asking.once('error', ({ message }) =>
      reject(
        new GridError(
          failure('rejected.state', `the Docker engine at ${socketPath} cannot be asked: ${message}`),
        ),
      ),
    );
    asking.end();
  });
}

async function textOf(answer: IncomingMessage): Promise<string> {
  let text = '';
  answer.setEncoding('utf8');
  for await (const chunk of answer) {
    text += String(chunk);
    if (text.length > maxAnswerChars) throw new Error('the engine says too much of one image');
  }
  return text;
}

function refusal(text: string): GridError {
  let words = text;
  try {
    words = errorSchema.parse(JSON.parse(text)).message;
  } catch {
    // Not as engines put it: told as it is.
  }
  return new GridError(
    failure('rejected.state', `the Docker engine of this machine does not give the image: ${words}`),
  );
}

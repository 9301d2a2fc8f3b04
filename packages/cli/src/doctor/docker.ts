/** Whether a Docker engine answers, and if not, which of the usual reasons it is. */
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { userInfo } from 'node:os';
import { z } from 'zod';
import type { Check } from './check.ts';
import { type EngineInfo, readEngineInfo } from './engine.ts';

const answerMs = 5000;
/** A version is some hundred bytes. */
const maxAnswerBytes = 256 * 1024;
const defaultSocket = '/var/run/docker.sock';
const versionSchema = z.object({
  Version: z.string(),
  Os: z.string().optional(),
  Arch: z.string().optional(),
});

type Env = Readonly<Record<string, string | undefined>>;

export async function checkDocker(env: Env): Promise<Check> {
  const socket = socketOf(env);
  if (socket === undefined) {
    const found = `DOCKER_HOST is ${env.DOCKER_HOST}, which is not looked at`;
    return { name: 'docker', state: 'warning', found };
  }
  try {
    const { Version, Os, Arch } = versionSchema.parse(JSON.parse(await ask(socket, '/version')));
    return { name: 'docker', state: 'ok', found: `engine ${Version} (${Os}/${Arch}) at ${socket}` };
  } catch (error) {
    return { name: 'docker', state: 'warning', ...wordsOf(error, socket) };
  }
}

/** What an engine on this machine says of itself; undefined when none does. */
export async function askEngine(env: Env): Promise<EngineInfo | undefined> {
  const socket = socketOf(env);
  return socket === undefined ? undefined : readEngineInfo(await ask(socket, '/info').catch(() => ''));
}

/** Undefined when it is not on this machine. */
export function socketOf({ DOCKER_HOST: host = '' }: Env): string | undefined {
  if (host === '') return defaultSocket;
  return host.startsWith('unix://') ? host.slice('unix://'.length) : undefined;
}

/** Whether the user of this name is in the group that may open the socket, whatever this session knows of it. */
export function isInDockerGroup(user: string, groupFile = '/etc/group'): boolean {
  try {
    const line = /^docker:[^:]*:[^:]*:(.*)$/m.exec(readFileSync(groupFile, 'utf8'));
    return line?.[1]?.split(',').includes(user) ?? false;
  } catch {
    return false;
  }
}

function wordsOf(error: unknown, socket: string): Pick<Check, 'found' | 'fix'> {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'ENOENT':
      return {
        found: `no engine: there is no ${socket}`,
        fix: 'to run containers, get one: sudo apt-get install docker.io && sudo usermod -aG docker $USER, then log in again; processes run without it',
      };
    case 'ECONNREFUSED':
      return { found: `nobody answers at ${socket}`, fix: 'start the engine: sudo systemctl start docker' };
    case 'EACCES':
      return {
        found: `${socket} may not be opened by this user`,
        fix: isInDockerGroup(userInfo().username)
          ? 'this user is in the group docker, this session does not know yet: log in again (or newgrp docker)'
          : 'sudo usermod -aG docker $USER, then log in again',
      };
    case 'ETIMEDOUT':
      return {
        found: `the engine at ${socket} takes questions and does not answer within ${answerMs} ms`,
        fix: 'see journalctl -u docker; sudo systemctl restart docker ends what hangs',
      };
    default:
      return {
        found: `the engine does not answer as expected: ${error instanceof Error ? error.message : String(error)}`,
        fix: 'see journalctl -u docker',
      };
  }
}

function ask(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath, path, timeout: answerMs }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > maxAnswerBytes) asking.destroy(new Error('the answer is too long'));
      });
      response.once('end', () => resolve(text));
      response.once('error', reject);
    });
    asking.once('timeout', () =>
      asking.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })),
    );
    asking.once('error', reject);
    asking.end();
  });
}

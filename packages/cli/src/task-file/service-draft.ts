/** The parts of a task that make it a service, as a person writes them, and what travels. */
import type { TaskSpec } from '@gryphgen/client';
import { type PortBind, type PortProtocol, serviceProblems } from '@gryphgen/protocol';
import type { Complain, TaskDraft } from './task-draft.ts';

export const restarts = ['never', 'on-failure', 'always'] as const;
export type DraftRestart = (typeof restarts)[number];

export interface DraftPort {
  readonly name?: string;
  readonly port?: number;
  readonly protocol?: PortProtocol;
  readonly host?: number;
  readonly bind?: PortBind;
}

/** Times in ms. */
export interface DraftHealth {
  readonly http?: { readonly port?: number; readonly path?: string };
  readonly tcp?: number;
  readonly command?: readonly string[];
  readonly interval?: number;
  readonly timeout?: number;
  readonly retries?: number;
  readonly startPeriod?: number;
}

type ContainerBody = Extract<TaskSpec, { readonly kind: 'container' }>['body'];
export type Service = Pick<ContainerBody, 'ports' | 'health'>;

/** Of a container. */
export function serviceOf({ network, ports: drafted, health: check }: TaskDraft, wrong: Complain): Service {
  const ports = drafted?.map(({ port, ...others }, index) => {
    if (port === undefined) wrong(`ports[${index}]`, 'expected a port, such as { port: 8080 }');
    return { port: port ?? 0, ...others };
  });
  if (ports?.length === 0) wrong('ports', 'found none, expected one or more');
  const health = check && healthOf(check, wrong);
  for (const { path, words } of serviceProblems({ network, ports, health })) wrong(path, words);
  return { ...(ports !== undefined && { ports }), ...(health !== undefined && { health }) };
}

function healthOf(draft: DraftHealth, wrong: Complain): NonNullable<Service['health']> {
  const { http, tcp, command, interval, timeout, retries, startPeriod } = draft;
  if (http !== undefined && http.port === undefined)
    wrong('health.http', 'expected a port, such as { port: 8080, path: /health }');
  if (command?.length === 0) wrong('health.command', 'found none, expected a list such as [pg_isready]');
  return {
    ...(http !== undefined && { http: { ...http, port: http.port ?? 0 } }),
    ...(tcp !== undefined && { tcp }),
    ...(command !== undefined && { command: [...command] }),
    ...(interval !== undefined && { intervalMs: interval }),
    ...(timeout !== undefined && { timeoutMs: timeout }),
    ...(retries !== undefined && { retries }),
    ...(startPeriod !== undefined && { startPeriodMs: startPeriod }),
  };
}

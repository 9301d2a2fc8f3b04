/**
 * Which warm container an attempt may have: one that the engine was told exactly the same of, for the same principal.
 *
 * 1. All that the engine is told makes the key, as its owner's policy grants it now. Command and environment do not:
 *    they reach the container's shell as data. Nor does the lease.
 * 2. A folder of the machine is the one that is there now, not one that had its path before.
 */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import type { ContainerBody } from '@gryphgen/protocol';
import type { ContainerCreateOptions } from 'dockerode';
import type { StartOrder } from '../core/effects.ts';
import type { LeaseFacts } from '../core/state.ts';
import type { PresentImage } from '../images/engine-images.ts';
import { readImage, writeImage } from './container-labels.ts';
import { identityOf } from './container-spec.ts';
import type { Engine } from './engine-facts.ts';
import { type LaunchOrder, ownProcesses, shell, signalsToGroup, whyNotLaunched } from './warm-launcher.ts';

export interface WarmWish {
  readonly key: string;
  /** Of a container that waits: it has no name yet, and of labels its image's. */
  readonly spec: ContainerCreateOptions;
  readonly order: LaunchOrder;
  readonly facts: LeaseFacts;
}

/** `cold`: in words why it cannot have one. */
export type Warmth = WarmWish | { readonly cold: string };

/** Limits so narrow that the shell would meet them, or its task meet them otherwise. */
const leastFiles = 64;
const narrow = ['cpu', 'data', 'nproc', 'stack'] as const;

export async function warmthOf(
  start: StartOrder,
  body: ContainerBody,
  told: ContainerCreateOptions,
  image: PresentImage,
  engine: Engine,
): Promise<Warmth> {
  const { name: _, Cmd, Env, Labels, ...spec } = told;
  const order: LaunchOrder = {
    argv: [...image.entrypoint, ...(body.command.length > 0 ? body.command : image.command)],
    env: { ...body.env, ...identityOf(start) },
    stopSignal: told.StopSignal ?? '',
    hasDevices: start.facts.reservation.devices.length > 0,
  };
  const why = whyCold(start, body, engine) ?? whyNotLaunched(order);
  if (why !== null) return { cold: why };
  const waiting: ContainerCreateOptions = {
    ...spec,
    Entrypoint: [shell],
    Cmd: [],
    Env: Object.entries(signalsToGroup).map(([variable, value]) => `${variable}=${value}`),
    // Whether an idle shell is well says nothing.
    Labels: writeImage(readImage(Labels)),
    Healthcheck: { Test: ['NONE'] },
    OpenStdin: true,
    // A worker that is gone takes those that wait with it.
    StdinOnce: true,
    AttachStdin: true,
    HostConfig: { ...spec.HostConfig, PidsLimit: body.pids + ownProcesses },
  };
  try {
    const folders = await Promise.all(
      (spec.HostConfig?.Mounts ?? []).map(({ Source }) => whichFolder(Source)),
    );
    const parts = JSON.stringify([start.principal, waiting, folders]);
    return {
      key: createHash('sha256').update(parts).digest('hex'),
      spec: waiting,
      order,
      facts: start.facts,
    };
  } catch {
    return { cold: 'a folder of the machine cannot be looked at' };
  }
}

function whyCold(
  { principal }: StartOrder,
  { ports, health, ulimits = {}, inputs, outputs }: ContainerBody,
  { init }: Engine,
) {
  if (principal === undefined) return 'the broker does not tell whose it is';
  if (!init) return 'the engine has no docker-init';
  if (ports !== undefined || health !== undefined) return 'it is a service';
  if (inputs !== undefined || outputs !== undefined) return 'it is given files of its own, or leaves some';
  const { nofile } = ulimits;
  const tight = narrow.find((name) => ulimits[name] !== undefined);
  if (tight !== undefined) return `its ulimit ${tight} would bind the shell too`;
  if (nofile !== undefined && nofile.soft < leastFiles) return 'a shell needs more open files';
  return null;
}

async function whichFolder(path: string): Promise<string> {
  if (path === '') return '';
  const { dev, ino } = await stat(path, { bigint: true });
  return `${dev}:${ino}`;
}

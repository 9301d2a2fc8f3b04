/** From what a task asks for to what the engine is told: the image is looked at, the policy judges, folders are found. */
import { containerBodySchema, type Read, readBody } from '@gryphgen/protocol';
import type { ContainerCreateOptions } from 'dockerode';
import type { Files } from '../artifacts/attempt-files.ts';
import type { StartOrder } from '../core/effects.ts';
import type { ImageStore, ImageWait } from '../images/image-store.ts';
import type { HostPolicy } from '../policy/host-policy.ts';
import { type Owner, writeImage } from './container-labels.ts';
import { containerSpec } from './container-spec.ts';
import type { Engine } from './engine-facts.ts';
import { type Warmth, warmthOf } from './warm-wish.ts';

export interface PlanTools {
  readonly engine: Engine;
  readonly policy: HostPolicy;
  readonly images: ImageStore;
  readonly owner: Owner;
  /** Null where the container is there already, and its image with it. */
  readonly wait: ImageWait | null;
  readonly files: Files;
  readonly logBytes: number;
}

export interface ContainerPlan {
  /** Of a container made for the attempt. */
  readonly spec: ContainerCreateOptions;
  /** Null where the task asks for no warm one. */
  readonly warmth: Warmth | null;
}

/**
 * What is to be created. It may take as long as its image does; `wait` is null where the container is there already, and
 * its image with it.
 */
export type Plan = (wait: ImageWait | null) => Promise<Read<ContainerPlan>>;

export async function planContainer(order: StartOrder, tools: PlanTools): Promise<Read<ContainerPlan>> {
  const { engine, policy, images, owner, wait, logBytes } = tools;
  const body = readBody(containerBodySchema, order.body);
  if (!body.ok) return body;
  const forbidden = policy.refusesImage(body.value.image);
  if (forbidden !== null) return { ok: false, failure: forbidden };
  const { image: asked, pull = 'missing' } = body.value;
  const { timeoutMs: limitMs } = order.envelope;
  const found =
    wait === null
      ? await images.present(asked)
      : await images.ensure({ ...wait, image: asked, policy: pull, limitMs });
  if (!found.ok) return found;
  const image = found.value;
  const granted = await policy.grant(engine, body.value, image);
  if (!granted.ok) return granted;
  const given = wait === null ? nothing : await tools.files.give(order.fence, body.value, wait);
  if (!given.ok) return given;
  const facts = { owner, engine, image, logBytes, given: given.value };
  const made = containerSpec(order, body.value, granted.value, facts);
  const spec = { ...made, Labels: { ...made.Labels, ...writeImage(image.name) } };
  const warmth = body.value.warm === true ? await warmthOf(order, body.value, spec, image, engine) : null;
  return { ok: true, value: { spec, warmth } };
}

const nothing = { ok: true, value: [] } as const;

/** From what a task asks for to what the engine is told: the image is looked at, the policy judges, folders are found. */
import {
  type ContainerBody,
  containerBodySchema,
  decodeBody,
  type Failure,
  failure,
  type Read,
} from '@gryphgen/protocol';
import type Docker from 'dockerode';
import type { ContainerCreateOptions } from 'dockerode';
import type { StartOrder } from '../core/effects.ts';
import type { ImageStore, ImageWait } from '../images/image-store.ts';
import type { HostPolicy } from '../policy/host-policy.ts';
import { type Owner, writeImage } from './container-labels.ts';
import { containerSpec } from './container-spec.ts';
import { type CallTools, createFailure, within } from './docker-engine.ts';
import { askImage, type Engine } from './engine-facts.ts';

/** A busy disk takes a second; an engine this slow has hung. */
const imageMs = 120_000;

export interface PlanTools extends CallTools {
  readonly docker: Docker;
  readonly engine: Engine;
  readonly policy: HostPolicy;
  readonly images: ImageStore;
  readonly owner: Owner;
  /** Null where the container is there already, and its image with it. */
  readonly wait: ImageWait | null;
  readonly logBytes: number;
}

export async function planContainer(
  order: StartOrder,
  tools: PlanTools,
): Promise<Read<ContainerCreateOptions>> {
  const { docker, engine, policy, images, owner, wait, logBytes } = tools;
  const body = readBody(order.body);
  if (!body.ok) return body;
  const forbidden = policy.refusesImage(body.value.image);
  if (forbidden !== null) return { ok: false, failure: forbidden };
  const { image: asked, pull = 'missing' } = body.value;
  const { timeoutMs: limitMs } = order.envelope;
  const found: Read<string> =
    wait === null
      ? { ok: true, value: asked }
      : await images.ensure({ ...wait, image: asked, policy: pull, limitMs });
  if (!found.ok) return found;
  try {
    const image = await askImage(docker, found.value, (call) => within(imageMs, tools, call));
    const granted = await policy.grant(engine, body.value, image);
    if (!granted.ok) return granted;
    const spec = containerSpec(order, body.value, granted.value, { owner, engine, image, logBytes });
    return { ok: true, value: { ...spec, Labels: { ...spec.Labels, ...writeImage(found.value) } } };
  } catch (error) {
    return { ok: false, failure: createFailure(error, body.value.image) };
  }
}

function readBody(bytes: Uint8Array): Read<ContainerBody> {
  const decoded = decodeBody(bytes);
  if (!decoded.ok) return decoded;
  const parsed = containerBodySchema.safeParse(decoded.value);
  return parsed.success
    ? { ok: true, value: parsed.data }
    : { ok: false, failure: invalid(parsed.error.issues[0]) };
}

function invalid(
  issue: { readonly path: readonly PropertyKey[]; readonly message: string } | undefined,
): Failure {
  const where = ['body', ...(issue?.path ?? [])].map(String).join('.');
  return failure('rejected.invalid', `${where}: ${issue?.message ?? 'is not valid'}`);
}

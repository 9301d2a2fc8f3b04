/** From what a caller writes to what travels: defaults filled in, checked, encoded once. */
import {
  type ArtifactRef,
  type ContainerBody,
  containerBodySchema,
  type Envelope,
  encodeBody,
  encodeEnvelope,
  envelopeDefaults,
  envelopeSchema,
  failure,
  GridError,
  inferBodySchema,
  ingestBodySchema,
  isModelName,
  limits,
  type ModelUse,
  modelNameWords,
  modelPaths,
  modelUses,
  needsOf,
  noopBodySchema,
  processBodySchema,
  type Resources,
  retrieveBodySchema,
  type TaskFiles,
  type TaskKind,
} from '@gryphgen/protocol';
import type { z } from 'zod';
import { taskClassOf } from './task-class.ts';

type Options = Partial<Omit<Envelope, 'kind' | 'image' | 'needs' | 'inputs'>> & {
  readonly inputs?: readonly LocalInput[];
};

/** A file or folder of this machine, and where the task has it. */
export interface LocalInput {
  readonly from: string;
  readonly to: string;
}

/**
 * A task as a caller writes it. Sizes in bytes, times in ms, CPU in thousandths; what is left out is `envelopeDefaults`
 * (one CPU, durable, no retries). The image of a container is named in its body alone; what it needs of a worker follows
 * from its body, and so does its class unless it is said. Scratch space on disk is asked for as disk. Inputs are to be
 * brought before it is submitted.
 */
export type TaskSpec = Options &
  (
    | { readonly kind: 'container'; readonly body: z.input<typeof containerBodySchema> }
    | { readonly kind: 'process'; readonly body: z.input<typeof processBodySchema> }
    | { readonly kind: 'noop'; readonly body?: z.input<typeof noopBodySchema> }
    | { readonly kind: 'ingest'; readonly body: NamedInputs<z.input<typeof ingestBodySchema>> }
    | { readonly kind: 'retrieve'; readonly body: z.input<typeof retrieveBodySchema> }
    | { readonly kind: ModelUse; readonly model: string; readonly body: z.input<typeof inferBodySchema> }
  );

/** A body whose inputs are the task's. */
type NamedInputs<B> = B extends unknown ? Omit<B, 'inputs'> : never;

/** msgpack of an Envelope, and of what its executor reads. */
export interface EncodedTask {
  readonly envelopeBytes: Uint8Array;
  readonly bodyBytes: Uint8Array;
}

/** Checked and encoded: submit the same one as often as you like. */
export interface PreparedTask extends EncodedTask {
  readonly envelope: Envelope;
}

const bodySchemas: { readonly [K in TaskKind]?: z.ZodType } = {
  container: containerBodySchema,
  process: processBodySchema,
  noop: noopBodySchema,
  ingest: ingestBodySchema,
  retrieve: retrieveBodySchema,
  infer: askingOf('infer'),
  embed: askingOf('embed'),
  rerank: askingOf('rerank'),
};
/** Who runs these knows all of their fields. */
const withoutNeeds: ReadonlySet<TaskKind> = new Set(['ingest', 'retrieve', ...modelUses]);

/**
 * `brought`: what its inputs are, in their order. Throws GridError `rejected.invalid`, whose message names the field and
 * what was expected.
 */
export function prepareTask(spec: TaskSpec, brought: readonly ArtifactRef[] = []): PreparedTask {
  const { body, inputs = [], ...options } = spec;
  if (inputs.length !== brought.length)
    throw invalid(`inputs: ${inputs.length} are named and ${brought.length} were brought`);
  const { value: bodyChecked, bytes: bodyBytes } = prepareBody(spec.kind, {
    ...body,
    ...(inputs.length > 0 && { inputs: inputs.map(({ to }, index) => ({ ...brought[index], to })) }),
  });
  const container = spec.kind === 'container' ? (bodyChecked as ContainerBody) : undefined;
  const files = bodyChecked as TaskFiles;
  const needs = withoutNeeds.has(spec.kind)
    ? undefined
    : needsOf(container ?? filesOf(files), options.stopGraceMs);
  const { command = [] } = bodyChecked as { command?: readonly string[] };
  const { labels = envelopeDefaults.labels } = options;
  const model = isAsking(spec) ? spec.model : undefined;
  if (model !== undefined && !isModelName(model)) throw invalid(`model: expected ${modelNameWords}`);
  const taskClass =
    options.taskClass ??
    (model === undefined
      ? taskClassOf(spec.kind, container?.image, command, labels)
      : `${spec.kind} ${model}`);
  const envelope = checked('task', envelopeSchema, {
    ...envelopeDefaults,
    ...options,
    resources: resourcesOf(options.resources ?? envelopeDefaults.resources, container),
    ...(container !== undefined && { image: container.image }),
    ...(needs !== undefined && { needs }),
    ...(inputs.length > 0 && { inputs: brought }),
    ...(taskClass !== undefined && { taskClass }),
  });
  const envelopeBytes = encodeEnvelope(envelope);
  if (envelopeBytes.length > limits.envelopeBytes)
    throw invalid(
      `task: has ${envelopeBytes.length} bytes without its body, at most ${limits.envelopeBytes}`,
    );
  return { envelope, envelopeBytes, bodyBytes };
}

/** Throws as `prepareTask` does. */
export function prepareBody(
  kind: TaskKind,
  body: object,
): { readonly value: unknown; readonly bytes: Uint8Array } {
  const schema = bodySchemas[kind];
  if (schema === undefined) throw invalid(`kind: tasks of kind ${kind} cannot be submitted yet`);
  const value = checked('body', schema, body);
  const bytes = encodeBody(value);
  if (bytes.length > limits.bodyBytes)
    throw invalid(`body: has ${bytes.length} bytes, at most ${limits.bodyBytes}`);
  return { value, bytes };
}

function isAsking(spec: TaskSpec): spec is Extract<TaskSpec, { kind: ModelUse }> {
  return modelUses.some((use) => use === spec.kind);
}

function askingOf(use: ModelUse): z.ZodType {
  const paths: readonly string[] = modelPaths[use];
  return inferBodySchema.refine(({ path }) => paths.includes(path), {
    path: ['path'],
    message: `expected one of ${paths.join(', ')} in a task of kind ${use}`,
  });
}

function filesOf({ inputs, outputs }: TaskFiles): TaskFiles {
  return { inputs, outputs };
}

/** The ledger holds what is written to scratch space on disk. */
function resourcesOf(asked: Resources, container: ContainerBody | undefined): Resources {
  const scratch = container?.scratch;
  if (scratch?.medium !== 'disk') return asked;
  return { ...asked, diskBytes: Math.max(asked.diskBytes, scratch.sizeBytes) };
}

function checked<T>(what: string, schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw invalid(`${[what, ...(issue?.path ?? [])].join('.')}: ${issue?.message ?? 'is not valid'}`);
}

function invalid(message: string): GridError {
  return new GridError(failure('rejected.invalid', message));
}

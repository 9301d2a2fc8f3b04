/** A task that asks a model, as a person described it: what is asked in few words, or as the server's own request. */
import type { TaskSpec } from '@gryphgen/client';
import { type ModelPath, type ModelUse, modelPaths, modelUses } from '@gryphgen/protocol';
import type { Complain, DraftKind, Options, TaskDraft } from './task-draft.ts';

export const chatRoles = ['system', 'user', 'assistant'] as const;

export interface DraftMessage {
  readonly role?: (typeof chatRoles)[number];
  readonly content?: string;
}

export interface ModelDraft {
  readonly model?: string;
  readonly prompt?: string;
  readonly system?: string;
  readonly messages?: readonly DraftMessage[];
  readonly maxTokens?: number;
  /** Of `embed`. */
  readonly input?: readonly string[];
  /** Of `rerank`. */
  readonly query?: string;
  readonly documents?: readonly string[];
  /** Instead of these: what the server takes at `path`. */
  readonly request?: object;
  readonly path?: ModelPath;
}

const own: readonly (keyof ModelDraft)[] = [
  ...(['model', 'prompt', 'system', 'messages', 'maxTokens', 'input'] as const),
  ...(['query', 'documents', 'request', 'path'] as const),
];

/** What else such a task may say: it holds nothing, and runs nothing of its own. */
const shared: ReadonlySet<keyof TaskDraft> = new Set([
  ...(['name', 'kind', 'class', 'timeout', 'queueTimeout', 'retries', 'priority'] as const),
  ...(['labels', 'constraints', 'preemptible', 'onLinkLost', 'durable'] as const),
]);

/** What each kind asks with. */
const fieldsOf: { readonly [K in ModelUse]: readonly (keyof ModelDraft)[] } = {
  infer: ['prompt', 'system', 'messages', 'maxTokens'],
  embed: ['input'],
  rerank: ['query', 'documents'],
};

export function isModelKind(kind: DraftKind): kind is ModelUse {
  return modelUses.some((use) => use === kind);
}

export function judgeAsking(draft: TaskDraft, kind: DraftKind, wrong: Complain): void {
  if (!isModelKind(kind)) {
    for (const field of own) if (draft[field] !== undefined) wrong(field, `a ${kind} task asks no model`);
    return;
  }
  const asks = new Set([...fieldsOf[kind], 'model', 'request', 'path']);
  for (const field of Object.keys(draft) as (keyof TaskDraft)[]) {
    if (draft[field] === undefined || shared.has(field) || asks.has(field)) continue;
    const words = own.some((each) => each === field)
      ? `is not of kind ${kind}, which asks with ${fieldsOf[kind].join(', ')}`
      : 'a task that asks a model runs nothing of its own';
    wrong(field, words);
  }
  if (draft.model === undefined) wrong('', `a task of kind ${kind} needs a model`);
  if (draft.request === undefined) judgeWords(draft, kind, wrong);
  else
    for (const field of fieldsOf[kind])
      if (draft[field] !== undefined) wrong(field, `expected either a request or ${field}`);
}

function judgeWords(
  { prompt, messages = [], input, query, documents, path }: TaskDraft,
  kind: ModelUse,
  wrong: Complain,
): void {
  if (path !== undefined) wrong('path', 'expected a request for it');
  if (kind === 'infer' && (prompt === undefined) === (messages.length === 0))
    wrong(prompt === undefined ? '' : 'prompt', 'expected either a prompt or messages');
  for (const [index, { role, content }] of messages.entries())
    if (role === undefined || content === undefined)
      wrong(`messages[${index}]`, 'expected both a role and its content');
  if (kind === 'embed' && (input ?? []).length === 0)
    wrong('', 'expected an input: a text or a list of them');
  if (kind === 'rerank' && (query === undefined || (documents ?? []).length === 0))
    wrong('', 'expected both a query and documents');
}

/** Of a draft that was judged. It waits for a model that is ready, and its answer is its result. */
export function modelSpecOf(
  options: Options,
  draft: TaskDraft,
  kind: ModelUse,
  wrong: Complain,
): TaskSpec | undefined {
  const { path = modelPaths[kind][0], model = '' } = draft;
  const paths: readonly string[] = modelPaths[kind];
  if (!paths.includes(path)) {
    wrong('path', `found ${path}, expected one of ${paths.join(', ')} in a task of kind ${kind}`);
    return undefined;
  }
  const request = new TextEncoder().encode(JSON.stringify(draft.request ?? requestOf(draft, kind)));
  const resources = { cpuMilli: 0, memoryBytes: 0, diskBytes: 0 };
  return { ...options, resources, kind, model, body: { path, request } };
}

function requestOf(
  { prompt, system, messages, maxTokens, input, query, documents }: TaskDraft,
  kind: ModelUse,
): object {
  if (kind === 'embed') return { input };
  if (kind === 'rerank') return { query, documents };
  const told = system === undefined ? [] : [{ role: 'system', content: system }];
  const asked = messages ?? [{ role: 'user', content: prompt }];
  return { messages: [...told, ...asked], ...(maxTokens !== undefined && { max_tokens: maxTokens }) };
}

/**
 * Where a model comes from, as people write it: an address, or a repository of Hugging Face.
 *
 *   https://host/path/model-Q4_K_M.gguf          any part of one that is split
 *   hf:ORG/REPO:QUANT                            such as hf:ggml-org/tiny-GGUF:Q8_0
 *   hf:ORG/REPO@REVISION:path/in/it.gguf         one file, of one revision
 */
export type ModelSource =
  | { readonly kind: 'url'; readonly url: URL }
  | {
      readonly kind: 'hub';
      readonly repo: string;
      readonly revision: string;
      /** A quantization, or a file's path; '' where only one can be meant. */
      readonly which: string;
    };

const hubWords = 'expected hf:ORG/REPO:QUANT, such as hf:ggml-org/models:Q4_K_M, or hf:ORG/REPO:FILE.gguf';
const hub = /^([\w][\w.-]{0,95}\/[\w][\w.-]{0,95})(?:@([\w][\w./-]{0,127}))?(?::([\w][\w ./+-]{0,255}))?$/;
const urlChars = 8192;

/** Undefined: a file of this machine. A text: what is wrong with it. */
export function readModelSource(text: string): ModelSource | string | undefined {
  if (text.startsWith('hf:')) {
    const [, repo, revision = 'main', which = ''] = hub.exec(text.slice('hf:'.length)) ?? [];
    if (repo === undefined || [revision, which].some(leadsOut)) return `found ${shown(text)}, ${hubWords}`;
    return { kind: 'hub', repo, revision, which };
  }
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return undefined;
  if (!/^https?:/i.test(text) || text.length > urlChars || !URL.canParse(text))
    return `found ${shown(text)}, expected an address that begins with https://`;
  const url = new URL(text);
  if (url.username !== '' || url.password !== '')
    return 'found an address with a password in it: expected none';
  return { kind: 'url', url };
}

function leadsOut(path: string): boolean {
  return path.split('/').some((part) => part === '..' || part === '.');
}

function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

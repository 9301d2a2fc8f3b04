/** What is applied to a store that is killed: the same for the one that is killed and for the one that is compared. */
const source = (key) => ({ key, path: key, title: null, revision: null, hash: key });

/** The changes of apply `n`: a new source, and mostly another content for the one before, so that there are always some dead. */
export function changesOf(n) {
  const words = Array.from({ length: 40 }, (_, at) => `word${(n * 7 + at * at) % 500}`).join(' ');
  const chunks = Array.from({ length: 5 }, (_, seq) => {
    return { text: `${words} passage${seq}`, startLine: seq, endLine: seq, headings: [], symbols: [] };
  });
  const again = { kind: 'put', source: source(`k${n - 1}`), chunks: chunks.slice(1) };
  return [{ kind: 'put', source: source(`k${n}`), chunks }, ...(n > 0 && n % 10 !== 0 ? [again] : [])];
}

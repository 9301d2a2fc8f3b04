/** What a model's server sends piece by piece: the data of server-sent events, in order; comments and names are passed over. */

/** Longer than any piece of an answer. */
const maxLineChars = 1024 * 1024;

/** Ends with the stream, which `[DONE]` only announces: who takes no more before its end gives the answer up. Throws what it throws. */
export async function* eventData(body: AsyncIterable<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of body) {
    rest += decoder.decode(bytes, { stream: true });
    const lines = rest.split(/\r?\n/);
    rest = lines.pop() ?? '';
    if (rest.length > maxLineChars) throw new Error('the model answers with a line that does not end');
    for (const line of lines) {
      const data = /^data: ?(.*)$/.exec(line)?.[1];
      if (data !== undefined && data !== '[DONE]') yield data;
    }
  }
}

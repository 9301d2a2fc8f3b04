/** What nothing is known of but its lines: prose between headings, source that does not parse. */
import { type Block, plainBlock } from './block.ts';

/** Begins and ends what Markdown shows as it is written. */
export const FENCE = /^ {0,3}(`{3,}|~{3,})/;

/**
 * Stretches between blank lines; chunking packs small ones together and cuts large ones. With `fences`, what stands in a
 * fence is one stretch whatever is blank in it. `startLine`: of the first line.
 */
export function lineWindows(
  lines: readonly string[],
  startLine = 1,
  { headings = [], fences = false }: { headings?: readonly string[]; fences?: boolean } = {},
): readonly Block[] {
  const blocks: Block[] = [];
  let from: number | undefined;
  let fence: string | undefined;
  for (let at = 0; at <= lines.length; at += 1) {
    const line = lines[at] ?? '';
    const mark = fences ? FENCE.exec(line)?.[1] : undefined;
    const isBlank = at === lines.length || (fence === undefined && line.trim() === '');
    if (fence === undefined) fence = mark;
    else if (mark?.startsWith(fence) && line.trim() === mark) fence = undefined;
    if (!isBlank) from ??= at;
    else if (from !== undefined) {
      const text = lines.slice(from, at).join('\n');
      blocks.push(plainBlock(text, startLine + from, startLine + at - 1, headings));
      from = undefined;
    }
  }
  return blocks;
}

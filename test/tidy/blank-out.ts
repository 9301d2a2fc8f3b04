/**
 * Replaces everything in TypeScript that is not code by spaces of the same length: comments, and what stands between
 * quotes, backticks and regular expressions' slashes. The delimiters of strings and all newlines stay.
 *
 * Whether a slash divides or opens a regular expression is decided by what stands before it, as syntax highlighters
 * do; it is wrong only after a `)` or `}` that ends a statement's head or block, which our style does not write.
 */
const MAY_PRECEDE_REGEX =
  /(?:^|[-(,=:[!&|?{};+*%<>~^]|\b(?:return|typeof|case|in|of|await|yield|void|delete))$/;

export function blankOut(text: string): string {
  const out = text.split('');
  const blank = (from: number, to: number) => {
    for (let i = from; i < to && i < out.length; i += 1) if (out[i] !== '\n') out[i] = ' ';
  };
  // Open templates: each holds the depth of braces inside its current `${`.
  const templates: number[] = [];
  let significant = ''; // the code seen last, enough of it to tell a keyword
  let at = 0;

  /** From just after a backtick or a `}` that closes `${`, to the template's end or its next `${`. */
  const skipTemplate = (): void => {
    const from = at;
    while (at < text.length) {
      if (text[at] === '\\') at += 2;
      else if (text[at] === '`') {
        blank(from, at);
        at += 1;
        templates.pop();
        return;
      } else if (text.startsWith('${', at)) {
        blank(from, at);
        at += 2;
        return;
      } else at += 1;
    }
    blank(from, at);
  };

  while (at < text.length) {
    const char = text[at] as string;
    const end = endOfNonCode(text, at, significant);
    if (end !== undefined) {
      const quoted = char === '"' || char === "'";
      blank(quoted ? at + 1 : at, quoted ? end - 1 : end);
      if (char !== '/' || !/^\/[/*]/.test(text.slice(at, at + 2))) significant = 'x';
      at = end;
      continue;
    }
    at += 1;
    if (char === '`') {
      templates.push(0);
      skipTemplate();
      significant = 'x';
      continue;
    }
    const depth = templates.at(-1);
    if (depth !== undefined && char === '{') templates[templates.length - 1] = depth + 1;
    if (depth !== undefined && char === '}') {
      if (depth === 0) {
        skipTemplate();
        significant = 'x';
        continue;
      }
      templates[templates.length - 1] = depth - 1;
    }
    if (!/\s/.test(char)) significant = (significant + char).slice(-10);
    else if (/\w$/.test(significant)) significant += ' ';
  }
  return out.join('');
}

/** Where the comment, string or regular expression that starts here ends, or undefined when code starts here. */
function endOfNonCode(text: string, at: number, significant: string): number | undefined {
  const char = text[at];
  if (text.startsWith('//', at) || (at === 0 && text.startsWith('#!')))
    return orEnd(text.indexOf('\n', at), text);
  if (text.startsWith('/*', at)) return orEnd(text.indexOf('*/', at + 2) + 2, text, 1);
  if (char === '"' || char === "'") return match(/(["'])(?:\\[\s\S]|(?!\1)[^\\\n])*\1?/y, text, at);
  if (char === '/' && MAY_PRECEDE_REGEX.test(significant.trimEnd())) {
    return match(/\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/y, text, at);
  }
  return undefined;
}

function orEnd(index: number, text: string, notFound = -1): number {
  return index === notFound ? text.length : index;
}

function match(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}

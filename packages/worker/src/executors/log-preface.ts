/**
 * What an attempt's log says before its output: how its image came. Few lines, kept, because a log that is written anew
 * must have the output at the same place: somebody may be reading it.
 */
const maxChars = 4096;
const maxLineChars = 400;

export class LogPreface {
  text: string;

  constructor(text = '') {
    this.text = text;
  }

  /** The line as it stands in the log; '' when there have been enough. */
  add(line: string): string {
    const flat = line.replace(/[\p{Cc}\s]+/gu, ' ');
    const cut = flat.length > maxLineChars ? `${flat.slice(0, maxLineChars)}…` : flat;
    const written = `[gryphgen: ${cut}]\n`;
    if (this.text.length + written.length > maxChars) return '';
    this.text += written;
    return written;
  }
}

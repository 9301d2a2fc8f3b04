/** PDF and Word files as tests need them: small ones of known text, and hostile ones. */
import { deflateSync } from 'node:zlib';
import { strToU8, zipSync } from 'fflate';

export interface PdfLine {
  readonly text: string;
  readonly size: number;
  /** From the page's lower edge. */
  readonly y: number;
}

/** One page for each list of lines. `filters`: what a page's content was packed by, the outermost first. */
export function pdfOf(pages: readonly (readonly PdfLine[])[], title?: string): Uint8Array {
  const contents = pages.map((lines) =>
    lines.map(({ text, size, y }) => `BT /F1 ${size} Tf 72 ${y} Td (${text}) Tj ET`).join('\n'),
  );
  return assembled(
    contents.map((content) => ({ bytes: Buffer.from(content), filters: '' })),
    title,
  );
}

/** A page whose few bytes unpack to `bytes` of operators. */
export function pdfBomb(bytes: number): Uint8Array {
  const once = deflateSync(Buffer.alloc(bytes, '0 0 m '));
  return assembled([{ bytes: deflateSync(once), filters: '/Filter [/FlateDecode /FlateDecode]' }], undefined);
}

function assembled(
  contents: readonly { readonly bytes: Buffer; readonly filters: string }[],
  title: string | undefined,
): Uint8Array {
  const pageIds = contents.map((_, index) => 4 + index * 2);
  const objects: Buffer[] = [
    Buffer.from('<< /Type /Catalog /Pages 2 0 R >>'),
    Buffer.from(
      `<< /Type /Pages /Count ${contents.length} /Kids [${pageIds.map((id) => `${id} 0 R`).join(' ')}] >>`,
    ),
    Buffer.from('<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>'),
    ...contents.flatMap(({ bytes, filters }, index) => [
      Buffer.from(
        `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents ${5 + index * 2} 0 R
        /Resources << /Font << /F1 3 0 R >> >> >>`,
      ),
      Buffer.concat([
        Buffer.from(`<< /Length ${bytes.byteLength} ${filters} >>\nstream\n`),
        bytes,
        Buffer.from('\nendstream'),
      ]),
    ]),
    Buffer.from(title === undefined ? '<< >>' : `<< /Title (${title}) >>`),
  ];
  const parts: Buffer[] = [Buffer.from('%PDF-1.4\n')];
  const offsets: number[] = [];
  let length = parts[0]?.byteLength ?? 0;
  const put = (part: Buffer): void => {
    parts.push(part);
    length += part.byteLength;
  };
  for (const [index, object] of objects.entries()) {
    offsets.push(length);
    put(Buffer.concat([Buffer.from(`${index + 1} 0 obj\n`), object, Buffer.from('\nendobj\n')]));
  }
  const table = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('');
  const begin = length;
  put(
    Buffer.from(
      `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${table}trailer\n<< /Size ${objects.length + 1}
      /Root 1 0 R /Info ${objects.length} 0 R >>\nstartxref\n${begin}\n%%EOF\n`,
    ),
  );
  return Buffer.concat(parts);
}

/** `body`: of the document's XML. */
export function docxOf(body: string, title?: string): Uint8Array {
  const core = `<cp:coreProperties xmlns:dc="x"><dc:title>${title}</dc:title></cp:coreProperties>`;
  return zipSync({
    'word/document.xml': strToU8(`<?xml version="1.0"?><w:document><w:body>${body}</w:body></w:document>`),
    'word/media/image1.png': new Uint8Array(1000),
    ...(title !== undefined && { 'docProps/core.xml': strToU8(core) }),
  });
}

export function paragraph(text: string, style?: string): string {
  const styled = style === undefined ? '' : `<w:pPr><w:pStyle w:val="${style}"/></w:pPr>`;
  return `<w:p>${styled}<w:r><w:t xml:space="preserve">${text}</w:t></w:r></w:p>`;
}

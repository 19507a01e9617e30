// Finds the header fields that claim to be ours in what comes in: X-Postern*, X-Spam*, and Authentication-Results with
// our authserv-id (RFC 8601 section 5). They are left out when the bytes go on; nothing else is changed (I2).
// `HeaderFilter` works on a stream with bounded memory, however large the header section is.

/** Names that only we may write. */
const OWN_NAME = /^x-(?:postern|spam)(?:-|$)/i;
const RESULTS_NAME = 'authentication-results';

/**
 * How much of a field is looked at. No honest name or authserv-id is longer (RFC 5322 2.1.1: a line has 998); a field
 * that hides its authserv-id behind more comments than that is taken for forged.
 */
export const FIELD_HEAD_MAX = 8 * 1024;

const CR = 13;
const LF = 10;
const EMPTY = Buffer.alloc(0);

type Judgement = 'keep' | 'drop' | 'undecided';

/**
 * Takes a message in pieces and gives it back without its forged fields. Line ends are CRLF (the intake made them so);
 * a lone LF is read as one too. What `push` returns may be views into what was pushed.
 */
export class HeaderFilter {
  readonly #hostname: string;
  /** The field being read, as far as nothing is decided about it. */
  #head: Uint8Array = EMPTY;
  #state: Judgement | 'body' = 'keep';
  /** Length of the field from which it is judged again. */
  #judgeFrom = 0;
  #atLineStart = true;

  constructor(hostname: string) {
    this.#hostname = hostname;
  }

  push(chunk: Uint8Array): Uint8Array[] {
    if (this.#state === 'body') return [chunk];
    const bytes = this.#head.length === 0 ? chunk : Buffer.concat([this.#head, chunk]);
    const kept: [number, number][] = [];
    const keep = (start: number, end: number) => {
      const last = kept.at(-1);
      if (last !== undefined && last[1] === start) last[1] = end;
      else if (end > start) kept.push([start, end]);
    };
    let field = 0;
    let at = this.#head.length;
    while (at < bytes.length) {
      if (this.#atLineStart) {
        if (!isBlank(bytes[at])) {
          // The field before ends here.
          if (this.#state === 'undecided' && this.#settle(bytes.subarray(field, at)) === 'keep') keep(field, at);
          this.#state = 'undecided';
          this.#judgeFrom = 0;
          field = at;
        }
        this.#atLineStart = false;
      }
      const newline = bytes.indexOf(LF, at);
      const end = newline === -1 ? bytes.length : newline + 1;
      if (this.#state === 'undecided') {
        const head = bytes.subarray(field, end);
        if (isEmptyLine(head)) {
          this.#state = 'body';
          keep(field, bytes.length);
          break;
        }
        this.#state = this.#judge(head);
        if (this.#state === 'keep') keep(field, end);
      } else if (this.#state === 'keep') keep(at, end);
      this.#atLineStart = newline !== -1;
      at = end;
    }
    // A copy: the caller may use the memory of its piece again.
    this.#head = this.#state === 'undecided' ? Buffer.from(bytes.subarray(field)) : EMPTY;
    return kept.map(([start, stop]) => bytes.subarray(start, stop));
  }

  /** What was still undecided when the message ended. */
  end(): Uint8Array[] {
    const head = this.#head;
    this.#head = EMPTY;
    return head.length > 0 && this.#settle(head) === 'keep' ? [head] : [];
  }

  /**
   * As far as the field is there. Folded again and again it is judged only when it has doubled: each line anew would take
   * the square of its length.
   */
  #judge(head: Uint8Array): Judgement {
    if (isOther(head)) return 'keep';
    if (head.length < this.#judgeFrom && head.length <= FIELD_HEAD_MAX) return 'undecided';
    this.#judgeFrom = head.length * 2;
    return judge(text(head), this.#hostname, false);
  }

  #settle(field: Uint8Array): Judgement {
    return judge(text(field), this.#hostname, true);
  }
}

/** The message that goes on: our header block, then the bytes as they came without forged fields. */
export async function* deliverable(
  bytes: AsyncIterable<Uint8Array>,
  stamp: string,
  hostname: string,
): AsyncGenerator<Uint8Array, void> {
  if (stamp !== '') yield Buffer.from(stamp);
  const filter = new HeaderFilter(hostname);
  for await (const chunk of bytes) yield* filter.push(chunk);
  yield* filter.end();
}

function judge(field: string, hostname: string, isWhole: boolean): Judgement {
  const isLong = field.length > FIELD_HEAD_MAX;
  const head = isLong ? field.slice(0, FIELD_HEAD_MAX) : field;
  const isEnd = isWhole || isLong;
  const colon = head.indexOf(':');
  // A field has its colon; but a name may be drawn out with white space before it (RFC 5322 4.5) beyond what we look at.
  if (colon === -1 && !isEnd) return 'undecided';
  if (colon === -1 && !isLong) return 'keep';
  const name = (colon === -1 ? head : head.slice(0, colon)).trimEnd().toLowerCase();
  if (OWN_NAME.test(name)) return 'drop';
  if (name !== RESULTS_NAME) return 'keep';
  if (!isEnd) return 'undecided';
  return colon === -1 || isOurs(head.slice(colon + 1), hostname, isLong) ? 'drop' : 'keep';
}

/** Is the authserv-id ours: first token, comments and folding skipped, maybe quoted (RFC 8601 section 2.2)? */
function isOurs(value: string, hostname: string, isCut: boolean): boolean {
  const rest = withoutComments(value).trimStart();
  const found = /^"((?:[^"\\]|\\.)*)"/s.exec(rest) ?? /^([^\s;/"]+)(?=[\s;/"])/.exec(rest);
  if (found === null && isCut) return true;
  const id = (found?.[1] ?? /^[^\s;/"]*/.exec(rest)?.[0] ?? '').replace(/\\(.)/gs, '$1');
  return (
    id
      .replace(/\r?\n[ \t]/g, '')
      .trim()
      .toLowerCase()
      .replace(/\.$/, '') === hostname.toLowerCase()
  );
}

/** A comment reads as white space (RFC 5322 3.2.2). */
function withoutComments(value: string): string {
  let depth = 0;
  let isQuoted = false;
  let kept = '';
  for (let i = 0; i < value.length; i++) {
    const char = value[i];
    if (char === '\\' && depth > 0) i++;
    else if (char === '\\' && isQuoted) kept += value.slice(i, ++i + 1);
    else if (char === '"' && depth === 0) {
      isQuoted = !isQuoted;
      kept += char;
    } else if (char === '(' && !isQuoted) depth++;
    else if (char === ')' && depth > 0) {
      depth--;
      kept += ' ';
    } else if (depth === 0) kept += char;
  }
  return kept;
}

/** By its first two characters none of our names, as nearly all fields are: reading each as text costs ten times as much. */
function isOther(head: Uint8Array): boolean {
  const [first, second] = head;
  if (first === undefined || second === undefined) return false;
  const lower = first | 0x20;
  return !(lower === 0x78 && second === 0x2d) && !(lower === 0x61 && (second | 0x20) === 0x75);
}

function isBlank(byte: number | undefined): boolean {
  return byte === 32 || byte === 9;
}

function isEmptyLine(line: Uint8Array): boolean {
  return line.at(-1) === LF && (line.length === 1 || (line.length === 2 && line[0] === CR));
}

function text(bytes: Uint8Array): string {
  const head = bytes.subarray(0, FIELD_HEAD_MAX + 1);
  return Buffer.from(head.buffer, head.byteOffset, head.byteLength).toString('latin1');
}

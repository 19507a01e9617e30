// The shape of a regular expression, as far as it is needed to write strings that hurt it: what repeats, and a sample
// of what each piece matches. Reads only patterns that `new RegExp` has accepted; what it does not know it skips.

export type Node =
  | { readonly kind: 'one'; readonly sample: string }
  | { readonly kind: 'row'; readonly items: readonly Node[] }
  | { readonly kind: 'either'; readonly options: readonly Node[] }
  /** Matches no characters itself: look-arounds. What is inside can be slow all the same. */
  | { readonly kind: 'look'; readonly inner: Node }
  | { readonly kind: 'repeat'; readonly inner: Node; readonly min: number; readonly max: number };

/** Tried in turn as samples of a class. Letters first: most text is letters. */
const CANDIDATES = 'a1 e-._/@=A<"%z0\n\t\u00e9\u4e00\u0430!#$&\'()*+,:;>?[\\]^`{|}~';
const QUANTIFIER = /^(?:[*+?]|\{(\d+)(?:(,)(\d*))?\})/;
const GROUP = /^\((?:\?(?::|=|!|<=|<!|<[^>=!][^>]*>|[ims-]*:))?/;
const ESCAPE = /^\\(?:u\{[0-9a-f]+\}|u[0-9a-f]{4}|x[0-9a-f]{2}|c[a-z]|k<[^>]*>|[pP]\{[^}]*\}|[0-9]+|[\s\S])/i;
const NESTING_MAX = 200;

export function parsePattern(source: string, flags: string): Node {
  return new Reader(source, flags).either(0);
}

/** A text the node matches (nearly always; it is only a sample). */
export function sampleOf(node: Node): string {
  if (node.kind === 'one') return node.sample;
  if (node.kind === 'look') return '';
  if (node.kind === 'row') return node.items.map(sampleOf).join('');
  if (node.kind === 'either') return node.options[0] === undefined ? '' : sampleOf(node.options[0]);
  return sampleOf(node.inner)
    .repeat(Math.min(Math.max(node.min, 1), 20))
    .slice(0, 200);
}

class Reader {
  readonly #source: string;
  readonly #flags: string;
  #at = 0;

  constructor(source: string, flags: string) {
    this.#source = source;
    this.#flags = flags;
  }

  either(depth: number): Node {
    const options = [this.#row(depth)];
    while (this.#source[this.#at] === '|') {
      this.#at += 1;
      options.push(this.#row(depth));
    }
    return options.length === 1 && options[0] !== undefined ? options[0] : { kind: 'either', options };
  }

  #row(depth: number): Node {
    const items: Node[] = [];
    while (this.#at < this.#source.length && this.#source[this.#at] !== '|') {
      if (this.#source[this.#at] === ')') {
        if (depth > 0) break;
        this.#at += 1;
        continue;
      }
      items.push(this.#repeated(this.#piece(depth)));
    }
    return { kind: 'row', items };
  }

  #repeated(inner: Node): Node {
    const found = QUANTIFIER.exec(this.#source.slice(this.#at, this.#at + 30));
    if (found === null) return inner;
    this.#at += found[0].length;
    if (this.#source[this.#at] === '?') this.#at += 1;
    const sign = found[0][0];
    if (sign === '*') return { kind: 'repeat', inner, min: 0, max: Infinity };
    if (sign === '+') return { kind: 'repeat', inner, min: 1, max: Infinity };
    if (sign === '?') return { kind: 'repeat', inner, min: 0, max: 1 };
    const min = Number(found[1]);
    const max = found[2] === undefined ? min : found[3] === '' ? Infinity : Number(found[3]);
    return { kind: 'repeat', inner, min, max };
  }

  #piece(depth: number): Node {
    const rest = this.#source.slice(this.#at);
    const char = String.fromCodePoint(rest.codePointAt(0) ?? 0);
    if (char === '(' && depth < NESTING_MAX) return this.#group(rest, depth);
    if (char === '[') return this.#take(classLength(rest));
    if (char === '\\') return this.#take(ESCAPE.exec(rest)?.[0].length ?? 1);
    if (char === '^' || char === '$') return this.#nothing(1);
    if (char === '.') return this.#take(1);
    this.#at += char.length;
    return { kind: 'one', sample: char };
  }

  #group(rest: string, depth: number): Node {
    const open = GROUP.exec(rest)?.[0] ?? '(';
    this.#at += open.length;
    const inner = this.either(depth + 1);
    this.#at += 1;
    return /[=!]$/.test(open) ? { kind: 'look', inner } : inner;
  }

  #nothing(length: number): Node {
    this.#at += length;
    return { kind: 'one', sample: '' };
  }

  /** A class or an escape: asks the engine itself what it matches. */
  #take(length: number): Node {
    const piece = this.#source.slice(this.#at, this.#at + length);
    if (/^\\(?:[bB]|\d|k<)/.test(piece)) return this.#nothing(length);
    this.#at += length;
    try {
      const only = new RegExp(`^${piece}$`, this.#flags.replace('m', ''));
      return { kind: 'one', sample: [...CANDIDATES].find(candidate => only.test(candidate)) ?? '' };
    } catch {
      return { kind: 'one', sample: '' };
    }
  }
}

function classLength(rest: string): number {
  for (let i = 1; i < rest.length; i++) {
    if (rest[i] === '\\') i += 1;
    else if (rest[i] === ']') return i + 1;
  }
  return rest.length;
}

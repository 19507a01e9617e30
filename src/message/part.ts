// A node of the MIME tree, made by walk.ts from a header section. What its fields say is read here once: type, name,
// transfer encoding, charset, boundary.

import type { Part } from '../mail/message.ts';
import type { Defects } from './defects.ts';
import { type Field, first, type HeaderSection } from './header.ts';
import { BOUNDARY_MAX, NAME_MAX } from './limits.ts';
import { firstToken, parseStructured, rawValue, type Structured, shownName, textValue } from './parameters.ts';
import { decodeTransfer, type TransferEncoding } from './transfer.ts';

export interface PartPlace {
  readonly bytes: Buffer;
  readonly within: string | null;
  readonly path: string;
  readonly start: number;
  /** RFC 2046 5.1.5: message/rfc822 in a digest, else text/plain. */
  readonly defaultType: string;
}

/** A token on both sides of the slash (RFC 2045 5.1), without the characters that would be odd in a type. */
const TYPE = /^[!#$%&'*+\-.^_`{|}~0-9a-z]{1,127}\/[!#$%&'*+\-.^_`{|}~0-9a-z]{1,127}$/;

export class TreePart implements Part {
  readonly path: string;
  readonly within: string | null;
  readonly start: number;
  readonly headers: readonly Field[];
  readonly type: string;
  readonly disposition: 'inline' | 'attachment' | null;
  readonly name: string | null;
  readonly bodyStart: number;
  /** Set by the walk when it has seen the end; until then the end of the input. */
  bodyEnd: number;
  /** As declared; '' where it is not. */
  readonly charset: string;
  readonly encoding: TransferEncoding;
  /** null for what is no multipart, '' for a multipart without a usable one; one character a byte. */
  readonly boundary: string | null;
  /** How many parts are directly below it. */
  children = 0;
  readonly #bytes: Buffer;
  #decoded: Buffer | null = null;

  constructor(place: PartPlace, section: HeaderSection, defects: Defects) {
    this.path = place.path;
    this.within = place.within;
    this.start = place.start;
    this.#bytes = place.bytes;
    this.headers = section.fields;
    this.bodyStart = section.bodyStart;
    this.bodyEnd = place.bytes.length;
    const contentType = structured(section.fields, 'content-type');
    const disposition = structured(section.fields, 'content-disposition');
    this.type = effectiveType(contentType, place, defects);
    this.disposition = dispositionOf(disposition);
    this.name = shownName(nameOf(disposition, 'filename') ?? nameOf(contentType, 'name'), NAME_MAX);
    this.charset = contentType === null ? '' : rawValue(contentType, 'charset').slice(0, 60);
    this.boundary = this.type.startsWith('multipart/') ? boundaryOf(contentType) : null;
    this.encoding = encodingOf(this, defects);
    noteRepeated(this, contentType, defects);
  }

  decoded(): Buffer {
    this.#decoded ??= decodeTransfer(this.#bytes.subarray(this.bodyStart, this.bodyEnd), this.encoding);
    return this.#decoded;
  }

  get isMultipart(): boolean {
    return this.boundary !== null;
  }

  /** RFC 2046 5.2.1; RFC 6532 3.7: message/global. */
  get isMessage(): boolean {
    return this.type === 'message/rfc822' || this.type === 'message/global';
  }
}

function structured(fields: readonly Field[], name: string): Structured | null {
  const field = first(fields, name);
  return field === undefined ? null : parseStructured(field.unfolded);
}

/** RFC 2045 5.2: what cannot be read is text/plain. */
function effectiveType(contentType: Structured | null, place: PartPlace, defects: Defects): string {
  if (contentType === null) return place.defaultType;
  if (TYPE.test(contentType.head)) return contentType.head;
  defects.add('MIME_BAD_CONTENT_TYPE', contentType.head);
  // `multipart; boundary=x` and the like: clients split it all the same.
  return contentType.head.startsWith('multipart') && contentType.values.has('boundary')
    ? 'multipart/mixed'
    : 'text/plain';
}

/** RFC 2183 2.8: an unknown disposition is an attachment. */
function dispositionOf(disposition: Structured | null): 'inline' | 'attachment' | null {
  if (disposition === null || disposition.head === '') return null;
  return disposition.head === 'inline' ? 'inline' : 'attachment';
}

function nameOf(from: Structured | null, parameter: string): string | null {
  return from === null ? null : textValue(from, parameter);
}

/** RFC 2046 5.1.1: a boundary does not end in white space. */
function boundaryOf(contentType: Structured | null): string {
  const boundary = contentType === null ? '' : rawValue(contentType, 'boundary').trimEnd();
  return boundary.length > BOUNDARY_MAX ? '' : boundary;
}

function encodingOf(part: TreePart, defects: Defects): TransferEncoding {
  const declared = first(part.headers, 'content-transfer-encoding');
  const token = declared === undefined ? '' : firstToken(declared.unfolded);
  const isEncoded = token === 'base64' || token === 'quoted-printable';
  if (isEncoded && part.isMultipart) {
    defects.add('MIME_ENCODED_MULTIPART', token);
    return 'identity';
  }
  if (isEncoded) return token;
  if (!/^(?:|7bit|8bit|binary)$/.test(token)) defects.add('MIME_UNKNOWN_ENCODING', token);
  return 'identity';
}

function noteRepeated({ headers }: TreePart, contentType: Structured | null, defects: Defects): void {
  const types = valuesOf(headers, 'content-type');
  if (types.length > 1) {
    const differ = new Set(types).size > 1;
    defects.add(differ ? 'MIME_CONFLICTING_CONTENT_TYPE' : 'MIME_DUPLICATE_CONTENT_TYPE', types.join(' | '));
  }
  const encodings = valuesOf(headers, 'content-transfer-encoding').map(firstToken);
  if (encodings.length > 1) {
    const differ = new Set(encodings).size > 1;
    defects.add(differ ? 'MIME_CONFLICTING_ENCODING' : 'MIME_DUPLICATE_ENCODING', encodings.join(' | '));
  }
  const repeated = contentType?.repeated.find(name => name === 'boundary' || name === 'charset');
  if (repeated !== undefined) defects.add('MIME_DUPLICATE_PARAMETER', repeated);
}

/** At most ten: enough to see that they differ. */
function valuesOf(headers: readonly Field[], name: string): string[] {
  const found: string[] = [];
  for (const field of headers) {
    if (field.lowerName === name && found.push(field.unfolded.slice(0, 200)) >= 10) break;
  }
  return found;
}

// Reads the source and finds what every file imports: statements, types, import() calls, and files that are started by
// name on a thread. Called by check.ts. Reads syntax trees, never lines, so that a comment or a string fools nobody.

import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, relative, sep } from 'node:path';

import ts from 'typescript';

/** How a file names another: an import of any kind, or `new URL('./x.ts', import.meta.url)` for a thread. */
export interface Import {
  readonly kind: 'import' | 'url';
  /** `src/mail/reply.ts` for our own files, else the specifier as written. */
  readonly target: string;
  readonly line: number;
  /** The names taken, null where it takes all (`import * as`, `import()`, `export *`, for effect). */
  readonly names: readonly string[] | null;
}

export interface SourceFile {
  /** From the project's root, with slashes. */
  readonly path: string;
  readonly lines: number;
  readonly imports: readonly Import[];
  /** Ways around the imports: what it is, and where. */
  readonly detours: readonly { readonly what: string; readonly line: number }[];
}

/** Globals that reach the network without an import. */
const NETWORK_GLOBALS = ['fetch', 'WebSocket', 'EventSource'];
/** Functions that load modules by names which cannot be seen here. */
const LOADERS = ['require', 'createRequire', 'getBuiltinModule', 'eval'];

/** Every .ts file below `root`/src. */
export function readSource(root: string): readonly SourceFile[] {
  const names = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true });
  return names
    .filter(entry => entry.isFile() && entry.name.endsWith('.ts'))
    .map(entry => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort()
    .map(path => parseOnce(path, readFileSync(join(root, path), 'utf8')));
}

/** The tests read the same source fifty times, each time with one file more. */
const parsed = new Map<string, { readonly text: string; readonly file: SourceFile }>();

function parseOnce(path: string, text: string): SourceFile {
  const before = parsed.get(path);
  if (before?.text === text) return before.file;
  const file = parseFile(path, text);
  parsed.set(path, { text, file });
  return file;
}

function parseFile(path: string, text: string): SourceFile {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.ESNext, true);
  const imports: Import[] = [];
  const detours: { what: string; line: number }[] = [];
  const visit = (node: ts.Node): void => {
    const line = tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1;
    const found = importOf(node);
    if (found === 'hidden') detours.push({ what: 'import() of a name that is computed', line });
    else if (found !== null) imports.push({ ...found, target: resolve(path, found.target), line });
    const detour = detourOf(node);
    if (detour !== null) detours.push({ what: detour, line });
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return { path, lines: text.split('\n').length - (text.endsWith('\n') ? 1 : 0), imports, detours };
}

function importOf(node: ts.Node): Omit<Import, 'line'> | 'hidden' | null {
  if (ts.isImportDeclaration(node)) return fromStatement(node.moduleSpecifier, importedNames(node.importClause));
  if (ts.isExportDeclaration(node)) return fromStatement(node.moduleSpecifier, exportedNames(node.exportClause));
  if (ts.isImportTypeNode(node)) {
    return ts.isLiteralTypeNode(node.argument) ? fromStatement(node.argument.literal, null) : 'hidden';
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    return fromStatement(node.arguments[0], null) ?? 'hidden';
  }
  return ts.isNewExpression(node) ? threadFile(node) : null;
}

function fromStatement(specifier: ts.Node | undefined, names: readonly string[] | null): Omit<Import, 'line'> | null {
  if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return null;
  return { kind: 'import', target: specifier.text, names };
}

/** `new URL('./thread.ts', import.meta.url)` */
function threadFile(node: ts.NewExpression): Omit<Import, 'line'> | null {
  const [file, base] = node.arguments ?? [];
  if (node.expression.getText() !== 'URL' || base?.getText() !== 'import.meta.url') return null;
  if (file === undefined || !ts.isStringLiteralLike(file) || !file.text.endsWith('.ts')) return null;
  return { kind: 'url', target: file.text, names: null };
}

function importedNames(clause: ts.ImportClause | undefined): readonly string[] | null {
  const named = clause?.namedBindings;
  if (clause === undefined || clause.name !== undefined || named === undefined || ts.isNamespaceImport(named))
    return null;
  return named.elements.map(element => (element.propertyName ?? element.name).text);
}

function exportedNames(clause: ts.NamedExportBindings | undefined): readonly string[] | null {
  if (clause === undefined || ts.isNamespaceExport(clause)) return null;
  return clause.elements.map(element => (element.propertyName ?? element.name).text);
}

function detourOf(node: ts.Node): string | null {
  if (!ts.isCallExpression(node) && !ts.isNewExpression(node)) return null;
  const called = node.expression;
  const name = ts.isPropertyAccessExpression(called) ? called.name.text : ts.isIdentifier(called) ? called.text : '';
  if (LOADERS.includes(name)) return `${name}()`;
  // A method may be called fetch; the global one stands alone or on globalThis.
  const isGlobal = ts.isIdentifier(called) || called.getText().startsWith('globalThis.');
  return isGlobal && NETWORK_GLOBALS.includes(name) ? `the global ${name}` : null;
}

function resolve(from: string, specifier: string): string {
  return specifier.startsWith('.') ? posix.join(posix.dirname(from), specifier) : specifier;
}

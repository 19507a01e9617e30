// A place in a rule file: a value, the way to it, and how to say what is wrong there. The readers hand it down.

import type { Problem } from '../platform/problem.ts';
import type { YamlFile, YamlPath } from '../platform/yaml.ts';

/** More problems than anybody reads at once; the rest comes after these are mended. */
export const PROBLEMS_MAX = 50;

export class Place {
  readonly value: unknown;
  readonly #file: YamlFile;
  readonly #path: YamlPath;
  readonly #problems: Problem[];

  constructor(file: YamlFile, path: YamlPath, value: unknown, problems: Problem[]) {
    this.value = value;
    this.#file = file;
    this.#path = path;
    this.#problems = problems;
  }

  /** The entry `step` of this list or map. */
  at(step: string | number): Place {
    const inside = typeof this.value === 'object' && this.value !== null && Object.hasOwn(this.value, step);
    const value: unknown = inside ? Reflect.get(this.value, step) : undefined;
    return new Place(this.#file, [...this.#path, step], value, this.#problems);
  }

  entries(): [string, Place][] {
    return isMap(this.value) ? Object.keys(this.value).map(key => [key, this.at(key)]) : [];
  }

  items(): Place[] {
    return Array.isArray(this.value) ? this.value.map((_, i) => this.at(i)) : [];
  }

  /** Notes a problem at the value, or at its key. Always null, so that readers can return it. */
  wrong(message: string, hint = '', where: 'key' | 'value' = 'value'): null {
    this.#problems.push(this.problem(message, hint, where));
    return null;
  }

  problem(message: string, hint = '', where: 'key' | 'value' = 'value'): Problem {
    return this.#file.problem(this.#path, where, message, hint);
  }
}

export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What stands there, as a person would name it, on one short line. */
export function found(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 59)}…` : value);
  return String(value);
}

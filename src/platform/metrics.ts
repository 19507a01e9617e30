// Prometheus metrics. Built once in main.ts; label values come from small fixed sets, never from mail.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

import { Turns } from './turns.ts';

export interface Metrics {
  counter(name: string, help: string, labels?: readonly string[]): CounterMetric;
  gauge(name: string, help: string, labels?: readonly string[]): GaugeMetric;
  /** Seconds, buckets from 1 ms to 100 s. */
  seconds(name: string, help: string, labels?: readonly string[]): SecondsMetric;
  /** The text format that Prometheus scrapes. */
  text(): Promise<string>;
  /** Of the thread that made this. */
  readonly turns: Turns;
}

export interface CounterMetric {
  add(labels?: Record<string, string>, by?: number): void;
}

export interface GaugeMetric {
  set(value: number, labels?: Record<string, string>): void;
}

export interface SecondsMetric {
  observe(ms: number, labels?: Record<string, string>): void;
}

const BUCKETS = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100];

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'postern_' });
  const options = (name: string, help: string, labels: readonly string[]) => ({
    name: `postern_${name}`,
    help,
    labelNames: [...labels],
    registers: [registry],
  });
  const turns = Turns.watch();
  const turn: Gauge = new Gauge({
    ...options(
      'main_thread_turn_seconds',
      'Longest turn of the main thread since the last scrape, in its own CPU time',
      [],
    ),
    collect: () => turn.set(turns.take() / 1000),
  });
  return {
    turns,
    counter: (name, help, labels = []) => {
      const counter = new Counter(options(name, help, labels));
      return { add: (values = {}, by = 1) => counter.inc(values, by) };
    },
    gauge: (name, help, labels = []) => {
      const gauge = new Gauge(options(name, help, labels));
      return { set: (value, values = {}) => gauge.set(values, value) };
    },
    seconds: (name, help, labels = []) => {
      const histogram = new Histogram({ ...options(name, help, labels), buckets: BUCKETS });
      return { observe: (ms, values = {}) => histogram.observe(values, ms / 1000) };
    },
    text: () => registry.metrics(),
  };
}

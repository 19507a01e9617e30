// A process of the bench's own that answers each message of ours with one of its own: generator and sink.

import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';

export interface Forked<Question, Answer> {
  readonly pid: number;
  /** One question at a time. */
  ask(question: Question): Promise<Answer>;
  stop(): void;
}

export function startForked<Question extends object, Answer>(file: string): Forked<Question, Answer> {
  const child = fork(join(import.meta.dirname, file), { env: { ...process.env, NODE_OPTIONS: '' } });
  return {
    pid: child.pid ?? 0,
    ask: question => {
      const answer = answerOf<Answer>(child, file);
      child.send(question);
      return answer;
    },
    stop: () => child.kill('SIGKILL'),
  };
}

function answerOf<Answer>(child: ChildProcess, file: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const ended = () => reject(new Error(`bench/${file} ended`));
    child.once('exit', ended);
    child.once('message', (answer: Answer) => {
      child.off('exit', ended);
      resolve(answer);
    });
  });
}

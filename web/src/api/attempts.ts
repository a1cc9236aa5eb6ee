// Names attempts (`Idempotency-Key`): what is asked twice because no answer came, or because of a second click, is made once.
import { uuid } from "@/lib/ids";
import { ApiError } from "./errors";

/** An attempt that nobody took up again for this long is given up; the next one like it is a wish of its own. */
const FORGET_MS = 10 * 60_000;
const RETRIES_MAX = 2;

export type AttemptHeader = { "Idempotency-Key": string };

export function newAttempts(now: () => number = Date.now) {
  const open = new Map<string, { key: string; at: number }>();

  /** Sends `wish`, under the key of the last such attempt while it is not known what became of that one. */
  return async function once<T>(wish: unknown, send: (header: AttemptHeader) => Promise<T>): Promise<T> {
    const name = JSON.stringify(wish);
    for (const [old, { at }] of open) if (now() - at > FORGET_MS) open.delete(old);
    const key = open.get(name)?.key ?? uuid();
    open.set(name, { key, at: now() });
    const settle = () => {
      if (open.get(name)?.key === key) open.delete(name);
    };
    try {
      const answer = await send({ "Idempotency-Key": key });
      settle();
      return answer;
    } catch (error) {
      if (!isUnsettled(ApiError.of(error))) settle();
      throw error;
    }
  };
}

/** The page's own attempts. `wish` names what is asked: where, and the whole body. */
export const once = newAttempts();

/** Whether the same attempt may still come to something: no answer, or one that asks to come back. */
function isUnsettled({ status, code }: ApiError): boolean {
  return [0, 401, 408, 429].includes(status) || status >= 500 || code === "idempotency.running";
}

/** For mutations that send a key: asked again by themselves when the line, or the server, was away for a moment. */
export function retryAttempt(failures: number, thrown: unknown): boolean {
  const { status, code } = ApiError.of(thrown);
  return failures < RETRIES_MAX && ([0, 502, 503, 504].includes(status) || code === "idempotency.running");
}

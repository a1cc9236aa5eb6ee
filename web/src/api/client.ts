// The typed client. Adds the token, repeats a request once after a 401, and turns refusals into ApiError.
import createClient from "openapi-fetch";
import { learnClock } from "@/lib/serverClock";
import { ApiError } from "./errors";
import type { paths } from "./schema";
import { currentToken, type Session, session } from "./session";

const REQUEST_TIMEOUT_MS = 20_000;

/** `fetch` with the session's token: one refresh and one repetition when the token was refused. */
export function authorized(
  auth: Pick<Session, "freshToken" | "refresh">,
  send: typeof fetch,
  tokenNow: () => string | null,
) {
  return async (request: Request): Promise<Response> => {
    const spare = request.clone();
    const token = await auth.freshToken();
    const first = await send(withToken(request, token));
    if (first.status !== 401 || token === null) return first;
    // Somebody else may have refreshed since this request left.
    const now = tokenNow();
    if (now === token && (await auth.refresh()) !== "ok") return first;
    const renewed = tokenNow();
    return renewed ? send(withToken(spare, renewed)) : first;
  };
}

function withToken(request: Request, token: string | null): Request {
  if (token) request.headers.set("authorization", `Bearer ${token}`);
  return request;
}

const send = authorized(
  session,
  async (input) => {
    const askedAt = Date.now();
    const answer = await fetch(input, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
    learnClock(answer, askedAt, Date.now());
    return answer;
  },
  currentToken,
);

export const api = createClient<paths>({
  baseUrl: typeof location === "undefined" ? "http://localhost" : location.origin,
  fetch: send,
});

/** Long enough for a large file over a slow line. */
const BYTES_TIMEOUT_MS = 10 * 60_000;
const sendWithin = (ms: number) =>
  authorized(session, (input) => fetch(input, { signal: AbortSignal.timeout(ms) }), currentToken);

/** A good answer of the API to a question for bytes, with the session's token; anything else is thrown as an ApiError. */
export async function bytesAt(
  path: string,
  init: RequestInit = {},
  timeoutMs: number = BYTES_TIMEOUT_MS,
): Promise<Response> {
  try {
    const response = await sendWithin(timeoutMs)(new Request(new URL(path, location.origin), init));
    if (response.ok) return response;
    throw ApiError.fromResponse(response, await response.json().catch(() => null));
  } catch (error) {
    throw ApiError.of(error);
  }
}

/** The bytes behind an address of the API. */
export async function blobOf(path: string): Promise<Blob> {
  const response = await bytesAt(path);
  return response.blob().catch((error: unknown) => {
    throw ApiError.of(error);
  });
}

type Answer<T> = { data?: T; error?: unknown; response: Response };

/** The body of a good answer; anything else is thrown as an ApiError. */
export async function unwrap<T>(answer: Promise<Answer<T>>): Promise<T> {
  let result: Answer<T>;
  try {
    result = await answer;
  } catch (error) {
    throw ApiError.of(error);
  }
  if (!result.response.ok) throw ApiError.fromResponse(result.response, result.error);
  return result.data as T;
}

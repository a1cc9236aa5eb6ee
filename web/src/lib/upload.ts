// Sending a file with the session's token, told how far it is: `fetch` does not say.
import { ApiError } from "@/api/errors";
import { session } from "@/api/session";

const TIMEOUT_MS = 120_000;

/** The JSON of a good answer; anything else is thrown as an ApiError. `onProgress` hears shares from 0 to 1. */
export async function upload<T>(
  path: string,
  form: FormData,
  onProgress: (share: number) => void,
  { signal, timeoutMs = TIMEOUT_MS }: { signal?: AbortSignal; timeoutMs?: number } = {},
): Promise<T> {
  const token = await session.freshToken();
  return new Promise<T>((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.timeout = timeoutMs;
    if (token) request.setRequestHeader("authorization", `Bearer ${token}`);
    request.upload.onprogress = ({ loaded, total }) => onProgress(total > 0 ? loaded / total : 0);
    const lost = () => reject(new ApiError({ status: 0, code: "network" }));
    request.onerror = lost;
    request.ontimeout = lost;
    request.onabort = lost;
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    request.onload = () => {
      const body = parsed(request.responseText);
      if (request.status >= 200 && request.status < 300) return resolve(body as T);
      const headers = new Headers();
      for (const name of ["retry-after", "x-request-id"]) {
        const value = request.getResponseHeader(name);
        if (value) headers.set(name, value);
      }
      reject(ApiError.fromResponse(new Response(null, { status: request.status, headers }), body));
    };
    if (signal?.aborted) return lost();
    request.send(form);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A proxy in between may have written it.
    return null;
  }
}

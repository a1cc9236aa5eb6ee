import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { write } from "@/lib/storage";
import { authorized } from "./client";
import { Session, type SessionDeps, useSession } from "./session";
import type { User } from "./types";

const user = { id: "u1", username: "ana", display_name: "Ana" } as User;
const json = (status: number, body: unknown) =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });

/** A lock that really excludes, as the browser's does across tabs. */
function newLocks() {
  let tail: Promise<unknown> = Promise.resolve();
  return {
    request: (_: string, run: () => Promise<unknown>) => {
      const turn = tail.then(run);
      tail = turn.catch(() => undefined);
      return turn;
    },
  } as unknown as SessionDeps["locks"];
}

/** Answers refreshes with numbered tokens and counts them. */
function newServer() {
  const server = { refreshes: 0, status: 200 };
  const fetch = vi.fn(async (input: RequestInfo | URL) => {
    await Promise.resolve();
    if (String(input).endsWith("/me")) return json(200, user);
    server.refreshes += 1;
    return server.status === 200
      ? json(200, { access_token: `token-${server.refreshes}`, expires_in: 900 })
      : json(server.status, { code: "auth.refused" });
  });
  return Object.assign(server, { fetch: fetch as unknown as typeof globalThis.fetch });
}

const newSession = (server: ReturnType<typeof newServer>, extra: Partial<SessionDeps> = {}) =>
  new Session({ fetch: server.fetch, now: () => Date.now(), locks: newLocks(), channel: null, ...extra });

beforeEach(() => {
  vi.useFakeTimers();
  write("rillcast.session", "");
  useSession.setState({ status: "unknown", user: null, token: null });
});
afterEach(() => vi.useRealTimers());

describe("refresh", () => {
  it("asks the server once however many ask for it at the same time", async () => {
    const server = newServer();
    const session = newSession(server);
    const answers = await Promise.all([session.refresh(), session.refresh(), session.refresh()]);
    expect(answers).toEqual(["ok", "ok", "ok"]);
    expect(server.refreshes).toBe(1);
    expect(useSession.getState()).toMatchObject({ status: "signed-in", user });
  });

  it("is waited for by whoever asks before it is known who asks, but not for ever", async () => {
    const server = newServer();
    const session = newSession(server);
    void session.start();
    expect(await session.freshToken()).toBe("token-1");

    useSession.setState({ status: "unknown", user: null, token: null });
    const silent = newSession(server, { fetch: (() => new Promise(() => undefined)) as typeof fetch });
    void silent.start();
    const asked = silent.freshToken();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await asked).toBeNull();
  });

  it("takes the token another tab got while it waited for the lock", async () => {
    const server = newServer();
    let hear: (event: MessageEvent) => void = () => undefined;
    const channel = {
      postMessage: () => undefined,
      addEventListener: (_: string, listener: (event: MessageEvent) => void) => {
        hear = listener;
      },
    } as unknown as SessionDeps["channel"];
    let release: () => void = () => undefined;
    const locks = {
      request: async (_: string, run: () => Promise<unknown>) => {
        await new Promise<void>((done) => {
          release = done;
        });
        return run();
      },
    } as unknown as SessionDeps["locks"];
    const session = newSession(server, { channel, locks });
    const answer = session.refresh();
    const token = { value: "from-the-other-tab", expiresAt: Date.now() + 900_000 };
    hear({ data: { kind: "token", token, at: Date.now() } } as MessageEvent);
    release();
    expect(await answer).toBe("ok");
    expect(server.refreshes).toBe(0);
    expect(useSession.getState().token?.value).toBe("from-the-other-tab");
  });

  it("happens by itself a minute before the token ends", async () => {
    const server = newServer();
    newSession(server).signedIn(user, "first", 900);
    await vi.advanceTimersByTimeAsync(839_000);
    expect(server.refreshes).toBe(0);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(server.refreshes).toBe(1);
  });

  it("signs out on a refusal and stays signed in when the server is away", async () => {
    const server = newServer();
    const session = newSession(server);
    session.signedIn(user, "first", 900);
    server.status = 503;
    expect(await session.refresh()).toBe("unreachable");
    expect(useSession.getState().status).toBe("signed-in");
    server.status = 401;
    expect(await session.refresh()).toBe("signed-out");
    expect(useSession.getState()).toMatchObject({ status: "anonymous", user: null, token: null });
  });

  it("is not tried on load by a browser that signed out", async () => {
    const server = newServer();
    const session = newSession(server);
    session.signedIn(user, "first", 900);
    session.signedOut();
    await session.start();
    expect(server.refreshes).toBe(0);
    expect(useSession.getState().status).toBe("anonymous");
  });
});

describe("a request with a token", () => {
  const request = () => new Request("http://site/api/v1/me", { method: "POST", body: '{"a":1}' });

  it("is repeated once, body and all, with the renewed token after a 401", async () => {
    let token = "old";
    const auth = {
      freshToken: async () => token,
      refresh: async () => {
        token = "new";
        return "ok" as const;
      },
    };
    const seen: [string | null, string][] = [];
    const send = async (input: RequestInfo | URL) => {
      const sent = input as Request;
      seen.push([sent.headers.get("authorization"), await sent.text()]);
      return json(seen.length === 1 ? 401 : 200, {});
    };
    const response = await authorized(auth, send as typeof fetch, () => token)(request());
    expect(response.status).toBe(200);
    expect(seen).toEqual([
      ["Bearer old", '{"a":1}'],
      ["Bearer new", '{"a":1}'],
    ]);
  });

  it("is not repeated for a visitor, nor a second time", async () => {
    const refresh = vi.fn(async () => "ok" as const);
    const send = vi.fn(async () => json(401, {}));
    const visitor = authorized({ freshToken: async () => null, refresh }, send as typeof fetch, () => null);
    expect((await visitor(request())).status).toBe(401);
    expect(send).toHaveBeenCalledTimes(1);
    expect(refresh).not.toHaveBeenCalled();

    send.mockClear();
    const member = authorized({ freshToken: async () => "t", refresh }, send as typeof fetch, () => "t");
    expect((await member(request())).status).toBe(401);
    expect(send).toHaveBeenCalledTimes(2);
  });
});

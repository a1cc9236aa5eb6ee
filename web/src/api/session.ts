// Who is signed in. The access token lives in memory only; the refresh cookie is the server's and never seen here.
import { create } from "zustand";
import { backoffMs } from "@/lib/backoff";
import { read, write } from "@/lib/storage";
import { ApiError } from "./errors";
import type { User } from "./types";

/** How long before its end a token is replaced. */
const REFRESH_AHEAD_MS = 60_000;
/** A refresh that has not answered by now has failed. */
const REFRESH_TIMEOUT_MS = 15_000;
/** For so long a request waits, on load, until it is known who asks. */
const KNOWN_WITHIN_MS = 5_000;
const HINT_KEY = "rillcast.session";

export type SessionStatus = "unknown" | "anonymous" | "signed-in";
type Token = { value: string; expiresAt: number };
type State = { status: SessionStatus; user: User | null; token: Token | null };

export const useSession = create<State>(() => ({ status: "unknown", user: null, token: null }));

export const currentToken = (): string | null => useSession.getState().token?.value ?? null;

type Shared =
  | { kind: "token"; token: Token; at: number }
  | { kind: "signed-in"; user: User; token: Token }
  | { kind: "signed-out" };

/** What the session needs from its surroundings; tests give their own. */
export type SessionDeps = {
  fetch: typeof fetch;
  now: () => number;
  locks: Pick<LockManager, "request"> | null;
  channel: Pick<BroadcastChannel, "postMessage" | "addEventListener"> | null;
};

export type Refreshed = "ok" | "signed-out" | "unreachable";

export class Session {
  private inFlight: Promise<Refreshed> | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private failures = 0;
  /** When another tab last told us its token. */
  private sharedAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly deps: SessionDeps) {
    deps.channel?.addEventListener("message", (event) => this.hear((event as MessageEvent<Shared>).data));
  }

  /** On load: asks for a token unless this browser is known to be signed out. */
  async start(): Promise<void> {
    if (read(HINT_KEY) === "out") {
      useSession.setState({ status: "anonymous" });
      return;
    }
    if ((await this.refresh()) === "unreachable") {
      // Shown as a visitor for now; the timer tries again.
      useSession.setState({ status: "anonymous" });
    }
  }

  signedIn(user: User, accessToken: string, expiresInS: number): void {
    write(HINT_KEY, "in");
    const token = this.accept(accessToken, expiresInS);
    useSession.setState({ status: "signed-in", user, token });
    this.deps.channel?.postMessage({ kind: "signed-in", user, token } satisfies Shared);
  }

  signedOut(): void {
    this.forget();
    this.deps.channel?.postMessage({ kind: "signed-out" } satisfies Shared);
  }

  setUser(user: User): void {
    useSession.setState({ user });
  }

  /** A token good for a few seconds more, refreshed first when it is not. */
  async freshToken(): Promise<string | null> {
    const { token, status } = useSession.getState();
    if (!token) {
      // Who is here is being found out: a page that asked as a visitor meanwhile would stay a visitor's.
      if (status === "unknown" && this.inFlight) {
        await Promise.race([this.inFlight, new Promise((resolve) => setTimeout(resolve, KNOWN_WITHIN_MS))]);
      }
      return currentToken();
    }
    if (token.expiresAt - this.deps.now() > 5_000) return token.value;
    await this.refresh();
    return currentToken();
  }

  /** One refresh at a time, in this tab and across tabs; whoever asks meanwhile gets the same answer. */
  refresh(): Promise<Refreshed> {
    this.inFlight ??= this.refreshLocked().finally(() => {
      this.inFlight = null;
    });
    return this.inFlight;
  }

  private async refreshLocked(): Promise<Refreshed> {
    const askedAt = this.deps.now();
    const run = async (): Promise<Refreshed> => {
      // While we waited for the lock another tab may have done it for us.
      if (this.sharedAt >= askedAt && useSession.getState().token) return this.withUser();
      return this.ask();
    };
    const { locks } = this.deps;
    return locks ? ((await locks.request("rillcast.refresh", run)) as Refreshed) : run();
  }

  private async ask(): Promise<Refreshed> {
    let response: Response;
    try {
      response = await this.deps.fetch("/api/v1/auth/refresh", {
        method: "POST",
        credentials: "same-origin",
        signal: AbortSignal.timeout(REFRESH_TIMEOUT_MS),
      });
    } catch {
      return this.retryLater();
    }
    if (response.status === 401 || response.status === 403) {
      this.forget();
      return "signed-out";
    }
    if (!response.ok) return this.retryLater();
    const body = (await response.json()) as { access_token: string; expires_in: number };
    const token = this.accept(body.access_token, body.expires_in);
    useSession.setState({ token });
    write(HINT_KEY, "in");
    this.deps.channel?.postMessage({ kind: "token", token, at: this.deps.now() } satisfies Shared);
    return this.withUser();
  }

  /** Fetches who we are, once per sign-in. */
  private async withUser(): Promise<Refreshed> {
    const { user, token } = useSession.getState();
    if (user || !token) {
      useSession.setState({ status: user ? "signed-in" : "anonymous" });
      return "ok";
    }
    try {
      const response = await this.deps.fetch("/api/v1/me", {
        headers: { authorization: `Bearer ${token.value}` },
        signal: AbortSignal.timeout(REFRESH_TIMEOUT_MS),
      });
      if (!response.ok) throw ApiError.fromResponse(response, null);
      useSession.setState({ user: (await response.json()) as User, status: "signed-in" });
      return "ok";
    } catch {
      return this.retryLater();
    }
  }

  private accept(value: string, expiresInS: number): Token {
    this.failures = 0;
    const life = expiresInS * 1000;
    this.schedule(Math.max(life - REFRESH_AHEAD_MS, life / 2));
    return { value, expiresAt: this.deps.now() + life };
  }

  private retryLater(): "unreachable" {
    this.schedule(backoffMs(this.failures++, 2_000, 60_000));
    return "unreachable";
  }

  private schedule(ms: number): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.refresh(), ms);
  }

  private forget(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    write(HINT_KEY, "out");
    useSession.setState({ status: "anonymous", user: null, token: null });
  }

  private hear(message: Shared): void {
    if (message.kind === "signed-out") {
      this.forget();
    } else if (message.kind === "token") {
      this.sharedAt = Math.max(this.sharedAt, message.at);
      this.adopt(message.token);
    } else {
      this.adopt(message.token);
      useSession.setState({ status: "signed-in", user: message.user });
    }
  }

  /** Takes over a token another tab got. */
  private adopt(token: Token): void {
    const life = token.expiresAt - this.deps.now();
    this.schedule(Math.max(life - REFRESH_AHEAD_MS, life / 2, 1_000));
    useSession.setState({ token });
  }
}

export const session = new Session({
  fetch: (input, init) => fetch(input, init),
  now: () => Date.now(),
  locks: typeof navigator !== "undefined" && navigator.locks ? navigator.locks : null,
  channel: typeof BroadcastChannel === "function" ? new BroadcastChannel("rillcast.session") : null,
});

// A laptop that slept past the timer refreshes when it is looked at again.
if (typeof document !== "undefined") {
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") void session.freshToken();
  });
}

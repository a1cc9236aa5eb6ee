// localStorage and sessionStorage that may be forbidden, full or absent: then memory holds for this page.
const memory = new Map<string, string>();

function area(kind: "local" | "session"): Storage | null {
  try {
    return kind === "local" ? window.localStorage : window.sessionStorage;
  } catch {
    return null;
  }
}

export function read(key: string, kind: "local" | "session" = "local"): string | null {
  try {
    return area(kind)?.getItem(key) ?? memory.get(key) ?? null;
  } catch {
    return memory.get(key) ?? null;
  }
}

export function write(key: string, value: string, kind: "local" | "session" = "local"): void {
  memory.set(key, value);
  try {
    area(kind)?.setItem(key, value);
  } catch {
    // The copy in memory serves.
  }
}

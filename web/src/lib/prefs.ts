// Choices of this browser: theme, language of the interface, playback, the rail. Kept in localStorage.
import { create } from "zustand";
import { read, write } from "./storage";

export type Theme = "system" | "light" | "dark";

type Prefs = {
  theme: Theme;
  latencyMode: "low" | "normal";
  /** `auto`, or a picture such as `480p`. */
  quality: string;
  /** 0 to 1. */
  volume: number;
  isMuted: boolean;
  isTheatre: boolean;
  /** Single keys that steer the player. */
  hasShortcuts: boolean;
  isRailNarrow: boolean;
  isChatOpen: boolean;
  /** Size of the chat's text, in pixels. */
  chatSize: number;
  /** Whether each line of chat shows when it was said. */
  hasChatTimes: boolean;
  /** Whether the chat stands still while the pointer is over it. */
  isChatHeld: boolean;
};

export const CHAT_SIZES = [13, 14.5, 17, 20] as const;

const oneOf = <T extends string>(value: string | null, allowed: readonly T[], fallback: T): T =>
  allowed.find((known) => known === value) ?? fallback;

const share = (value: string | null, fallback: number): number => {
  const number = value === null || value === "" ? Number.NaN : Number(value);
  return number >= 0 && number <= 1 ? number : fallback;
};

const QUALITY = /^\d{2,4}p\d{0,3}$/;

export const usePrefs = create<Prefs>(() => ({
  theme: oneOf(read("rillcast.theme"), ["system", "light", "dark"], "system"),
  latencyMode: oneOf(read("rillcast.latency"), ["low", "normal"], "low"),
  quality: QUALITY.test(read("rillcast.quality") ?? "") ? (read("rillcast.quality") ?? "auto") : "auto",
  volume: share(read("rillcast.volume"), 1),
  isMuted: read("rillcast.muted") === "1",
  isTheatre: read("rillcast.theatre") === "1",
  hasShortcuts: read("rillcast.shortcuts") !== "off",
  isRailNarrow: read("rillcast.rail") === "narrow",
  isChatOpen: true,
  chatSize: CHAT_SIZES.find((size) => String(size) === read("rillcast.chat_size")) ?? 14.5,
  hasChatTimes: read("rillcast.chat_times") === "1",
  isChatHeld: read("rillcast.chat_held") === "1",
}));

const systemLight = window.matchMedia("(prefers-color-scheme: light)");

let isOverlaid = false;

function paint(): void {
  const { theme } = usePrefs.getState();
  const dark = isOverlaid || theme === "dark" || (theme === "system" && !systemLight.matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  document
    .querySelector('meta[name="theme-color"]')
    ?.setAttribute("content", getComputedStyle(document.documentElement).getPropertyValue("--ground").trim());
}

export function setTheme(theme: Theme): void {
  usePrefs.setState({ theme });
  write("rillcast.theme", theme);
  paint();
}

export function setLatencyMode(latencyMode: Prefs["latencyMode"]): void {
  usePrefs.setState({ latencyMode });
  write("rillcast.latency", latencyMode);
}

/** Sound alone is a choice for now, not for next time. */
export function setQuality(quality: string): void {
  const kept = QUALITY.test(quality) ? quality : "auto";
  usePrefs.setState({ quality: kept });
  write("rillcast.quality", kept);
}

export function setSound(volume: number, isMuted: boolean): void {
  usePrefs.setState({ volume, isMuted });
  write("rillcast.volume", String(volume));
  write("rillcast.muted", isMuted ? "1" : "0");
}

export function setTheatre(isTheatre: boolean): void {
  usePrefs.setState({ isTheatre });
  write("rillcast.theatre", isTheatre ? "1" : "0");
}

export function setShortcuts(hasShortcuts: boolean): void {
  usePrefs.setState({ hasShortcuts });
  write("rillcast.shortcuts", hasShortcuts ? "on" : "off");
}

export function setChatSize(chatSize: number): void {
  usePrefs.setState({ chatSize });
  write("rillcast.chat_size", String(chatSize));
}

export function setChatTimes(hasChatTimes: boolean): void {
  usePrefs.setState({ hasChatTimes });
  write("rillcast.chat_times", hasChatTimes ? "1" : "0");
}

export function setChatHeld(isChatHeld: boolean): void {
  usePrefs.setState({ isChatHeld });
  write("rillcast.chat_held", isChatHeld ? "1" : "0");
}

/** The page lies over a picture: no ground of its own, and light words whatever the theme. */
export function setOverlaid(isOn: boolean): void {
  isOverlaid = isOn;
  document.documentElement.toggleAttribute("data-overlay", isOn);
  paint();
}

export function setRailNarrow(isRailNarrow: boolean): void {
  usePrefs.setState({ isRailNarrow });
  write("rillcast.rail", isRailNarrow ? "narrow" : "wide");
}

systemLight.addEventListener("change", paint);

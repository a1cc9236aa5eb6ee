// Choices of this browser: theme, language of the interface, delay, the rail. Kept in localStorage.
import { create } from "zustand";
import { read, write } from "./storage";

export type Theme = "system" | "light" | "dark";

type Prefs = {
  theme: Theme;
  latencyMode: "low" | "normal";
  isRailNarrow: boolean;
  isChatOpen: boolean;
};

const oneOf = <T extends string>(value: string | null, allowed: readonly T[], fallback: T): T =>
  allowed.find((known) => known === value) ?? fallback;

export const usePrefs = create<Prefs>(() => ({
  theme: oneOf(read("rillcast.theme"), ["system", "light", "dark"], "system"),
  latencyMode: oneOf(read("rillcast.latency"), ["low", "normal"], "low"),
  isRailNarrow: read("rillcast.rail") === "narrow",
  isChatOpen: true,
}));

const systemLight = window.matchMedia("(prefers-color-scheme: light)");

function paint(): void {
  const { theme } = usePrefs.getState();
  const dark = theme === "dark" || (theme === "system" && !systemLight.matches);
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

export function setRailNarrow(isRailNarrow: boolean): void {
  usePrefs.setState({ isRailNarrow });
  write("rillcast.rail", isRailNarrow ? "narrow" : "wide");
}

systemLight.addEventListener("change", paint);

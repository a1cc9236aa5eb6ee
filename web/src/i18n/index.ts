// English and Vietnamese. Every word people read is in en.json and vi.json; components hold keys.
import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import { read, write } from "@/lib/storage";
import en from "./en.json";
import vi from "./vi.json";

export const LANGUAGES = ["en", "vi"] as const;
export type Language = (typeof LANGUAGES)[number];

declare module "i18next" {
  interface CustomTypeOptions {
    defaultNS: "translation";
    resources: { translation: typeof en };
  }
}

const KEY = "rillcast.lang";

/** The chosen language, else the first the browser asks for that we speak, else English. */
export function pickLanguage(stored: string | null, wanted: readonly string[]): Language {
  const known = (tag: string | null) => LANGUAGES.find((lang) => tag?.toLowerCase().split("-")[0] === lang);
  return known(stored) ?? wanted.map(known).find((lang) => lang !== undefined) ?? "en";
}

export async function startI18n(): Promise<void> {
  const lng = pickLanguage(read(KEY), navigator.languages ?? []);
  await i18next.use(initReactI18next).init({
    lng,
    fallbackLng: "en",
    resources: { en: { translation: en }, vi: { translation: vi } },
    // React escapes.
    interpolation: { escapeValue: false },
  });
  document.documentElement.lang = lng;
}

export async function setLanguage(lang: Language): Promise<void> {
  write(KEY, lang);
  await i18next.changeLanguage(lang);
  document.documentElement.lang = lang;
}

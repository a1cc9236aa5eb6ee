import { useTranslation } from "react-i18next";
import type { Language } from ".";

/** The language in use, for Intl. */
export function useLang(): Language {
  return useTranslation().i18n.language === "vi" ? "vi" : "en";
}

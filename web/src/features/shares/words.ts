// What is said of a link.
import type { TFunction } from "i18next";
import type { ShareLink } from "./api";

/** A moment, to the minute. */
export const moment = (iso: string, lang: string): string =>
  new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso));

/** What may be done with it, until when, how often, and whether a password is asked. */
export function factsOf(t: TFunction, lang: string, link: ShareLink): string[] {
  return [
    link.resource_type === "vod" ? t("shares.fact.watch") : t(`shares.permission.${link.permission}`),
    link.expires_at
      ? t("shares.fact.until", { when: moment(link.expires_at, lang) })
      : t("shares.fact.no_end"),
    ...(link.max_accesses ? [t("shares.fact.visits", { count: link.max_accesses })] : []),
    ...(link.has_password ? [t("shares.fact.password")] : []),
  ];
}

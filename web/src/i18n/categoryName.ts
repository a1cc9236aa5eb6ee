import type { TFunction } from "i18next";
import i18next from "i18next";

/** A seeded category in the reader's language; one an admin named keeps its name. */
export function categoryName(t: TFunction, category: { slug: string; name: string }): string {
  const key = `categories.seeded.${category.slug.replaceAll("-", "_")}` as "categories.seeded.games";
  const seeded = i18next.getFixedT("en")(key, { defaultValue: "" });
  return seeded === category.name ? t(key) : category.name;
}

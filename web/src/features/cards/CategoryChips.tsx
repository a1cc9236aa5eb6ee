import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { categories } from "@/api/queries";
import { categoryName } from "@/i18n/categoryName";
import { cx } from "@/lib/cx";

const chip =
  "inline-flex h-9 shrink-0 items-center rounded-full border px-4 text-sm font-semibold transition-colors whitespace-nowrap";

/** Categories as links: the choice is in the address. */
export function CategoryChips({ active, q, to }: { active?: string; q?: string; to: "/" | "/browse" }) {
  const { t } = useTranslation();
  const { data } = useQuery(categories());
  const look = (isActive: boolean) =>
    cx(
      chip,
      isActive
        ? "border-melt bg-melt text-on-melt"
        : "border-line bg-surface text-soft hover:border-line-strong hover:text-text",
    );
  return (
    <nav
      aria-label={t("categories.filter")}
      className="-mx-1 overflow-x-auto px-1 py-1 [scrollbar-width:none]"
    >
      <ul className="flex gap-2">
        <li>
          <Link to={to} search={{ q }} className={look(!active)} aria-current={active ? undefined : "true"}>
            {t("categories.all")}
          </Link>
        </li>
        {data?.items.map((category) => (
          <li key={category.slug}>
            <Link
              to={to}
              search={{ q, category: category.slug }}
              className={look(active === category.slug)}
              aria-current={active === category.slug ? "true" : undefined}
            >
              {categoryName(t, category)}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}

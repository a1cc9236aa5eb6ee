import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import type { User } from "@/api/types";

/** Where the staff works. What is for administrators only is not shown to moderators. */
const PLACES = [
  { to: "/admin", word: "overview", forAdmins: false },
  { to: "/admin/jobs", word: "jobs", forAdmins: true },
  { to: "/admin/members", word: "members", forAdmins: false },
  { to: "/admin/reports", word: "reports", forAdmins: false },
  { to: "/admin/payments", word: "payments", forAdmins: true },
  { to: "/admin/categories", word: "categories", forAdmins: true },
  { to: "/admin/audit", word: "audit", forAdmins: true },
  { to: "/admin/settings", word: "settings", forAdmins: true },
] as const;

/** From one page of the console to the others. */
export function AdminNav({ user }: { user: User }) {
  const { t } = useTranslation();
  const places = PLACES.filter((place) => user.role === "admin" || !place.forAdmins);
  return (
    <nav
      aria-label={t("admin.nav")}
      className="container-page max-w-[1100px] overflow-x-auto pt-5"
      data-testid="admin-nav"
    >
      <ul className="flex gap-1 border-line border-b pb-1">
        {places.map((place) => (
          <li key={place.to}>
            <Link
              to={place.to}
              activeOptions={{ exact: true }}
              className="block whitespace-nowrap rounded-sm px-3 py-1.5 font-semibold text-sm text-soft hover:bg-raised hover:text-text aria-[current=page]:bg-raised aria-[current=page]:text-text"
            >
              {t(`admin.${place.word}.title`)}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}

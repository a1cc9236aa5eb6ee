import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { bytes } from "@/features/vod/keeping";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { Skeleton } from "@/ui/bits";
import { limits } from "./api";

/** From here on it is said in another colour. */
const NEARLY = 0.9;

/** How much room the member's files take, and how much is left. */
export function QuotaBar() {
  const { t } = useTranslation();
  const lang = useLang();
  const known = useQuery(limits());
  if (known.isPending) return <Skeleton className="h-9 w-full max-w-80" />;
  if (!known.data) return null;
  const {
    used_bytes: used,
    quota_bytes: quota = null,
    media_only,
    file_bytes_max,
    plan,
    plan_name,
  } = known.data;
  const part = quota ? Math.min(1, used / quota) : 0;
  return (
    <div
      className="flex w-full max-w-80 flex-col gap-1.5"
      data-testid="quota"
      data-used={used}
      data-plan={plan}
      data-quota={quota}
    >
      <p className={cx("tabular text-sm", part >= NEARLY ? "font-semibold text-warn" : "text-soft")}>
        {quota === null
          ? t("files.quota.used", { used: bytes(used, lang) })
          : t("files.quota.of", { used: bytes(used, lang), quota: bytes(quota, lang) })}{" "}
        <Link to="/plans" className="font-normal text-melt underline underline-offset-4">
          {t("files.quota.plan", { plan: plan_name })}
        </Link>
      </p>
      {quota !== null && (
        <div
          // The line above says it.
          aria-hidden="true"
          className="h-2 overflow-hidden rounded-full bg-line"
        >
          <div
            className={cx("h-full rounded-full", part >= NEARLY ? "bg-warn" : "bg-melt")}
            style={{ width: `${part * 100}%` }}
          />
        </div>
      )}
      <p className="text-faint text-xs">
        {t(media_only ? "files.quota.media_only" : "files.quota.each", { size: bytes(file_bytes_max, lang) })}
      </p>
    </div>
  );
}

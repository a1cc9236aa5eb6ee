// How long a recording is kept, and what befell it: for its owner, beside its date.
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { storage } from "@/api/queries";
import { useSession } from "@/api/session";
import type { Vod } from "@/api/types";
import { useLang } from "@/i18n/useLang";
import { day } from "@/lib/time";
import { bytes, keptUntil } from "./keeping";
import { importFail } from "./making";

export function Keeping({ vod }: { vod: Vod }) {
  const { t } = useTranslation();
  const lang = useLang();
  const isMine = useSession((session) => session.user?.username === vod.channel.username);
  const rules = useQuery({ ...storage(), enabled: isMine });
  if (!isMine) return null;
  const until = keptUntil(vod, rules.data?.keep_days ?? null);
  const failed = importFail(vod.fail_reason);
  const reason = vod.status === "failed" ? failReason(vod.fail_reason) : null;
  return (
    <>
      {reason && (
        <p className="mt-1 text-danger text-sm" data-testid="vod-fail-reason">
          {failed
            ? t(`making.fail.${failed}`)
            : reason === "other"
              ? vod.fail_reason
              : t(`vod.fail.${reason}`)}
        </p>
      )}
      {vod.stop_reason === "quota" && (
        <p className="mt-1 text-sm text-warn" data-testid="vod-stop-reason">
          {t("vod.stopped_quota")}
        </p>
      )}
      {until && vod.status !== "recording" && vod.status !== "processing" && (
        <p className="mt-1 text-faint text-sm" data-testid="vod-kept-until">
          <time dateTime={until}>{t("vod.kept_until", { day: day(until, lang) })}</time>
        </p>
      )}
    </>
  );
}

/** Room taken and the rules, in one line. */
export function StorageLine() {
  const { t } = useTranslation();
  const lang = useLang();
  const { data } = useQuery(storage());
  if (!data) return null;
  const quota = data.quota_bytes ?? null;
  const isFull = quota !== null && data.used_bytes >= quota;
  return (
    <p className={isFull ? "mb-4 text-sm text-warn" : "mb-4 text-soft text-sm"} data-testid="storage-line">
      {quota === null
        ? t("studio.storage_used", { used: bytes(data.used_bytes, lang) })
        : t("studio.storage_of", { used: bytes(data.used_bytes, lang), quota: bytes(quota, lang) })}{" "}
      {data.keep_days != null && t("studio.kept_for", { count: data.keep_days })}
      {isFull && <span className="block font-semibold">{t("studio.storage_full")}</span>}
    </p>
  );
}

function failReason(reason: string | null | undefined) {
  if (reason === "its media is gone from the storage") return "gone" as const;
  if (reason === "nothing of it has reached the storage") return "nothing" as const;
  return reason ? ("other" as const) : null;
}

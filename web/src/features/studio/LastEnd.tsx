import { useQuery } from "@tanstack/react-query";
import { TriangleAlert } from "lucide-react";
import { useTranslation } from "react-i18next";
import { streamSettings } from "@/api/queries";
import { useLang } from "@/i18n/useLang";
import { ago } from "@/lib/time";
import { endWord } from "./takeover";

/** Why the last stream is over: whoever was cut off wants to know before the next one. */
export function LastEnd() {
  const { t } = useTranslation();
  const lang = useLang();
  const last = useQuery(streamSettings()).data?.last;
  if (!last) return null;
  const word = endWord(last.end_reason, last.encoder_end_reason);
  const isAsked = word === "unpublished";
  return (
    <p className="mt-2 flex items-start gap-2 text-sm" data-testid="last-end" data-reason={word}>
      {!isAsked && <TriangleAlert aria-hidden="true" className="mt-0.5 size-4 shrink-0 text-warn" />}
      <span className="min-w-0 text-soft [overflow-wrap:anywhere]">
        {t("studio.last", { title: last.title, ago: ago(last.ended_at, lang) })}{" "}
        <span className={isAsked ? "" : "text-text"}>{t(`studio.ended.${word}`)}</span>
      </span>
    </p>
  );
}

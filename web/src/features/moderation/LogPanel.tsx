import { useInfiniteQuery } from "@tanstack/react-query";
import { Undo2 } from "lucide-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import type { ModAct } from "@/api/types";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { serverTime } from "@/lib/serverClock";
import { day, secondsSince, timeOfDay } from "@/lib/time";
import { useNow } from "@/lib/useNow";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { inputClass } from "@/ui/field";
import { More } from "@/ui/more";
import { type LogFilter, mayUndo, takenBack } from "./acts";
import { modLog } from "./queries";
import { useActs } from "./useActs";
import { actionName, describe } from "./words";

const ACTIONS = [
  "timeout",
  "ban",
  "unban",
  "warn",
  "delete",
  "approve",
  "deny",
  "clear",
  "modes",
  "shield",
  "mod",
  "unmod",
  "filter_add",
  "filter_remove",
  "clip_remove",
  "request_deny",
  "report_resolve",
  "report_dismiss",
  "report_escalate",
  "undo",
] as const;
const TYPING_MS = 250;
const DAY_S = 86_400;
const small = cx(inputClass, "h-9! px-2.5! text-sm");

/** Who did what to whom, when and why; the newest first. */
export function LogPanel({ channel, me }: { channel: string; me: string }) {
  const { t } = useTranslation();
  const [filter, setFilter] = useState<LogFilter>({});
  const [asked, setAsked] = useState(filter);
  useEffect(() => {
    // Not a question for each letter of a name.
    const timer = setTimeout(() => setAsked(filter), TYPING_MS);
    return () => clearTimeout(timer);
  }, [filter]);
  const query = useInfiniteQuery(modLog(channel, asked));
  const { undo } = useActs(channel);
  const acts = query.data?.pages.flatMap((page) => page.items) ?? [];
  // What took an act back may not be among what was asked for.
  const all = useInfiniteQuery(modLog(channel, {}));
  const gone = takenBack([...acts, ...(all.data?.pages.flatMap((page) => page.items) ?? [])]);
  const set = (field: keyof LogFilter, value: string) =>
    setFilter(({ [field]: _, ...others }) => (value.trim() ? { ...others, [field]: value.trim() } : others));
  return (
    <>
      <search className="mb-3 grid grid-cols-2 gap-2 @sm:grid-cols-3">
        <select
          aria-label={t("mod.log.action")}
          value={filter.action ?? ""}
          onChange={(event) => set("action", event.target.value)}
          className={cx(small, "@max-sm:col-span-2")}
          data-testid="log-action"
        >
          <option value="">{t("mod.log.any")}</option>
          {ACTIONS.map((action) => (
            <option key={action} value={action}>
              {actionName(t, action)}
            </option>
          ))}
        </select>
        <input
          aria-label={t("mod.log.actor")}
          placeholder={t("mod.log.actor")}
          onChange={(event) => set("actor", event.target.value)}
          className={small}
          autoComplete="off"
          data-testid="log-actor"
        />
        <input
          aria-label={t("mod.log.target")}
          placeholder={t("mod.log.target")}
          onChange={(event) => set("target", event.target.value)}
          className={small}
          autoComplete="off"
          data-testid="log-target"
        />
      </search>
      {query.isPending && <Skeleton className="h-32" />}
      {query.isError && !query.data && (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      )}
      {query.data && acts.length === 0 && (
        <p className="text-faint text-sm">
          {Object.keys(asked).length > 0 ? t("mod.log.none") : t("mod.log.empty")}
        </p>
      )}
      <ol className="flex flex-col gap-2.5" data-testid="mod-log" aria-label={t("mod.log.title")}>
        {acts.map((act) => (
          <Entry
            key={act.act_id}
            act={act}
            isGone={gone.has(act.act_id)}
            me={me}
            onUndo={() => void undo(act.act_id)}
          />
        ))}
      </ol>
      <More list={query} size="s" className="mt-3" />
    </>
  );
}

export function Entry({
  act,
  isGone,
  me,
  onUndo,
}: {
  act: ModAct;
  isGone: boolean;
  me: string;
  onUndo: () => void;
}) {
  const { t } = useTranslation();
  const lang = useLang();
  const isOpen = !isGone && mayUndo(act, me, serverTime(Date.now()));
  // Counts down only while there is something to count.
  useNow(isOpen ? 1_000 : null);
  const text = act.action === "delete" ? act.detail?.text : undefined;
  return (
    <li
      data-testid="mod-act"
      data-action={act.action}
      data-actor={act.actor}
      data-target={act.target ?? ""}
      data-gone={isGone}
      className="flex items-start gap-2 text-sm leading-snug"
    >
      <div className="min-w-0 flex-1 [overflow-wrap:anywhere]">
        <p className={isGone ? "text-faint line-through" : undefined}>
          <strong className="font-semibold">{act.actor}</strong>: {describe(t, lang, act)}
        </p>
        {act.reason && <p className="text-soft">{t("mod.log.because", { reason: act.reason })}</p>}
        {text && <p className="truncate text-faint">{text}</p>}
        <p className="tabular text-faint text-xs">
          <time dateTime={act.at}>
            {secondsSince(act.at) > DAY_S && `${day(act.at, lang)}, `}
            {timeOfDay(act.at, lang)}
          </time>
          {isGone && ` · ${t("mod.log.gone")}`}
        </p>
      </div>
      {isOpen && (
        <Button size="s" onClick={onUndo} data-testid="log-undo">
          <Undo2 />
          {t("mod.undo")}
        </Button>
      )}
    </li>
  );
}

import { useInfiniteQuery } from "@tanstack/react-query";
import { ArrowUpRight, Check, Clock, IdCard, Trash2, X } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { ReportCase } from "@/api/types";
import { CaseFacts } from "@/features/report/CaseFacts";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { Card } from "./Card";
import { reports, useReportDecision } from "./queries";
import { useActs } from "./useActs";

const TIMEOUT_S = 600;

/** Lines of this chat that viewers reported, the latest first. */
export function ReportsPanel({ channel }: { channel: string }) {
  const { t } = useTranslation();
  const query = useInfiniteQuery(reports(channel));
  const items = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      {query.isPending && <Skeleton className="h-20" />}
      {query.isError && !query.data && (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      )}
      {query.data && items.length === 0 && <p className="text-faint text-sm">{t("mod.reports.empty")}</p>}
      <ul className="flex flex-col gap-4" aria-label={t("mod.panel.reports")}>
        {items.map((one) => (
          <Case key={one.id} channel={channel} one={one} />
        ))}
      </ul>
      {query.hasNextPage && (
        <Button size="s" className="mt-3" onClick={() => void query.fetchNextPage()}>
          {t("actions.more")}
        </Button>
      )}
    </>
  );
}

function Case({ channel, one }: { channel: string; one: ReportCase }) {
  const { t } = useTranslation();
  const { act } = useActs(channel);
  const decide = useReportDecision(channel);
  const [isKnown, setKnown] = useState(false);
  const name = one.accused;
  const to = (action: "resolve" | "dismiss" | "escalate") => decide.mutate({ id: one.id, action });
  return (
    <li className="flex flex-col gap-2 text-sm leading-snug" data-testid="report" data-id={one.id}>
      <CaseFacts one={one} isDesk />
      <div className="flex flex-wrap gap-1.5">
        <Button
          size="icon-s"
          onClick={() => void act({ action: "delete", message_id: one.thing_id })}
          aria-label={t("chat.delete_by", { name })}
          title={t("mod.delete")}
          data-testid="report-delete"
        >
          <Trash2 />
        </Button>
        <Button
          size="icon-s"
          onClick={() => void act({ action: "timeout", member: name, seconds: TIMEOUT_S, strike: false })}
          aria-label={t("mod.reports.timeout", { name })}
          title={t("mod.reports.timeout", { name })}
          data-testid="report-timeout"
        >
          <Clock />
        </Button>
        <Button
          size="icon-s"
          onClick={() => setKnown(true)}
          aria-label={t("mod.reports.card", { name })}
          title={t("mod.card.open")}
        >
          <IdCard />
        </Button>
        <span className="flex-1" />
        <Button
          size="s"
          look="solid"
          disabled={decide.isPending}
          onClick={() => to("resolve")}
          aria-label={t("mod.reports.resolve_named", { name })}
          data-testid="report-resolve"
        >
          <Check />
          {t("mod.reports.resolve")}
        </Button>
        <Button
          size="s"
          disabled={decide.isPending}
          onClick={() => to("dismiss")}
          aria-label={t("mod.reports.dismiss_named", { name })}
          data-testid="report-dismiss"
        >
          <X />
          {t("mod.reports.dismiss")}
        </Button>
        <Button
          size="s"
          look="ghost"
          disabled={decide.isPending}
          onClick={() => to("escalate")}
          aria-label={t("mod.reports.escalate_named", { name })}
          data-testid="report-escalate"
        >
          <ArrowUpRight />
          {t("mod.reports.escalate")}
        </Button>
      </div>
      {isKnown && <Card channel={channel} member={name} name={name} onClose={() => setKnown(false)} />}
    </li>
  );
}

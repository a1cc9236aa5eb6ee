import { useInfiniteQuery } from "@tanstack/react-query";
import { ArrowUpRight, Clock, IdCard, Trash2 } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { ReportCase } from "@/api/types";
import { CaseFacts } from "@/features/report/CaseFacts";
import { Verdict } from "@/features/report/Verdict";
import { Button, IconButton } from "@/ui/button";
import { Card } from "./Card";
import { Listed } from "./Listed";
import { reports, useReportDecision } from "./queries";
import { useActs } from "./useActs";

const TIMEOUT_S = 600;

/** Lines of this chat that viewers reported, the latest first. */
export function ReportsPanel({ channel }: { channel: string }) {
  const { t } = useTranslation();
  const query = useInfiniteQuery(reports(channel));
  const items = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Listed query={query} empty={items.length === 0 ? t("mod.reports.empty") : null}>
      <ul className="flex flex-col gap-4" aria-label={t("mod.panel.reports")}>
        {items.map((one) => (
          <Case key={one.id} channel={channel} one={one} />
        ))}
      </ul>
    </Listed>
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
        <IconButton
          onClick={() => void act({ action: "delete", message_id: one.thing_id })}
          label={t("chat.delete_by", { name })}
          hint={t("mod.delete")}
          data-testid="report-delete"
        >
          <Trash2 />
        </IconButton>
        <IconButton
          onClick={() => void act({ action: "timeout", member: name, seconds: TIMEOUT_S, strike: false })}
          label={t("mod.reports.timeout", { name })}
          data-testid="report-timeout"
        >
          <Clock />
        </IconButton>
        <IconButton
          onClick={() => setKnown(true)}
          label={t("mod.reports.card", { name })}
          hint={t("mod.card.open")}
        >
          <IdCard />
        </IconButton>
        <span className="flex-1" />
        <Verdict
          isBusy={decide.isPending}
          yes={{
            label: t("mod.reports.resolve"),
            named: t("mod.reports.resolve_named", { name }),
            testId: "report-resolve",
            onClick: () => to("resolve"),
          }}
          no={{
            label: t("mod.reports.dismiss"),
            named: t("mod.reports.dismiss_named", { name }),
            testId: "report-dismiss",
            onClick: () => to("dismiss"),
          }}
        />
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

import { useQuery } from "@tanstack/react-query";
import { Check, X } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { HeldLine } from "@/api/types";
import { serverTime } from "@/lib/serverClock";
import { clock, secondsUntil } from "@/lib/time";
import { useNow } from "@/lib/useNow";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { heldLines } from "./queries";
import { useActs } from "./useActs";

/** Lines that wait for somebody to let them through, the oldest first. */
export function HeldPanel({ channel }: { channel: string }) {
  const { t } = useTranslation();
  const query = useQuery(heldLines(channel));
  const now = serverTime(useNow(query.data?.items.length ? 1_000 : null));
  const waiting = query.data?.items.filter((line) => secondsUntil(line.expires_at, now) !== null);
  return (
    <>
      {query.isPending && <Skeleton className="h-16" />}
      {query.isError && !query.data && (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      )}
      {waiting?.length === 0 && <p className="text-faint text-sm">{t("mod.held.empty")}</p>}
      <ul className="flex flex-col gap-3" aria-label={t("mod.panel.held")}>
        {waiting?.map((line) => (
          <Waiting key={line.id} channel={channel} line={line} now={now} />
        ))}
      </ul>
    </>
  );
}

function Waiting({ channel, line, now }: { channel: string; line: HeldLine; now: number }) {
  const { t } = useTranslation();
  const { act } = useActs(channel);
  const [isBusy, setBusy] = useState(false);
  const { display_name: name } = line.user;
  const decide = async (action: "approve" | "deny") => {
    setBusy(true);
    await act({ action, held_id: line.id });
    setBusy(false);
  };
  return (
    <li className="flex items-start gap-2 text-sm leading-snug" data-testid="held" data-id={line.id}>
      <div className="min-w-0 flex-1 [overflow-wrap:anywhere]">
        <p>
          <strong className="font-semibold">{name}</strong> {line.text}
        </p>
        <p className="tabular text-faint text-xs">
          {t(`mod.held.${line.why}`)}
          {" · "}
          {t("mod.held.left", { left: clock(secondsUntil(line.expires_at, now) ?? 0) })}
        </p>
      </div>
      <Button
        size="icon-s"
        onClick={() => void decide("approve")}
        disabled={isBusy}
        aria-label={t("mod.held.approve", { name })}
        title={t("mod.held.approve", { name })}
        data-testid="held-approve"
      >
        <Check className="text-good" />
      </Button>
      <Button
        size="icon-s"
        onClick={() => void decide("deny")}
        disabled={isBusy}
        aria-label={t("mod.held.deny", { name })}
        title={t("mod.held.deny", { name })}
        data-testid="held-deny"
      >
        <X className="text-danger" />
      </Button>
    </li>
  );
}

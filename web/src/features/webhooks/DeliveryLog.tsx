import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import type { TFunction } from "i18next";
import { ChevronDown, RotateCw } from "lucide-react";
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Webhook, WebhookDelivery, WebhookDeliveryState } from "@/api/types";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { ago, timeOfDay } from "@/lib/time";
import { useNow } from "@/lib/useNow";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { More } from "@/ui/more";
import { Segmented } from "@/ui/segmented";
import { pretty } from "./events";
import { deliveries, delivery, useWebhookActs } from "./queries";

const FILTERS = ["all", "waiting", "delivered", "failed"] as const;
type Filter = (typeof FILTERS)[number];

/** What was sent to a webhook, and what came of it. */
export function DeliveryLog({ webhook }: { webhook: Webhook }) {
  const { t } = useTranslation();
  const [filter, setFilter] = useState<Filter>("all");
  const state: WebhookDeliveryState | undefined = filter === "all" ? undefined : filter;
  const query = useInfiniteQuery(deliveries(webhook.id, state));
  const items = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="flex flex-col gap-4 border-line border-t pt-4" data-testid="webhook-log">
      <div className="-mx-1 overflow-x-auto px-1 pb-1">
        <div className="w-max">
          <Segmented
            label={t("webhooks.log")}
            value={filter}
            onChange={setFilter}
            options={FILTERS.map((value) => ({ value, label: t(`webhooks.filter.${value}`) }))}
          />
        </div>
      </div>
      {query.isPending && <Skeleton className="h-32" />}
      {query.isError && !query.data && (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      )}
      {query.data && items.length === 0 && (
        <p className="text-faint text-sm">
          {filter === "all" ? t("webhooks.log_empty") : t("webhooks.log_none")}
        </p>
      )}
      {items.length > 0 && (
        <ul className="flex flex-col divide-y divide-line rounded-md border border-line">
          {items.map((one) => (
            <Row key={one.id} webhook={webhook} one={one} />
          ))}
        </ul>
      )}
      <More list={query} size="s" className="self-center" />
      <p className="text-faint text-xs">{t("webhooks.log_kept")}</p>
    </div>
  );
}

const tones: Record<WebhookDeliveryState, string> = {
  delivered: "bg-good-wash text-good border-good/40",
  waiting: "bg-warn-wash text-warn border-warn/40",
  failed: "bg-danger-wash text-danger border-danger/40",
};

function Row({ webhook, one }: { webhook: Webhook; one: WebhookDelivery }) {
  const { t } = useTranslation();
  const lang = useLang();
  const now = useNow(30_000);
  const id = useId();
  const [isOpen, setOpen] = useState(false);
  return (
    <li
      data-testid="delivery"
      data-type={one.type}
      data-state={one.state}
      data-status={one.status ?? undefined}
    >
      <button
        type="button"
        aria-expanded={isOpen}
        aria-controls={id}
        onClick={() => setOpen(!isOpen)}
        className="flex w-full flex-wrap items-center gap-x-3 gap-y-1 px-3.5 py-2.5 text-left hover:bg-raised"
      >
        <span
          className={cx(
            "inline-flex h-6 min-w-20 items-center justify-center rounded-full border px-2.5 font-semibold text-xs",
            tones[one.state],
          )}
        >
          {t(`webhooks.filter.${one.state}`)}
        </span>
        <span className="font-mono text-[13px]">{one.type}</span>
        <span className="min-w-0 flex-1 basis-40 text-faint text-sm">
          {ago(one.created_at, lang, now)}
          {outcome(t, one) && ` · ${outcome(t, one)}`}
        </span>
        <ChevronDown
          aria-hidden="true"
          className={cx("size-4 shrink-0 text-faint transition-transform", isOpen && "rotate-180")}
        />
      </button>
      <div id={id} hidden={!isOpen} className="px-3.5 pb-4">
        {isOpen && <Message webhook={webhook} one={one} />}
      </div>
    </li>
  );
}

/** What is known of the last attempt, in a few words. */
function outcome(t: TFunction, one: WebhookDelivery): string {
  const words: string[] = [];
  if (one.status) words.push(`HTTP ${one.status}`);
  else if (one.fault) words.push(t(`webhooks.fault.${one.fault}`));
  if (one.latency_ms !== null && one.latency_ms !== undefined && one.status)
    words.push(t("webhooks.latency", { ms: one.latency_ms }));
  if (one.attempts > 1) words.push(t("webhooks.attempts", { count: one.attempts }));
  return words.join(" · ");
}

function Message({ webhook, one }: { webhook: Webhook; one: WebhookDelivery }) {
  const { t } = useTranslation();
  const lang = useLang();
  const query = useQuery(delivery(webhook.id, one.id));
  const { replay } = useWebhookActs(webhook.id);
  return (
    <div className="flex flex-col gap-3">
      {one.state === "waiting" && one.next_at && one.attempts > 0 && (
        <p className="text-soft text-sm">{t("webhooks.next_at", { time: timeOfDay(one.next_at, lang) })}</p>
      )}
      {one.fault && <p className="text-soft text-sm">{t(`webhooks.fault_text.${one.fault}`)}</p>}
      {query.isPending && <Skeleton className="h-24" />}
      {query.isError && !query.data && (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      )}
      {query.data && (
        <>
          <Text title={t("webhooks.body")} text={pretty(query.data.body)} testId="delivery-body" />
          {query.data.answer && (
            <Text title={t("webhooks.answer")} text={query.data.answer} testId="delivery-answer" />
          )}
        </>
      )}
      <Button
        size="s"
        className="self-start"
        isBusy={replay.isPending}
        disabled={!webhook.is_enabled}
        onClick={() => replay.mutate(one.id)}
        data-testid="delivery-replay"
      >
        <RotateCw />
        {t("webhooks.replay")}
      </Button>
      {!webhook.is_enabled && <p className="text-faint text-sm">{t("webhooks.replay_off")}</p>}
    </div>
  );
}

function Text({ title, text, testId }: { title: string; text: string; testId: string }) {
  return (
    <figure className="min-w-0">
      <figcaption className="mb-1 font-semibold text-sm">{title}</figcaption>
      <pre
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and must do so without a mouse
        tabIndex={0}
        className="max-h-72 overflow-auto rounded-md bg-sunken p-3 font-mono text-[12.5px] leading-relaxed"
        data-testid={testId}
      >
        {text}
      </pre>
    </figure>
  );
}

import { KeyRound, Pencil, ScrollText, Send, Trash2, TriangleAlert } from "lucide-react";
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Webhook } from "@/api/types";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { ago, timeOfDay } from "@/lib/time";
import { Tag } from "@/ui/bits";
import { Button } from "@/ui/button";
import { ConfirmDialog } from "@/ui/dialog";
import { DeliveryLog } from "./DeliveryLog";
import { type Health, healthOf, hostOf } from "./events";
import { useWebhookActs } from "./queries";
import type { ShownSecret } from "./SecretDialog";

const tones: Record<Health, string> = {
  on: "text-good",
  failing: "text-warn",
  off: "text-faint",
  gone: "text-danger",
  failed: "text-danger",
};

export function WebhookCard({
  webhook,
  onEdit,
  onSecret,
}: {
  webhook: Webhook;
  onEdit: () => void;
  onSecret: (shown: ShownSecret) => void;
}) {
  const { t } = useTranslation();
  const lang = useLang();
  const logId = useId();
  const [isLogOpen, setLogOpen] = useState(false);
  const [asked, setAsked] = useState<"delete" | "rotate" | null>(null);
  const { toggle, ping, remove, rotate } = useWebhookActs(webhook.id);
  const health = healthOf(webhook);
  const isOn = toggle.isPending ? toggle.variables : webhook.is_enabled;
  const host = hostOf(webhook.url);
  const name = webhook.description || host;
  return (
    <li
      className="flex flex-col gap-4 rounded-lg border border-line bg-surface p-5"
      data-testid="webhook"
      data-health={health}
      data-url={webhook.url}
    >
      <div className="flex items-start gap-4">
        <h2 className="min-w-0 flex-1 font-bold text-lg leading-tight [overflow-wrap:anywhere]">{name}</h2>
        <input
          type="checkbox"
          role="switch"
          aria-label={t("webhooks.is_enabled", { name })}
          checked={isOn}
          aria-checked={isOn}
          disabled={toggle.isPending}
          onChange={(event) => toggle.mutate(event.target.checked)}
          data-testid="webhook-enabled"
          className="relative inline-block h-6 w-11 shrink-0 cursor-pointer appearance-none rounded-full border border-line bg-sunken align-middle transition-colors before:absolute before:top-[2px] before:left-[2px] before:size-[18px] before:rounded-full before:bg-soft before:transition-transform checked:border-melt checked:bg-melt checked:before:translate-x-5 checked:before:bg-on-melt disabled:cursor-default disabled:opacity-60"
        />
      </div>
      <p className="-mt-3 font-mono text-[13px] text-soft [overflow-wrap:anywhere]">{webhook.url}</p>
      <div className="flex flex-wrap gap-1.5">
        {webhook.events.length === 0 ? (
          <Tag>{t("webhooks.all_events")}</Tag>
        ) : (
          webhook.events.map((event) => <Tag key={event}>{event}</Tag>)
        )}
      </div>
      <div className="flex flex-col gap-1 text-sm" role="status">
        <p className={cx("font-semibold", tones[health])}>
          {t(`webhooks.health.${health}`)}
          {health === "failing" && webhook.failing_since && ` · ${ago(webhook.failing_since, lang)}`}
        </p>
        {health !== "on" && health !== "off" && (
          <p className="text-soft">{t(`webhooks.health_text.${health}`)}</p>
        )}
        {webhook.waiting_count > 0 && (
          <p className="text-soft">{t("webhooks.waiting", { count: webhook.waiting_count })}</p>
        )}
        {webhook.overflowed_at && (
          <p className="flex items-start gap-2 text-warn">
            <TriangleAlert aria-hidden="true" className="mt-0.5 size-4 shrink-0" />
            {t("webhooks.overflowed", { when: ago(webhook.overflowed_at, lang) })}
          </p>
        )}
        {webhook.old_secret_until && (
          <p className="text-soft">
            {t("webhooks.old_until", { time: timeOfDay(webhook.old_secret_until, lang) })}
          </p>
        )}
      </div>
      <div className="flex flex-wrap gap-2">
        <Button
          size="s"
          onClick={() => setLogOpen(!isLogOpen)}
          aria-expanded={isLogOpen}
          aria-controls={logId}
          data-testid="webhook-log-open"
        >
          <ScrollText />
          {t("webhooks.log")}
        </Button>
        <Button
          size="s"
          onClick={() => ping.mutate(undefined, { onSuccess: () => setLogOpen(true) })}
          isBusy={ping.isPending}
          disabled={!webhook.is_enabled}
          data-testid="webhook-ping"
        >
          <Send />
          {t("webhooks.ping")}
        </Button>
        <Button size="s" onClick={onEdit} data-testid="webhook-edit">
          <Pencil />
          {t("actions.edit")}
        </Button>
        <Button size="s" onClick={() => setAsked("rotate")} data-testid="webhook-rotate">
          <KeyRound />
          {t("webhooks.rotate")}
        </Button>
        <Button size="s" look="danger" onClick={() => setAsked("delete")} data-testid="webhook-delete">
          <Trash2 />
          {t("actions.delete")}
        </Button>
      </div>
      <div id={logId} hidden={!isLogOpen}>
        {isLogOpen && <DeliveryLog webhook={webhook} />}
      </div>
      <ConfirmDialog
        isOpen={asked === "delete"}
        onClose={() => setAsked(null)}
        onConfirm={() => remove.mutate(undefined, { onSettled: () => setAsked(null) })}
        isBusy={remove.isPending}
        title={t("webhooks.delete", { name })}
        description={t("webhooks.delete_text")}
        confirmLabel={t("actions.delete")}
        testId="webhook-delete-confirm"
      />
      <ConfirmDialog
        isOpen={asked === "rotate"}
        onClose={() => setAsked(null)}
        onConfirm={() =>
          rotate.mutate(undefined, {
            onSuccess: (fresh) => onSecret({ secret: fresh.secret, oldUntil: fresh.old_secret_until }),
            onSettled: () => setAsked(null),
          })
        }
        isBusy={rotate.isPending}
        title={t("webhooks.rotate_title", { name })}
        description={t("webhooks.rotate_text")}
        confirmLabel={t("webhooks.rotate")}
        testId="webhook-rotate-confirm"
      />
    </li>
  );
}

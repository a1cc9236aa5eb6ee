import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ArrowLeft, Plus } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Webhook } from "@/api/types";
import { useRefresh, webhooks } from "@/features/webhooks/queries";
import { SecretDialog, type ShownSecret } from "@/features/webhooks/SecretDialog";
import { WebhookCard } from "@/features/webhooks/WebhookCard";
import { WebhookForm } from "@/features/webhooks/WebhookForm";
import { PageHead } from "@/shell/PageHead";
import { Empty, ErrorState, Skeleton } from "@/ui/bits";
import { Button, buttonClass } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { RequireUser } from "./RequireUser";

const WEBHOOKS_MAX = 10;

export function WebhooksPage() {
  return <RequireUser>{() => <List />}</RequireUser>;
}

/** The member's own servers that are told of what happens on their channel. */
function List() {
  const { t } = useTranslation();
  const list = useQuery(webhooks());
  const refresh = useRefresh();
  const [edited, setEdited] = useState<Webhook | "new" | null>(null);
  const [shown, setShown] = useState<ShownSecret | null>(null);
  const items = list.data?.items ?? [];
  const isFull = items.length >= WEBHOOKS_MAX;
  const add = (
    <Button look="solid" onClick={() => setEdited("new")} disabled={isFull} data-testid="webhook-new">
      <Plus />
      {t("webhooks.add")}
    </Button>
  );
  return (
    <div className="container-page max-w-[860px] pt-8">
      <PageHead title={t("webhooks.title")}>
        <div className="flex flex-wrap gap-2">
          <Link to="/studio" className={buttonClass("ghost")}>
            <ArrowLeft />
            {t("nav.studio")}
          </Link>
          {items.length > 0 && add}
        </div>
      </PageHead>
      <p className="mb-6 max-w-prose text-soft">{t("webhooks.text")}</p>
      {isFull && <p className="mb-4 text-faint text-sm">{t("webhooks.full", { count: WEBHOOKS_MAX })}</p>}
      {list.isPending && (
        <div className="flex flex-col gap-3">
          <Skeleton className="h-44" />
          <Skeleton className="h-44" />
        </div>
      )}
      {list.isError && !list.data && <ErrorState error={list.error} onRetry={() => void list.refetch()} />}
      {list.data && items.length === 0 && (
        <Empty title={t("webhooks.empty")} action={add}>
          {t("webhooks.empty_text")}
        </Empty>
      )}
      <ul className="flex flex-col gap-4" aria-label={t("webhooks.title")}>
        {items.map((webhook) => (
          <WebhookCard
            key={webhook.id}
            webhook={webhook}
            onEdit={() => setEdited(webhook)}
            onSecret={setShown}
          />
        ))}
      </ul>
      <Dialog
        isOpen={edited !== null}
        onClose={() => setEdited(null)}
        title={edited === "new" ? t("webhooks.add") : t("webhooks.edit")}
      >
        {edited && (
          <WebhookForm
            key={edited === "new" ? "" : edited.id}
            webhook={edited === "new" ? null : edited}
            onDone={(secret) => {
              setEdited(null);
              if (secret) setShown({ secret, oldUntil: null });
              void refresh();
            }}
          />
        )}
      </Dialog>
      <SecretDialog shown={shown} onClose={() => setShown(null)} />
    </div>
  );
}

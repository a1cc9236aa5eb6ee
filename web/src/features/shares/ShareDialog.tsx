import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { More } from "@/ui/more";
import { type ShareLink, shareLinks, type Thing } from "./api";
import { LinkCard } from "./LinkCard";
import { LinkForm } from "./LinkForm";

/** The links of one thing, and a new one. */
export function ShareDialog({ thing, onClose }: { thing: Thing; onClose: () => void }) {
  const { t } = useTranslation();
  const list = useInfiniteQuery(shareLinks(thing));
  const [isNew, setNew] = useState(false);
  const [made, setMade] = useState<ShareLink | null>(null);
  const all = list.data?.pages.flatMap((page) => page.items) ?? [];
  // What is over is in the list of all links.
  const items = all.filter(
    (link) => link.state === "active" || link.state === "exhausted" || link.id === made?.id,
  );
  const shown = made && !items.some((link) => link.id === made.id) ? [made, ...items] : items;
  const hasForm = isNew || (list.data !== undefined && shown.length === 0);
  return (
    <Dialog isOpen onClose={onClose} title={t("shares.dialog", { name: thing.name })}>
      <p className="-mt-2 text-soft">{t(`shares.text.${thing.kind}`)}</p>
      {list.isPending && <Skeleton className="h-32 shrink-0" />}
      {list.isError && !list.data && <ErrorState error={list.error} onRetry={() => void list.refetch()} />}
      {hasForm && (
        <LinkForm
          thing={thing}
          link={null}
          onDone={(link) => {
            setMade(link);
            setNew(false);
          }}
          onCancel={isNew ? () => setNew(false) : undefined}
        />
      )}
      {shown.length > 0 && (
        <>
          {!hasForm && (
            <div>
              <Button look="solid" onClick={() => setNew(true)} data-testid="share-new">
                <Plus />
                {t("shares.new")}
              </Button>
            </div>
          )}
          <ul className="flex flex-col gap-3" aria-label={t("shares.title")}>
            {shown.map((link) => (
              <LinkCard key={link.id} link={link} hasName={false} />
            ))}
          </ul>
          <More list={list} size="s" />
        </>
      )}
      <Link to="/files/shared" className="self-start font-semibold text-melt text-sm hover:underline">
        {t("shares.all")}
      </Link>
    </Dialog>
  );
}

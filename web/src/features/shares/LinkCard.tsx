import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Ban, History, Pencil, QrCode } from "lucide-react";
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { KindIcon } from "@/features/files/KindIcon";
import { errorText } from "@/i18n/errorText";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { ago } from "@/lib/time";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { CopyButton } from "@/ui/copy";
import { ConfirmDialog } from "@/ui/dialog";
import { inputClass } from "@/ui/field";
import { More } from "@/ui/more";
import { toast } from "@/ui/toast";
import { accesses, qr, revokeShareLink, SHARES, type ShareAccess, type ShareLink } from "./api";
import { LinkForm } from "./LinkForm";
import { factsOf, moment } from "./words";

type Open = "qr" | "log" | "edit" | null;

/** One of the member's links: the address, where it stands, and what can be done with it. */
export function LinkCard({ link, hasName }: { link: ShareLink; hasName: boolean }) {
  const { t } = useTranslation();
  const lang = useLang();
  const client = useQueryClient();
  const id = useId();
  const [open, setOpen] = useState<Open>(null);
  const [isAsked, setAsked] = useState(false);
  const revoke = useMutation({
    mutationFn: () => revokeShareLink(link.id),
    onError: (error) => toast({ kind: "error", title: errorText(t, error) }),
    onSettled: () => {
      setAsked(false);
      return client.invalidateQueries({ queryKey: SHARES });
    },
  });
  const toggle = (what: Open) => setOpen(open === what ? null : what);
  const isOn = link.state === "active" || link.state === "exhausted";
  return (
    <li
      className="flex flex-col gap-3 rounded-lg border border-line bg-surface p-4"
      data-testid="share-link"
      data-state={link.state}
      data-name={link.name}
    >
      <div className="flex items-start gap-3">
        {hasName && (
          <KindIcon
            kind={link.resource_type === "vod" ? "video" : link.resource_type}
            className="mt-0.5 size-5 shrink-0 text-soft"
          />
        )}
        <div className="min-w-0 flex-1">
          {hasName && <p className="font-semibold [overflow-wrap:anywhere]">{link.name}</p>}
          <p className="text-soft text-sm">{factsOf(t, lang, link).join(" · ")}</p>
          <p className="text-faint text-sm">
            {t("shares.opened", { count: link.accesses })}
            {link.last_access_at && <> · {t("shares.last", { when: ago(link.last_access_at, lang) })}</>}
          </p>
        </div>
        <span
          className={cx(
            "inline-flex h-6 shrink-0 items-center rounded-full border px-2.5 font-semibold text-xs",
            link.state === "active" ? "border-line text-good" : "border-line text-soft",
          )}
        >
          {t(`shares.state.${link.state}`)}
        </span>
      </div>
      {link.url && link.state !== "revoked" && (
        <div className="flex gap-2">
          <label htmlFor={id} className="sr-only">
            {t("shares.address")}
          </label>
          <input
            id={id}
            readOnly
            value={link.url}
            data-testid="share-url"
            onFocus={(event) => event.currentTarget.select()}
            className={`${inputClass} min-w-0 flex-1 font-mono text-[13px]`}
          />
          <CopyButton text={link.url} label={t("shares.copy")} isIconOnly testId="share-copy" />
        </div>
      )}
      <div className="flex flex-wrap gap-2">
        {link.url && isOn && (
          <Toggle isOn={open === "qr"} onClick={() => toggle("qr")} testId="share-qr">
            <QrCode />
            {t("shares.qr")}
          </Toggle>
        )}
        <Toggle isOn={open === "log"} onClick={() => toggle("log")} testId="share-log">
          <History />
          {t("shares.log.title")}
        </Toggle>
        {link.state !== "revoked" && link.state !== "gone" && (
          <Toggle isOn={open === "edit"} onClick={() => toggle("edit")} testId="share-edit">
            <Pencil />
            {t("actions.edit")}
          </Toggle>
        )}
        {link.state !== "revoked" && (
          <Button look="danger" size="s" onClick={() => setAsked(true)} data-testid="share-revoke">
            <Ban />
            {t("shares.revoke")}
          </Button>
        )}
      </div>
      {open === "qr" && <Qr link={link} />}
      {open === "log" && <Log id={link.id} />}
      {open === "edit" && (
        <LinkForm
          thing={{ kind: link.resource_type }}
          link={link}
          onDone={() => setOpen(null)}
          onCancel={() => setOpen(null)}
        />
      )}
      <ConfirmDialog
        isOpen={isAsked}
        onClose={() => setAsked(false)}
        onConfirm={() => revoke.mutate()}
        isBusy={revoke.isPending}
        title={t("shares.revoke_title", { name: link.name })}
        description={t("shares.revoke_text")}
        confirmLabel={t("shares.revoke")}
        testId="share-revoke-confirm"
      />
    </li>
  );
}

function Toggle({
  isOn,
  onClick,
  testId,
  children,
}: {
  isOn: boolean;
  onClick: () => void;
  testId: string;
  children: React.ReactNode;
}) {
  return (
    <Button
      look={isOn ? "outline" : "soft"}
      size="s"
      aria-expanded={isOn}
      onClick={onClick}
      data-testid={testId}
    >
      {children}
    </Button>
  );
}

function Qr({ link }: { link: ShareLink }) {
  const { t } = useTranslation();
  const picture = useQuery(qr(link.id));
  if (picture.isError) return <ErrorState error={picture.error} onRetry={() => void picture.refetch()} />;
  if (!picture.data) return <Skeleton className="size-56" />;
  return (
    <img
      src={picture.data}
      alt={t("shares.qr_alt", { name: link.name })}
      className="size-56 self-center rounded-md bg-white p-2"
      data-testid="share-qr-picture"
    />
  );
}

function Log({ id }: { id: string }) {
  const { t } = useTranslation();
  const list = useInfiniteQuery(accesses(id));
  if (list.isPending) return <Skeleton className="h-20" />;
  if (list.isError && !list.data)
    return <ErrorState error={list.error} onRetry={() => void list.refetch()} />;
  const items = list.data.pages.flatMap((page) => page.items);
  if (items.length === 0) return <p className="text-faint text-sm">{t("shares.log.empty")}</p>;
  return (
    <div className="flex flex-col gap-2">
      <ul
        className="max-h-72 divide-y divide-line overflow-y-auto rounded-md border border-line"
        aria-label={t("shares.log.title")}
      >
        {items.map((access) => (
          <Visit key={access.id} access={access} />
        ))}
      </ul>
      <More list={list} size="s" />
      <p className="text-faint text-sm">{t("shares.log.text")}</p>
    </div>
  );
}

function Visit({ access }: { access: ShareAccess }) {
  const { t } = useTranslation();
  const lang = useLang();
  const isGranted = access.outcome === "granted";
  const device = [access.browser, access.system].filter(Boolean).join(", ");
  return (
    <li
      className="flex flex-wrap items-baseline gap-x-3 px-3 py-2 text-sm"
      data-testid="share-access"
      data-outcome={access.outcome}
    >
      <span className={cx("font-semibold", isGranted ? "text-good" : "text-danger")}>
        {t(`shares.outcome.${access.outcome}`)}
      </span>
      <span className="tabular text-soft">{access.network}</span>
      <span className="min-w-0 flex-1 truncate text-soft">{device || t("shares.log.unknown")}</span>
      <time dateTime={access.at} className="tabular text-faint">
        {moment(access.at, lang)}
      </time>
    </li>
  );
}

// Where links in mails lead. Nothing happens until somebody clicks: mail programs look at links, too.
import { useMutation } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import { isKnownKind } from "@/features/notifications/choices";
import { errorText } from "@/i18n/errorText";
import { PageHead } from "@/shell/PageHead";
import { Button, buttonClass } from "@/ui/button";

const unsubscribe = getRouteApi("/shell/unsubscribe");
const confirm = getRouteApi("/shell/confirm-mail");

export function Unsubscribe() {
  const { t } = useTranslation();
  const { token = "" } = unsubscribe.useSearch();
  const stop = useMutation({
    mutationFn: (all: boolean) =>
      unwrap(api.POST("/api/v1/mail/unsubscribe", { params: { query: { token, all } } })),
  });
  const kind = stop.data?.type;
  const said = kind
    ? t("mail.stopped_kind", { kind: isKnownKind(kind) ? t(`notice_settings.${kind}`) : kind })
    : t("mail.stopped_all");
  return (
    <MailPage title={t("mail.stop_title")} done={stop.isSuccess ? said : null} error={stop.error}>
      <p className="text-soft">{t("mail.stop_text")}</p>
      <div className="flex flex-wrap gap-3">
        <Button
          look="solid"
          size="l"
          isBusy={stop.isPending}
          onClick={() => stop.mutate(false)}
          data-testid="stop-kind"
        >
          {t("mail.stop_kind")}
        </Button>
        <Button size="l" disabled={stop.isPending} onClick={() => stop.mutate(true)} data-testid="stop-all">
          {t("mail.stop_all")}
        </Button>
      </div>
    </MailPage>
  );
}

export function ConfirmMail() {
  const { t } = useTranslation();
  const { token = "" } = confirm.useSearch();
  const yes = useMutation({
    mutationFn: () => unwrap(api.POST("/api/v1/mail/confirm", { body: { token } })),
  });
  const said = yes.data ? t("mail.confirmed", { address: yes.data.address }) : null;
  return (
    <MailPage title={t("mail.confirm_title")} done={said} error={yes.error}>
      <p className="text-soft">{t("mail.confirm_text")}</p>
      <div>
        <Button
          look="solid"
          size="l"
          isBusy={yes.isPending}
          onClick={() => yes.mutate()}
          data-testid="confirm"
        >
          {t("mail.confirm")}
        </Button>
      </div>
    </MailPage>
  );
}

function MailPage({
  title,
  done,
  error,
  children,
}: {
  title: string;
  done: string | null;
  error: unknown;
  children: ReactNode;
}) {
  const { t } = useTranslation();
  return (
    <div className="container-page max-w-[640px] pt-8">
      <PageHead title={title} />
      <div className="flex flex-col gap-5 rounded-lg border border-line bg-surface p-5 sm:p-7">
        {done === null ? children : null}
        <div role="status">{done !== null && <p className="break-words text-lg">{done}</p>}</div>
        {error ? (
          <p role="alert" className="text-danger">
            {errorText(t, error)}
          </p>
        ) : null}
        {done !== null && (
          <div>
            <Link to="/settings" hash="notifications" className={buttonClass("soft")}>
              {t("mail.to_settings")}
            </Link>
          </div>
        )}
      </div>
    </div>
  );
}

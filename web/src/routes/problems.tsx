import { RotateCw } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { ApiError } from "@/api/errors";
import { PageHead } from "@/shell/PageHead";
import { HomeLink, Rills } from "@/ui/bits";
import { Button } from "@/ui/button";
import { CopyButton } from "@/ui/copy";

function Page({
  code,
  title,
  text,
  children,
}: {
  code: string;
  title: string;
  text: string;
  children?: ReactNode;
}) {
  return (
    <div className="container-page relative grid min-h-[calc(100dvh-var(--header-h))] content-center overflow-hidden py-16 max-md:min-h-[calc(100dvh-var(--header-h)-var(--bottom-h)-24px)] md:-mb-10 md:pb-40">
      <Rills className="pointer-events-none absolute inset-x-0 bottom-0 h-40 w-full opacity-25 [mask-image:linear-gradient(to_bottom,transparent,black)]" />
      <p aria-hidden="true" className="mb-3 font-medium font-mono text-melt">
        {code}
      </p>
      <PageHead title={title} />
      <p className="-mt-3 max-w-prose text-lg text-soft">{text}</p>
      <div className="mt-7 flex flex-wrap gap-2.5">{children}</div>
    </div>
  );
}

export function NotFound() {
  const { t } = useTranslation();
  return (
    <Page code="404" title={t("problems.404.title")} text={t("problems.404.text")}>
      <HomeLink />
    </Page>
  );
}

export function Forbidden() {
  const { t } = useTranslation();
  return (
    <Page code="403" title={t("problems.403.title")} text={t("problems.403.text")}>
      <HomeLink />
    </Page>
  );
}

export function ServerError({ error, onRetry }: { error?: unknown; onRetry?: () => void }) {
  const { t } = useTranslation();
  const requestId = error === undefined ? null : ApiError.of(error).requestId;
  return (
    <Page code="500" title={t("problems.500.title")} text={t("problems.500.text")}>
      {onRetry && (
        <Button look="solid" onClick={onRetry}>
          <RotateCw />
          {t("actions.retry")}
        </Button>
      )}
      <HomeLink />
      {requestId && <CopyButton text={requestId} label={t("errors.copy_request_id")} />}
    </Page>
  );
}

/** The page that fits a refused request. */
export function Problem({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { status } = ApiError.of(error);
  // An id that cannot be an id names nothing.
  if (status === 404 || status === 400 || status === 422) return <NotFound />;
  if (status === 403) return <Forbidden />;
  return <ServerError error={error} onRetry={onRetry} />;
}

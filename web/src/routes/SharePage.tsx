import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { Clock3 } from "lucide-react";
import { useTranslation } from "react-i18next";
import { ApiError } from "@/api/errors";
import { isPassing, keepVisit, openShare, type Shared, shared } from "@/features/shares/api";
import { Closed, PasswordGate, Throttled } from "@/features/shares/Gate";
import { SharedFileView } from "@/features/shares/SharedFileView";
import { SharedFolderView } from "@/features/shares/SharedFolderView";
import { SharedVodView } from "@/features/shares/SharedVodView";
import { moment } from "@/features/shares/words";
import { useLang } from "@/i18n/useLang";
import { PageHead } from "@/shell/PageHead";
import { ErrorState, Skeleton } from "@/ui/bits";

const route = getRouteApi("/shell/share/$token");

/** What a share link opens, for whoever has it: no account is asked for. */
export function SharePage() {
  const { token } = route.useParams();
  return <Visit key={token} token={token} />;
}

function Visit({ token }: { token: string }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const query = useQuery(shared(token));
  const enter = useMutation({
    mutationFn: (password: string) => openShare(token, password),
    onSuccess: (found) => client.setQueryData(shared(token).queryKey, found),
  });
  const again = () => {
    enter.reset();
    void query.refetch();
  };
  // What the last attempt was told counts: of the password, or of the link itself.
  const thrown = enter.error ?? query.error;
  const error = thrown ? ApiError.of(thrown) : null;
  const isShut = error !== null && (!isPassing(error) || !query.data);
  if (query.data && !isShut) return <Inside token={token} found={query.data} renew={() => query.refetch()} />;
  if (!error) {
    return (
      <div className="container-page flex max-w-[980px] flex-col gap-5 pt-8" aria-busy="true">
        <PageHead title={t("share.loading")} isHidden />
        <Skeleton className="h-9 w-2/3" />
        <Skeleton className="aspect-video max-h-[60dvh]" />
      </div>
    );
  }
  if (error.status === 410) return <Closed code={error.code} />;
  if (error.status === 429) return <Throttled seconds={error.retryAfterS ?? 60} onOver={again} />;
  if (error.code === "share.over") {
    return (
      <Closed
        code={error.code}
        onOpen={() => {
          keepVisit(token, null);
          client.removeQueries({ queryKey: shared(token).queryKey });
          again();
        }}
      />
    );
  }
  if (error.status === 404) {
    return (
      <PasswordGate
        isWrong={enter.isError}
        isBusy={enter.isPending}
        onTry={(password) => enter.mutate(password)}
      />
    );
  }
  return (
    <div className="container-page max-w-[640px] pt-8">
      <PageHead title={t("share.title")} />
      <ErrorState error={thrown} onRetry={again} />
    </div>
  );
}

function Inside({ token, found, renew }: { token: string; found: Shared; renew: () => Promise<unknown> }) {
  const { t } = useTranslation();
  const lang = useLang();
  return (
    <div
      className="container-page flex max-w-[1180px] flex-col gap-5 pt-8"
      data-testid="shared"
      data-kind={found.resource_type}
    >
      <div className="-mb-3">
        <PageHead title={found.name} />
        <p className="-mt-5 flex flex-wrap items-center gap-x-2 text-soft text-sm">
          {t(found.resource_type === "vod" ? "shares.fact.watch" : `shares.permission.${found.permission}`)}
          {found.expires_at && (
            <span className="inline-flex items-center gap-1.5" data-testid="shared-until">
              <Clock3 aria-hidden="true" className="size-3.5" />
              {t("shares.fact.until", { when: moment(found.expires_at, lang) })}
            </span>
          )}
        </p>
      </div>
      {found.file && <SharedFileView file={found.file} renew={renew} isAlone />}
      {found.vod && <SharedVodView vod={found.vod} />}
      {found.folder && <SharedFolderView token={token} name={found.name} renew={renew} />}
    </div>
  );
}

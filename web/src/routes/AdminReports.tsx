import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { ReportCase } from "@/api/types";
import { AdminNav } from "@/features/admin/AdminNav";
import { type CaseState, decideReport, siteReports } from "@/features/admin/queries";
import { CaseFacts } from "@/features/report/CaseFacts";
import { Verdict } from "@/features/report/Verdict";
import { errorText } from "@/i18n/errorText";
import { cx } from "@/lib/cx";
import { PageHead } from "@/shell/PageHead";
import { Empty, ErrorState, Skeleton } from "@/ui/bits";
import { buttonClass } from "@/ui/button";
import { inputClass } from "@/ui/field";
import { More } from "@/ui/more";
import { Segmented } from "@/ui/segmented";
import { toast } from "@/ui/toast";
import { Forbidden } from "./problems";
import { RequireUser } from "./RequireUser";

const NOTE_CHARS_MAX = 500;
const STATES: readonly CaseState[] = ["open", "resolved", "dismissed"];

export function AdminReports() {
  return (
    <RequireUser>
      {(user) =>
        user.role === "user" ? (
          <Forbidden />
        ) : (
          <>
            <AdminNav user={user} />
            <Queue />
          </>
        )
      }
    </RequireUser>
  );
}

/** What members reported to the site's staff. */
function Queue() {
  const { t } = useTranslation();
  const [state, setState] = useState<CaseState>("open");
  const query = useInfiniteQuery(siteReports(state));
  const items = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="container-page flex max-w-[860px] flex-col gap-6 pt-8">
      <div className="-mb-6">
        <PageHead title={t("admin.reports.title")} />
      </div>
      <Segmented
        label={t("admin.reports.state")}
        value={state}
        onChange={setState}
        options={STATES.map((value) => ({ value, label: t(`report.state.${value}`) }))}
      />
      {query.isPending && <Skeleton className="h-72" />}
      {query.isError && !query.data && (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      )}
      {query.data && items.length === 0 && (
        <Empty title={state === "open" ? t("admin.reports.empty") : t("admin.reports.none")} />
      )}
      <ul className="flex flex-col gap-3" aria-label={t("admin.reports.title")}>
        {items.map((one) => (
          <Case key={one.id} one={one} />
        ))}
      </ul>
      <More list={query} className="self-center" />
    </div>
  );
}

function Case({ one }: { one: ReportCase }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [note, setNote] = useState("");
  const decide = useMutation({
    mutationFn: (action: "resolve" | "dismiss") => decideReport(one.id, action, note.trim()),
    onSuccess: (done) => toast({ kind: "good", title: t(`report.state.${done.state}`) }),
    onError: (error) => toast({ kind: "error", title: errorText(t, error) }),
    onSettled: () => client.invalidateQueries({ queryKey: ["admin", "reports"] }),
  });
  const name = one.accused;
  return (
    <li
      className="flex flex-col gap-3 rounded-md border border-line bg-surface px-5 py-4 text-sm leading-snug"
      data-testid="site-report"
      data-kind={one.kind}
      data-id={one.id}
    >
      <CaseFacts one={one} />
      <div className="flex flex-wrap items-center gap-2">
        {one.kind === "recording" ? (
          <Link to="/v/$id" params={{ id: one.thing_id }} className={buttonClass("soft", "s")}>
            {t("admin.reports.look")}
          </Link>
        ) : (
          <Link
            to="/c/$username"
            params={{ username: one.channel ?? name }}
            className={buttonClass("soft", "s")}
          >
            {t("admin.reports.look")}
          </Link>
        )}
        <Link to="/admin/members" search={{ q: name }} className={buttonClass("soft", "s")}>
          {t("admin.reports.member")}
        </Link>
        {one.state === "open" && (
          <>
            <input
              value={note}
              onChange={(event) => setNote(event.target.value)}
              aria-label={t("admin.reports.note", { name })}
              placeholder={t("admin.reports.note_short")}
              maxLength={NOTE_CHARS_MAX}
              autoComplete="off"
              className={cx(inputClass, "h-8! min-w-40 flex-1 px-2.5! text-sm")}
              data-testid="site-report-note"
            />
            <Verdict
              isBusy={decide.isPending}
              yes={{
                label: t("mod.reports.resolve"),
                named: t("mod.reports.resolve_named", { name }),
                testId: "site-report-resolve",
                onClick: () => decide.mutate("resolve"),
              }}
              no={{
                label: t("mod.reports.dismiss"),
                named: t("mod.reports.dismiss_named", { name }),
                testId: "site-report-dismiss",
                onClick: () => decide.mutate("dismiss"),
              }}
            />
          </>
        )}
      </div>
    </li>
  );
}

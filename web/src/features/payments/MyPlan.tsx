import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { useLang } from "@/i18n/useLang";
import { day } from "@/lib/time";
import { Empty, ErrorState, SectionHead, Skeleton } from "@/ui/bits";
import { buttonClass } from "@/ui/button";
import { More } from "@/ui/more";
import { payments, subscription } from "./api";
import { money } from "./money";
import { endOf, StatusMark } from "./pieces";

/** What runs for the member, until when, and a payment that waits for them. */
export function MyPlan() {
  const { t } = useTranslation();
  const lang = useLang();
  const mine = useQuery(subscription());
  if (mine.isPending) return <Skeleton className="h-20" />;
  if (!mine.data) return <ErrorState error={mine.error} onRetry={() => void mine.refetch()} />;
  const { plan, name, ends_at, grace_until, is_in_grace, open_payment_id } = mine.data;
  return (
    <div
      className="flex flex-wrap items-center justify-between gap-4 rounded-lg border border-line bg-surface px-6 py-5"
      data-testid="my-plan"
      data-plan={plan}
    >
      <div>
        <p className="font-semibold">{t("pay.you_have", { plan: name })}</p>
        {ends_at && (
          <p className={is_in_grace ? "text-warn" : "text-soft"}>
            {is_in_grace && grace_until
              ? t("pay.in_grace", { date: day(grace_until, lang) })
              : t("pay.until", { date: day(ends_at, lang) })}
          </p>
        )}
        {!ends_at && <p className="text-soft">{t("pay.for_ever")}</p>}
      </div>
      {open_payment_id && (
        <Link
          to="/payments/$id"
          params={{ id: open_payment_id }}
          className={buttonClass("solid")}
          data-testid="open-payment"
        >
          {t("pay.to_open")}
        </Link>
      )}
    </div>
  );
}

/** All the member has paid for, or meant to. */
export function Receipts() {
  const { t } = useTranslation();
  const lang = useLang();
  const query = useInfiniteQuery(payments());
  const items = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <section>
      <SectionHead title={t("pay.history")} />
      {query.isPending && <Skeleton className="h-32" />}
      {query.isError && !query.data && (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      )}
      {query.data && items.length === 0 && <Empty title={t("pay.no_history")} />}
      {items.length > 0 && (
        <ul className="flex flex-col gap-2" aria-label={t("pay.history")}>
          {items.map((one) => {
            const end = endOf(one);
            return (
              <li key={one.id}>
                <Link
                  to="/payments/$id"
                  params={{ id: one.id }}
                  className="flex flex-wrap items-center gap-x-4 gap-y-1 rounded-md border border-line bg-surface px-4 py-3 hover:border-line-strong"
                  data-testid="receipt"
                  data-status={one.status}
                >
                  <span className="min-w-0 flex-1">
                    <span className="block font-semibold">
                      {one.plan_name}
                      <span className="font-normal text-soft">
                        {" "}
                        {money(one.amount_minor, one.currency, one.exponent, lang)}
                      </span>
                    </span>
                    <span className="tabular block text-faint text-sm">
                      {one.reference} <span aria-hidden="true">·</span> {day(one.created_at, lang)}
                      {end && (
                        <>
                          {" "}
                          <span aria-hidden="true">·</span> {t("pay.until", { date: day(end, lang) })}
                        </>
                      )}
                    </span>
                  </span>
                  <StatusMark status={one.status} />
                </Link>
              </li>
            );
          })}
        </ul>
      )}
      <More list={query} className="mt-3 flex justify-center" />
    </section>
  );
}

import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { bytesOf } from "@/features/rooms/attach/Attached";
import { usePreview } from "@/features/rooms/attach/useAttaching";
import { useLang } from "@/i18n/useLang";
import { serverTime } from "@/lib/serverClock";
import { clock, secondsUntil } from "@/lib/time";
import { useNow } from "@/lib/useNow";
import { ErrorState, Skeleton } from "@/ui/bits";
import { CopyButton } from "@/ui/copy";
import type { Payment } from "./api";
import { money, typed } from "./money";

const DAY_S = 86_400;

/** Where to send the money, how much, and under which reference. */
export function PayPanel({ payment }: { payment: Payment }) {
  const { t } = useTranslation();
  const lang = useLang();
  const { pay, currency, exponent, amount_minor: amount } = payment;
  if (!pay) return null;
  const rows: [label: string, text: string, copied: string, testId: string][] = [
    [t("pay.amount"), money(amount, currency, exponent, lang), typed(amount, exponent), "copy-amount"],
    [t("pay.reference"), payment.reference, payment.reference, "copy-reference"],
    [t("pay.account"), pay.bank_account, pay.bank_account, "copy-account"],
    [t("pay.holder"), pay.bank_holder, pay.bank_holder, "copy-holder"],
    [t("pay.bank"), pay.bank_name, pay.bank_name, "copy-bank"],
  ];
  return (
    <section
      className="grid gap-6 rounded-lg border border-line bg-surface p-5 sm:p-7 md:grid-cols-[auto_1fr]"
      aria-label={t("pay.how")}
    >
      {pay.qr_url && <Code url={pay.qr_url} />}
      <div className="flex min-w-0 flex-col gap-4">
        <dl className="flex flex-col gap-2.5">
          {rows
            .filter(([, text]) => text !== "")
            .map(([label, text, copied, testId]) => (
              <div key={testId}>
                <dt className="text-faint text-sm">{label}</dt>
                <dd className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1">
                  <span className="tabular min-w-0 break-all font-semibold text-lg">{text}</span>
                  <CopyButton
                    text={copied}
                    label={t("pay.copy_named", { what: label })}
                    isIconOnly
                    testId={testId}
                  />
                </dd>
              </div>
            ))}
        </dl>
        <p className="whitespace-pre-line text-soft">{pay.instructions}</p>
        <p className="text-sm">{t("pay.name_it", { reference: payment.reference })}</p>
        {payment.status !== "submitted" && <Countdown until={payment.expires_at} />}
      </div>
    </section>
  );
}

function Code({ url }: { url: string }) {
  const { t } = useTranslation();
  const picture = useQuery(bytesOf(url));
  const src = usePreview(picture.data ?? null);
  if (picture.isError) return <ErrorState error={picture.error} onRetry={() => void picture.refetch()} />;
  if (!src) return <Skeleton className="size-60" />;
  return (
    <div className="justify-self-center">
      <img
        src={src}
        alt={t("pay.code")}
        className="h-auto w-60 max-w-full rounded-md bg-white"
        data-testid="pay-code"
      />
      <p className="mt-1.5 max-w-60 text-center text-faint text-sm">{t("pay.code_hint")}</p>
    </div>
  );
}

/** How long is left, by the server's clock. */
function Countdown({ until }: { until: string }) {
  const { t } = useTranslation();
  const left = secondsUntil(until, serverTime(useNow()));
  return (
    <p className="tabular text-soft text-sm" data-testid="countdown">
      {left === null
        ? t("pay.time_up")
        : left >= DAY_S
          ? t("pay.left_days", { count: Math.floor(left / DAY_S), time: clock(left % DAY_S) })
          : t("pay.left", { time: clock(left) })}
    </p>
  );
}

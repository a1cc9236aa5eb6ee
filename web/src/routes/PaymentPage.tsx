import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { ApiError } from "@/api/errors";
import {
  cancel,
  isOpen,
  PAYMENTS,
  type Payment,
  payment as paymentQuery,
  subscription,
} from "@/features/payments/api";
import { money } from "@/features/payments/money";
import { PayPanel } from "@/features/payments/PayPanel";
import { ProofForm } from "@/features/payments/ProofForm";
import { ProofViewer } from "@/features/payments/ProofViewer";
import { Fact, StatusMark } from "@/features/payments/pieces";
import { errorText } from "@/i18n/errorText";
import { useLang } from "@/i18n/useLang";
import { day } from "@/lib/time";
import { PageHead } from "@/shell/PageHead";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button, buttonClass } from "@/ui/button";
import { ConfirmDialog } from "@/ui/dialog";
import { toast } from "@/ui/toast";
import { NotFound } from "./problems";
import { RequireUser } from "./RequireUser";

export function PaymentPage() {
  const { id } = useParams({ from: "/shell/payments/$id" });
  return <RequireUser>{() => <One key={id} id={id} />}</RequireUser>;
}

function One({ id }: { id: string }) {
  const { t } = useTranslation();
  const query = useQuery(paymentQuery(id));
  if (query.isError && !query.data && ApiError.of(query.error).status === 404) return <NotFound />;
  return (
    <div className="container-page flex max-w-[860px] flex-col gap-6 pt-8">
      <div className="-mb-4">
        <PageHead title={query.data ? t("pay.title", { plan: query.data.plan_name }) : t("pay.payment")}>
          {query.data && <StatusMark status={query.data.status} />}
        </PageHead>
      </div>
      {query.isPending && <Skeleton className="h-80" />}
      {query.isError && !query.data && (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      )}
      {query.data && <Shown payment={query.data} />}
    </div>
  );
}

function Shown({ payment }: { payment: Payment }) {
  const { t } = useTranslation();
  const lang = useLang();
  // What was known before the payment was begun says nothing of it.
  const mine = useQuery({ ...subscription(), refetchOnMount: "always" });
  // An administrator may look at it, and does not pay it.
  const isMine = !isOpen(payment.status) || mine.data?.open_payment_id === payment.id;
  const { term } = payment;
  return (
    <>
      <p role="status" className="text-soft" data-testid="payment-state" data-status={payment.status}>
        {t(`pay.state.${payment.status}`, {
          plan: payment.plan_name,
          date: term ? day(term.ends_at, lang) : "",
        })}
      </p>
      {payment.reason !== "" && (
        <p className="rounded-md border border-warn/50 bg-surface px-4 py-3" data-testid="payment-reason">
          <span className="font-semibold">{t("pay.because")}</span> {payment.reason}
        </p>
      )}
      {isOpen(payment.status) && payment.status !== "submitted" && <PayPanel payment={payment} />}
      {payment.status === "submitted" && <Sent payment={payment} />}
      {isOpen(payment.status) && isMine && <ProofForm key={payment.status} payment={payment} />}
      {!isOpen(payment.status) && <Receipt payment={payment} />}
      <div className="flex flex-wrap gap-2">
        <Link to="/plans" className={buttonClass("soft")}>
          {t("pay.back")}
        </Link>
        {isOpen(payment.status) && isMine && <Cancel payment={payment} />}
      </div>
    </>
  );
}

/** What was sent, while somebody looks at it. */
function Sent({ payment }: { payment: Payment }) {
  const { t } = useTranslation();
  return (
    <section className="flex flex-col gap-3 rounded-lg border border-line bg-surface p-5 sm:p-7">
      <h2 className="font-bold text-lg">{t("pay.sent_title")}</h2>
      {payment.proof_url ? (
        <ProofViewer key={payment.submitted_at} url={payment.proof_url} />
      ) : (
        <p className="text-soft" data-testid="proof-checking">
          {t(payment.proof === "checking" ? "pay.checking" : "pay.no_proof")}
        </p>
      )}
    </section>
  );
}

function Receipt({ payment }: { payment: Payment }) {
  const { t } = useTranslation();
  const lang = useLang();
  const { term } = payment;
  return (
    <dl
      className="grid grid-cols-[auto_1fr] gap-x-6 gap-y-1.5 rounded-lg border border-line bg-surface p-5 sm:p-7"
      data-testid="payment-receipt"
    >
      <Fact name={t("pay.plan")}>{payment.plan_name}</Fact>
      <Fact name={t("pay.amount")}>
        {money(payment.amount_minor, payment.currency, payment.exponent, lang)}
      </Fact>
      <Fact name={t("pay.reference")}>{payment.reference}</Fact>
      <Fact name={t("pay.begun")}>{day(payment.created_at, lang)}</Fact>
      {payment.decided_at && <Fact name={t("pay.decided")}>{day(payment.decided_at, lang)}</Fact>}
      {term && <Fact name={t("pay.runs_until")}>{day(term.ends_at, lang)}</Fact>}
    </dl>
  );
}

function Cancel({ payment }: { payment: Payment }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [isAsked, setAsked] = useState(false);
  const end = useMutation({
    mutationFn: () => cancel(payment.id),
    onSuccess: (now) => client.setQueryData(paymentQuery(payment.id).queryKey, now),
    onError: (error) => toast({ kind: "error", title: errorText(t, error) }),
    onSettled: () => {
      setAsked(false);
      return client.invalidateQueries({ queryKey: PAYMENTS });
    },
  });
  return (
    <>
      <Button look="ghost" onClick={() => setAsked(true)} data-testid="payment-cancel">
        {t("pay.cancel")}
      </Button>
      <ConfirmDialog
        isOpen={isAsked}
        onClose={() => setAsked(false)}
        onConfirm={() => end.mutate()}
        title={t("pay.cancel")}
        description={t("pay.cancel_text")}
        confirmLabel={t("pay.cancel_yes")}
        isBusy={end.isPending}
        testId="payment-cancel-yes"
      />
    </>
  );
}

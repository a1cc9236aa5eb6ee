import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { TriangleAlert } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { retryAttempt } from "@/api/attempts";
import { AdminNav } from "@/features/admin/AdminNav";
import {
  approve,
  askAgain,
  PAYMENTS,
  PENDING_STATES,
  type PendingPayment,
  type PendingState,
  pending,
  reject,
} from "@/features/payments/api";
import { money } from "@/features/payments/money";
import { ProofViewer } from "@/features/payments/ProofViewer";
import { Fact, StatusMark } from "@/features/payments/pieces";
import { errorText } from "@/i18n/errorText";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { ago, day } from "@/lib/time";
import { PageHead } from "@/shell/PageHead";
import { Empty, ErrorState, Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { TextArea } from "@/ui/field";
import { More } from "@/ui/more";
import { Segmented } from "@/ui/segmented";
import { toast } from "@/ui/toast";
import { Forbidden } from "./problems";
import { RequireUser } from "./RequireUser";

const REASON_CHARS_MAX = 500;

export function AdminPayments() {
  return (
    <RequireUser>
      {(user) =>
        user.role === "admin" ? (
          <>
            <AdminNav user={user} />
            <Desk />
          </>
        ) : (
          <Forbidden />
        )
      }
    </RequireUser>
  );
}

/** Payments that wait for somebody to decide. */
function Desk() {
  const { t } = useTranslation();
  const [state, setState] = useState<PendingState>("submitted");
  const query = useInfiniteQuery(pending(state));
  const items = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="container-page flex max-w-[980px] flex-col gap-6 pt-8">
      <div className="-mb-6">
        <PageHead title={t("pay.desk.title")} />
      </div>
      <Segmented
        label={t("pay.desk.which")}
        value={state}
        onChange={setState}
        options={PENDING_STATES.map((value) => ({ value, label: t(`pay.status.${value}`) }))}
      />
      {query.isPending && <Skeleton className="h-96" />}
      {query.isError && !query.data && (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      )}
      {query.data && items.length === 0 && <Empty title={t("pay.desk.empty")} />}
      <ul className="flex flex-col gap-4" aria-label={t("pay.desk.title")}>
        {items.map((one) => (
          <Case key={one.id} one={one} />
        ))}
      </ul>
      <More list={query} className="self-center" />
    </div>
  );
}

type Refusal = "reject" | "ask";

function Case({ one }: { one: PendingPayment }) {
  const { t } = useTranslation();
  const lang = useLang();
  const client = useQueryClient();
  const [refusing, setRefusing] = useState<Refusal | null>(null);
  const settled = () => client.invalidateQueries({ queryKey: PAYMENTS });
  const accept = useMutation({
    mutationFn: () => approve(one.id, one.amount_minor),
    retry: retryAttempt,
    onSuccess: (done) => toast({ kind: "good", title: t(`pay.status.${done.status}`) }),
    onError: (error) => toast({ kind: "error", title: errorText(t, error) }),
    onSettled: settled,
  });
  const sum = (minor: number) => money(minor, one.currency, one.exponent, lang);
  const stated = one.stated_amount_minor ?? null;
  const isOther = stated !== null && stated !== one.amount_minor;
  const twins = [...new Set([...one.same_proof, ...one.same_transfer])];
  return (
    <li
      className="grid gap-5 rounded-lg border border-line bg-surface p-5 md:grid-cols-2"
      data-testid="pending-payment"
      data-id={one.id}
      data-status={one.status}
      data-twins={twins.length}
    >
      <div className="flex min-w-0 flex-col gap-4">
        <div className="flex flex-wrap items-center justify-between gap-2">
          <h2 className="font-bold text-lg">
            <Link to="/c/$username" params={{ username: one.payer.username }} className="hover:underline">
              {one.payer.display_name}
            </Link>
            <span className="font-normal text-soft"> {one.plan_name}</span>
          </h2>
          <StatusMark status={one.status} />
        </div>
        <dl className="grid grid-cols-[auto_1fr] gap-x-5 gap-y-1.5 text-[15px]">
          <Fact name={t("pay.desk.expected")}>
            <span className="tabular font-semibold">{sum(one.amount_minor)}</span>
          </Fact>
          <Fact name={t("pay.desk.stated")}>
            <span className={cx("tabular", isOther && "font-semibold text-danger")}>
              {stated === null ? t("pay.desk.nothing") : sum(stated)}
            </span>
            {isOther && <span className="block text-danger text-sm">{t("pay.desk.other_amount")}</span>}
          </Fact>
          <Fact name={t("pay.reference")}>
            <span className="tabular font-semibold">{one.reference}</span>
          </Fact>
          <Fact name={t("pay.transfer")}>{one.stated_reference || t("pay.desk.nothing")}</Fact>
          <Fact name={t("pay.payer")}>{one.stated_payer || t("pay.desk.nothing")}</Fact>
          <Fact name={t("pay.begun")}>{ago(one.submitted_at ?? one.created_at, lang)}</Fact>
          {one.running && (
            <Fact name={t("pay.desk.runs")}>
              {t("pay.desk.until", { plan: one.running.plan, date: day(one.running.ends_at, lang) })}
            </Fact>
          )}
          <Fact name={t("pay.desk.would")}>
            <span className="font-semibold" data-testid="would">
              {t("pay.desk.until", { plan: one.would.plan, date: day(one.would.ends_at, lang) })}
            </span>
          </Fact>
        </dl>
        {twins.length > 0 && (
          <p
            className="flex items-start gap-2 rounded-md border border-danger/50 bg-danger-wash px-3 py-2 text-sm"
            data-testid="twins"
          >
            <TriangleAlert aria-hidden="true" className="mt-0.5 size-4 shrink-0 text-danger" />
            <span>
              {one.same_proof.length > 0 && t("pay.desk.same_proof", { list: one.same_proof.join(", ") })}{" "}
              {one.same_transfer.length > 0 &&
                t("pay.desk.same_transfer", { list: one.same_transfer.join(", ") })}
            </span>
          </p>
        )}
        <div className="mt-auto flex flex-wrap gap-2">
          <Button
            look="solid"
            onClick={() => accept.mutate()}
            isBusy={accept.isPending}
            data-testid="payment-approve"
            aria-label={t("pay.desk.approve_named", { reference: one.reference })}
          >
            {t("pay.desk.approve")}
          </Button>
          {one.status !== "asked_again" && (
            <Button
              onClick={() => setRefusing("ask")}
              data-testid="payment-ask"
              aria-label={t("pay.desk.ask_named", { reference: one.reference })}
            >
              {t("pay.desk.ask")}
            </Button>
          )}
          <Button
            look="danger"
            onClick={() => setRefusing("reject")}
            data-testid="payment-reject"
            aria-label={t("pay.desk.reject_named", { reference: one.reference })}
          >
            {t("pay.desk.reject")}
          </Button>
        </div>
      </div>
      {one.proof_url ? (
        <ProofViewer key={one.submitted_at} url={one.proof_url} />
      ) : (
        <p className="grid h-40 place-items-center rounded-md border border-line bg-sunken p-4 text-center text-soft">
          {t(one.proof === "checking" ? "pay.checking" : "pay.no_proof")}
        </p>
      )}
      {refusing && <Refuse one={one} act={refusing} onClose={() => setRefusing(null)} onSettled={settled} />}
    </li>
  );
}

function Refuse({
  one,
  act,
  onClose,
  onSettled,
}: {
  one: PendingPayment;
  act: Refusal;
  onClose: () => void;
  onSettled: () => Promise<void>;
}) {
  const { t } = useTranslation();
  const [reason, setReason] = useState("");
  const send = useMutation({
    mutationFn: () => (act === "reject" ? reject : askAgain)(one.id, reason.trim()),
    retry: retryAttempt,
    onSuccess: (done) => {
      toast({ kind: "good", title: t(`pay.status.${done.status}`) });
      onClose();
    },
    onSettled,
  });
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={t(`pay.desk.${act}`)}
      description={t(`pay.desk.${act}_text`, { name: one.payer.display_name })}
    >
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          send.mutate();
        }}
      >
        <TextArea
          label={t("pay.desk.reason")}
          value={reason}
          onChange={(event) => setReason(event.target.value)}
          maxLength={REASON_CHARS_MAX}
          aside={`${reason.length}/${REASON_CHARS_MAX}`}
          required
          error={send.isError ? errorText(t, send.error) : null}
          data-testid="payment-why"
        />
        <div className="flex justify-end gap-2">
          <Button look="ghost" onClick={onClose}>
            {t("actions.cancel")}
          </Button>
          <Button
            type="submit"
            look={act === "reject" ? "danger" : "solid"}
            isBusy={send.isPending}
            disabled={reason.trim() === ""}
            data-testid="payment-refuse"
          >
            {t(`pay.desk.${act}`)}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

// Small pieces that pages of plans and payments share.
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { cx } from "@/lib/cx";
import type { Payment, PaymentStatus } from "./api";

const looks: Record<PaymentStatus, string> = {
  pending: "border-line text-soft",
  submitted: "border-melt/60 text-melt",
  asked_again: "border-warn/60 text-warn",
  approved: "border-good/60 text-good",
  rejected: "border-danger/60 text-danger",
  expired: "border-line text-soft",
  cancelled: "border-line text-soft",
};

/** Where a payment stands, in a word. */
export function StatusMark({ status }: { status: PaymentStatus }) {
  const { t } = useTranslation();
  return (
    <span
      className={cx(
        "inline-flex h-6 shrink-0 items-center rounded-full border px-2.5 font-semibold text-xs",
        looks[status],
      )}
      data-testid="payment-status"
      data-status={status}
    >
      {t(`pay.status.${status}`)}
    </span>
  );
}

/** A name and what it is, in a list of such. */
export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <dt className="text-faint">{name}</dt>
      <dd className="min-w-0 break-words">{children}</dd>
    </>
  );
}

/** Until when a payment's plan runs, where it is known. */
export const endOf = (payment: Payment) => payment.term?.ends_at ?? null;

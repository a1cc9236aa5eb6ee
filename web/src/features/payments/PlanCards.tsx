import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Check } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { retryAttempt } from "@/api/attempts";
import { useSession } from "@/api/session";
import { bytes } from "@/features/vod/keeping";
import { errorText } from "@/i18n/errorText";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Segmented } from "@/ui/segmented";
import { begin, type PaymentMethod, type Plan, plans, subscription } from "./api";
import { money } from "./money";

/** What each plan gives and costs, side by side. */
export function PlanCards() {
  const { t } = useTranslation();
  const known = useQuery(plans());
  const user = useSession((session) => session.user);
  const mine = useQuery({ ...subscription(), enabled: user !== null });
  const [wanted, setWanted] = useState<Plan | null>(null);
  if (known.isPending) return <Skeleton className="h-72" />;
  if (!known.data) return <ErrorState error={known.error} onRetry={() => void known.refetch()} />;
  const { items, currency, exponent, payment_methods } = known.data;
  const runs = user ? (mine.data?.plan ?? null) : null;
  const isSold = items.some((plan) => plan.is_sold);
  return (
    <>
      <ul className="grid gap-4 md:grid-cols-3" aria-label={t("pay.plans")}>
        {items.map((plan) => (
          <PlanCard
            key={plan.plan}
            plan={plan}
            currency={currency}
            exponent={exponent}
            isRunning={runs === plan.plan}
            onBuy={() => setWanted(plan)}
          />
        ))}
      </ul>
      {!isSold && <p className="text-soft">{t("pay.not_sold")}</p>}
      {wanted && (
        <Buy
          plan={wanted}
          currency={currency}
          exponent={exponent}
          methods={payment_methods}
          onClose={() => setWanted(null)}
        />
      )}
    </>
  );
}

function PlanCard({
  plan,
  currency,
  exponent,
  isRunning,
  onBuy,
}: {
  plan: Plan;
  currency: string;
  exponent: number;
  isRunning: boolean;
  onBuy: () => void;
}) {
  const { t } = useTranslation();
  const lang = useLang();
  const user = useSession((session) => session.user);
  const navigate = useNavigate();
  const gives = [
    plan.storage_bytes == null
      ? t("pay.gives.storage_free")
      : t("pay.gives.storage", { size: bytes(plan.storage_bytes, lang) }),
    t("pay.gives.upload", { size: bytes(plan.upload_bytes_max, lang) }),
    plan.recordings_bytes == null
      ? t("pay.gives.recordings_free")
      : t("pay.gives.recordings", { size: bytes(plan.recordings_bytes, lang) }),
  ];
  const buy = () => (user ? onBuy() : void navigate({ to: "/signin", search: { next: "/plans" } }));
  return (
    <li
      className={cx(
        "flex flex-col gap-4 rounded-lg border bg-surface p-6",
        isRunning ? "border-melt" : "border-line",
      )}
      data-testid="plan"
      data-plan={plan.plan}
      data-running={isRunning}
    >
      <div className="flex items-center justify-between gap-3">
        <h2 className="font-bold font-display text-xl">{plan.name}</h2>
        {isRunning && <span className="font-semibold text-melt text-sm">{t("pay.yours")}</span>}
      </div>
      <p className="tabular font-bold text-[26px] leading-none tracking-tight">
        {plan.price_minor === 0 ? t("pay.free") : money(plan.price_minor, currency, exponent, lang)}
        {plan.days > 0 && plan.price_minor > 0 && (
          <span className="font-normal text-base text-soft"> {t("pay.for_days", { count: plan.days })}</span>
        )}
      </p>
      <ul className="flex flex-1 flex-col gap-2 text-[15px]">
        {gives.map((line) => (
          <li key={line} className="flex items-start gap-2">
            <Check aria-hidden="true" className="mt-1 size-4 shrink-0 text-good" />
            {line}
          </li>
        ))}
      </ul>
      {plan.is_sold && (
        <Button
          look={isRunning ? "soft" : "solid"}
          onClick={buy}
          data-testid="plan-buy"
          aria-label={t(isRunning ? "pay.extend_named" : "pay.buy_named", { plan: plan.name })}
        >
          {t(isRunning ? "pay.extend" : "pay.buy")}
        </Button>
      )}
    </li>
  );
}

function Buy({
  plan,
  currency,
  exponent,
  methods,
  onClose,
}: {
  plan: Plan;
  currency: string;
  exponent: number;
  methods: PaymentMethod[];
  onClose: () => void;
}) {
  const { t } = useTranslation();
  const lang = useLang();
  const navigate = useNavigate();
  const mine = useQuery(subscription());
  const [method, setMethod] = useState<PaymentMethod>(methods[0] ?? "bank_transfer");
  const start = useMutation({
    mutationFn: () => begin(plan.plan, method),
    retry: retryAttempt,
    onSuccess: (payment) => void navigate({ to: "/payments/$id", params: { id: payment.id } }),
  });
  const open = mine.data?.open_payment_id ?? null;
  const runs = mine.data && mine.data.plan !== "FREE" && !mine.data.is_in_grace ? mine.data : null;
  const price = money(plan.price_minor, currency, exponent, lang);
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={t("pay.buy_title", { plan: plan.name })}
      description={t("pay.buy_text", { price, count: plan.days })}
    >
      {runs && (
        <p className="text-soft text-sm">
          {t(runs.plan === plan.plan ? "pay.goes_on" : "pay.takes_over", { plan: runs.name })}
        </p>
      )}
      {methods.length > 1 && (
        <Segmented
          label={t("pay.method_label")}
          value={method}
          onChange={setMethod}
          options={methods.map((value) => ({ value, label: t(`pay.method.${value}`) }))}
        />
      )}
      {start.isError && (
        <p role="alert" className="text-danger text-sm">
          {errorText(t, start.error)}
        </p>
      )}
      <div className="flex flex-wrap justify-end gap-2">
        {open && (
          <Button look="ghost" onClick={() => void navigate({ to: "/payments/$id", params: { id: open } })}>
            {t("pay.to_open")}
          </Button>
        )}
        <Button
          look="solid"
          onClick={() => start.mutate()}
          isBusy={start.isPending}
          data-testid="buy-confirm"
        >
          {t("pay.begin")}
        </Button>
      </div>
    </Dialog>
  );
}

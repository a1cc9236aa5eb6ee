import { useMutation, useQueryClient } from "@tanstack/react-query";
import { ImageUp } from "lucide-react";
import { type FormEvent, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { ApiError } from "@/api/errors";
import { usePreview } from "@/features/rooms/attach/useAttaching";
import { errorText } from "@/i18n/errorText";
import { Button } from "@/ui/button";
import { TextField } from "@/ui/field";
import { Progress } from "@/ui/progress";
import { toast } from "@/ui/toast";
import { PAYMENTS, type Payment, PROOF_MIB_MAX, PROOF_TYPES, payment as paymentQuery, prove } from "./api";
import { minorOf, typed } from "./money";

/** A picture that proves a payment, and what its payer says beside it. */
export function ProofForm({ payment }: { payment: Payment }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const input = useRef<HTMLInputElement>(null);
  const [file, setFile] = useState<File | null>(null);
  const [payer, setPayer] = useState(payment.stated_payer);
  const [amount, setAmount] = useState(
    typed(payment.stated_amount_minor ?? payment.amount_minor, payment.exponent),
  );
  const [transfer, setTransfer] = useState(payment.stated_reference);
  const [share, setShare] = useState(0);
  const [refusal, setRefusal] = useState<string | null>(null);
  const preview = usePreview(file);
  const amountMinor = amount.trim() === "" ? null : minorOf(amount, payment.exponent);
  const isOdd = amount.trim() !== "" && amountMinor === null;
  const send = useMutation({
    mutationFn: (picture: File) =>
      prove(payment.id, { file: picture, payer, amountMinor, transfer }, setShare),
    onSuccess: (now) => {
      client.setQueryData(paymentQuery(payment.id).queryKey, now);
      setFile(null);
      toast({ kind: "good", title: t("pay.sent") });
    },
    onSettled: () => client.invalidateQueries({ queryKey: PAYMENTS }),
  });
  const choose = (chosen: File | undefined) => {
    setRefusal(null);
    send.reset();
    if (!chosen) return;
    if (chosen.size > PROOF_MIB_MAX << 20) setRefusal(t("pay.too_large", { mb: PROOF_MIB_MAX }));
    else setFile(chosen);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!file) return setRefusal(t("pay.choose_first"));
    if (isOdd) return;
    setShare(0);
    send.mutate(file);
  };
  const told = (field: string) =>
    (send.error ? ApiError.of(send.error).fields : []).find((one) => one.field === field)?.message ?? null;
  const isFirst = payment.status === "pending";
  return (
    <form
      onSubmit={submit}
      className="flex flex-col gap-5 rounded-lg border border-line bg-surface p-5 sm:p-7"
      aria-label={t("pay.proof")}
    >
      <div>
        <h2 className="font-bold text-lg">{t(isFirst ? "pay.proof" : "pay.proof_again")}</h2>
        <p className="text-soft">{t("pay.proof_text")}</p>
      </div>
      <div className="flex flex-wrap items-start gap-4">
        <input
          ref={input}
          type="file"
          accept={PROOF_TYPES}
          className="sr-only"
          tabIndex={-1}
          aria-label={t("pay.picture")}
          data-testid="proof-input"
          onChange={(event) => {
            choose(event.target.files?.[0]);
            event.target.value = "";
          }}
        />
        {preview && (
          <img
            src={preview}
            alt={t("pay.preview")}
            className="max-h-52 max-w-full rounded-md border border-line object-contain"
            data-testid="proof-preview"
          />
        )}
        <Button onClick={() => input.current?.click()} disabled={send.isPending}>
          <ImageUp />
          {t(file ? "pay.other_picture" : "pay.picture")}
        </Button>
      </div>
      <div className="grid gap-4 sm:grid-cols-2">
        <TextField
          label={t("pay.payer")}
          value={payer}
          onChange={(event) => setPayer(event.target.value)}
          maxLength={100}
          autoComplete="name"
          error={told("payer")}
        />
        <TextField
          label={t("pay.paid")}
          aside={payment.currency}
          value={amount}
          onChange={(event) => setAmount(event.target.value)}
          inputMode="decimal"
          autoComplete="off"
          error={isOdd ? t("pay.odd_amount") : told("amount_minor")}
        />
        <TextField
          label={t("pay.transfer")}
          hint={t("pay.transfer_hint")}
          value={transfer}
          onChange={(event) => setTransfer(event.target.value)}
          maxLength={100}
          autoComplete="off"
          error={told("transfer")}
        />
      </div>
      {send.isPending && <Progress value={share} max={1} aria-label={t("pay.sending")} />}
      {(refusal || send.isError) && (
        <p role="alert" className="text-danger text-sm">
          {refusal ?? errorText(t, send.error)}
        </p>
      )}
      <div>
        <Button type="submit" look="solid" isBusy={send.isPending} data-testid="proof-send">
          {t("pay.send_proof")}
        </Button>
      </div>
    </form>
  );
}
